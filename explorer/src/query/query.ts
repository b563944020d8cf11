/** Searching modalities and DICOMweb servers for studies, and fetching what they have. */
import { get, post } from '@/api/client'
import type { JobReference } from '@/api/jobs'
import { find, type Tags } from '@/api/resources'
import { pathOf } from '@/network/remotes'
import type { Target } from '@/network/requests'

import { keys, parameters, simplified, type DicomJson } from './keys'

export type Method = 'C-MOVE' | 'C-GET'

export interface Answer {
  tags: Tags
  /** The Orthanc identifier of the study where this server has it, too. */
  local: string | undefined
  /** Have the server fetch the study, in a job. */
  retrieve: (method: Method) => Promise<JobReference>
}

type Remote = Omit<Answer, 'local'>

/** Ask for studies, and look which of them are here. */
export async function search(target: Target, values: Readonly<Record<string, string>>): Promise<Answer[]> {
  const found = await (target.remote.kind === 'dicomweb' ? overDicomWeb : overDicom)(target, values)
  const uids = found.map(({ tags }) => tags['StudyInstanceUID'] ?? '').filter(Boolean)
  const local = uids.length > 0 ? await find({ Level: 'Study', Query: { StudyInstanceUID: uids.join('\\') } }) : []
  const byUid = new Map(local.map((study) => [study.MainDicomTags['StudyInstanceUID'], study.ID]))
  return found.map((one) => ({ ...one, local: byUid.get(one.tags['StudyInstanceUID']) }))
}

async function overDicom({ remote, name }: Target, values: Readonly<Record<string, string>>): Promise<Remote[]> {
  const { ID } = await post<{ ID: string }>(`${pathOf(remote, name)}/query`, { Level: 'Study', Query: keys(values) })
  const found = await get<Tags[]>(`queries/${ID}/answers?expand&simplify`)
  return found.map((tags, index) => ({
    tags,
    retrieve: (method) =>
      post<JobReference>(`queries/${ID}/answers/${index}/retrieve`, { RetrieveMethod: method, Asynchronous: true }),
  }))
}

async function overDicomWeb({ remote, name }: Target, values: Readonly<Record<string, string>>): Promise<Remote[]> {
  const path = pathOf(remote, name)
  // Not `qido`, which gives the first value of each tag only.
  const found = await post<DicomJson[] | undefined>(`${path}/get`, {
    Uri: 'studies',
    Arguments: parameters(values),
    HttpHeaders: { Accept: 'application/dicom+json' },
  })
  return (found ?? []).map((one) => {
    const tags = simplified(one)
    const Resources = [{ Study: tags['StudyInstanceUID'] ?? '' }]
    return { tags, retrieve: () => post<JobReference>(`${path}/retrieve`, { Resources, Asynchronous: true }) }
  })
}
