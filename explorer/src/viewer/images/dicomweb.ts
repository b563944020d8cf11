/** What has to be known of the pictures of a series before their frames are fetched. */
import { get, request } from '@/api/client'
import type { Resource } from '@/api/resources'

import { text, type DicomElement, type DicomJson } from './dicomJson'
import { seriesPath, sorted } from './frames'

const PALETTES = ['00281201', '00281202', '00281203']

/** The data sets of a series that have pictures, without the pictures. */
export async function fetchInstances(root: string, study: Resource, series: Resource, signal?: AbortSignal): Promise<DicomJson[]> {
  const path = seriesPath(root, study, series)
  const instances = sorted(await get<DicomJson[]>(`${path}/metadata`, signal))
  await Promise.all(
    instances
      .filter((one) => text(one['00280004']) === 'PALETTE COLOR')
      .flatMap((one) => PALETTES.map((tag) => fetchTable(one[tag], `${path}/instances/${text(one['00080018'])}/bulk/${tag}`))),
  )
  return instances
}

/** The entries of a colour table, which metadata name by an address only. */
async function fetchTable(table: DicomElement | undefined, path: string): Promise<void> {
  if (!table || table.Value) return
  const response = await request(path, { headers: { accept: 'application/octet-stream' } })
  table.Value = Array.from(new Uint16Array(await response.arrayBuffer()))
}
