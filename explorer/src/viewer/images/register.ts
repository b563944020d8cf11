/** Makes the pictures of a series known to Cornerstone. */
import { wadors } from '@cornerstonejs/dicom-image-loader'
import type { QueryClient } from '@tanstack/vue-query'

import { address } from '@/api/client'
import type { Resource } from '@/api/resources'

import { frameIds, seriesPath } from './frames'
import { seriesFiles, seriesInstances } from './series'

/**
 * An identifier for each picture, for Cornerstone's loaders, in the order in which they are looked at.
 *
 * @param dicomWeb the path of DICOMweb, relative to the root of the API; null where the server has none
 */
export async function registerSeries(
  client: QueryClient,
  dicomWeb: string | null,
  study: Resource,
  series: Resource,
): Promise<string[]> {
  if (dicomWeb === null) return seriesFiles(client, series)
  const instances = await seriesInstances(client, dicomWeb, study, series)
  const path = address(seriesPath(dicomWeb, study, series))
  for (const instance of instances) {
    const [first] = frameIds([instance], path)
    // The other frames of an instance are found by the first.
    if (first) wadors.metaDataManager.add(first, instance as never)
  }
  return frameIds(instances, path)
}
