/** The pictures of a series out of whole files, for a server without DICOMweb. */
import { address } from '@/api/client'
import { find, type Resource } from '@/api/resources'

import { imageIds } from './frames'

export async function fileImages(series: Resource, signal?: AbortSignal): Promise<string[]> {
  return imageIds(await find({ Level: 'Instance', Query: {}, ParentSeries: series.ID }, {}, signal), address)
}
