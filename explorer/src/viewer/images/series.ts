/** The pictures of a series, in the order in which they are looked at. */
import type { QueryClient } from '@tanstack/vue-query'

import type { Resource } from '@/api/resources'

import { fetchInstances } from './dicomweb'
import type { DicomJson } from './dicomJson'
import { fileImages } from './files'

const KEPT = 10 * 60_000 // ms; a series that somebody comes back to is there at once

/** The data sets of the pictures of a series, by DICOMweb; asked for once, and kept. */
export function seriesInstances(client: QueryClient, root: string, study: Resource, series: Resource): Promise<DicomJson[]> {
  return client.fetchQuery({
    queryKey: ['series-instances', series.ID, series.Instances?.length],
    queryFn: ({ signal }) => fetchInstances(root, study, series, signal),
    staleTime: KEPT,
    gcTime: KEPT,
  })
}

/** The same by whole files. */
export function seriesFiles(client: QueryClient, series: Resource): Promise<string[]> {
  return client.fetchQuery({
    queryKey: ['series-files', series.ID, series.Instances?.length],
    queryFn: ({ signal }) => fileImages(series, signal),
    staleTime: KEPT,
    gcTime: KEPT,
  })
}
