/** The pictures of a series. */
import { address } from '@/api/client'
import { find } from '@/api/resources'

import { imageIds } from './frames'

export async function seriesImages(series: string, signal?: AbortSignal): Promise<string[]> {
  return imageIds(await find({ Level: 'Instance', Query: {}, ParentSeries: series }, {}, signal), address)
}
