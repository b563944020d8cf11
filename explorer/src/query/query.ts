/** Searching modalities and DICOMweb servers, and fetching what they have. */
import { get, post } from '@/api/client'
import type { JobReference } from '@/api/jobs'
import { find, type Tags } from '@/api/resources'

import { keys } from './keys'

export interface Answer {
  index: number
  tags: Tags
  /** The Orthanc identifier of the study where this server has it, too. */
  local: string | undefined
}

export interface Found {
  query: string
  answers: Answer[]
}

/** Ask a modality for studies, and look which of them are here. */
export async function search(modality: string, values: Readonly<Record<string, string>>): Promise<Found> {
  const body = { Level: 'Study', Query: keys(values) }
  const { ID } = await post<{ ID: string }>(`modalities/${encodeURIComponent(modality)}/query`, body)
  const found = await get<Tags[]>(`queries/${ID}/answers?expand&simplify`)
  const uids = found.map((tags) => tags['StudyInstanceUID'] ?? '').filter(Boolean)
  const local = uids.length > 0 ? await find({ Level: 'Study', Query: { StudyInstanceUID: uids.join('\\') } }) : []
  const byUid = new Map(local.map((study) => [study.MainDicomTags['StudyInstanceUID'], study.ID]))
  return {
    query: ID,
    answers: found.map((tags, index) => ({ index, tags, local: byUid.get(tags['StudyInstanceUID']) })),
  }
}

export type Method = 'C-MOVE' | 'C-GET'

/** Have the server fetch one answer, in a job. */
export function retrieve(query: string, index: number, method: Method): Promise<JobReference> {
  return post<JobReference>(`queries/${query}/answers/${index}/retrieve`, { RetrieveMethod: method, Asynchronous: true })
}
