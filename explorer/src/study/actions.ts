/** What can be done with studies and series, wherever they are shown. */
import { address, post } from '@/api/client'
import type { JobReference } from '@/api/jobs'
import { COLLECTION, deleteMany, type Level, type Resource } from '@/api/resources'
import { confirm } from '@/confirm'
import { personName } from '@/format'
import { i18n } from '@/i18n'
import { done, failed } from '@/notices'

const MOST_NAMES = 5

/** A study as people call it: patient and description. */
export function nameOf(study: Resource): string {
  const patient = personName(study.PatientMainDicomTags?.['PatientName'] ?? '')
  const description = study.MainDicomTags['StudyDescription'] ?? study.MainDicomTags['StudyDate'] ?? ''
  return [patient || study.PatientMainDicomTags?.['PatientID'], description].filter(Boolean).join(' · ') || study.ID
}

/** Delete studies after asking; whether it was done. */
export async function removeStudies(studies: Resource[]): Promise<boolean> {
  const { t } = i18n.global
  const names = studies.slice(0, MOST_NAMES).map(nameOf).join('; ')
  const more = studies.length > MOST_NAMES ? ' …' : ''
  const isSure = await confirm({
    title: t('delete.title', { n: studies.length }, studies.length),
    text: t('delete.text', { names: names + more }),
    action: t('action.delete'),
  })
  if (!isSure) return false
  try {
    await deleteMany(studies.map((study) => study.ID))
  } catch (error) {
    failed(error)
    return false
  }
  done(t('delete.done', { n: studies.length }, studies.length))
  return true
}

/** Have the server make one archive of many resources, as a job whose output is downloaded from the jobs page. */
export async function archiveMany(ids: string[], isMedia = false): Promise<JobReference> {
  return post<JobReference>(isMedia ? 'tools/create-media' : 'tools/create-archive', {
    Resources: ids,
    Asynchronous: true,
  })
}

export function archiveAddress(level: Level, id: string): string {
  return address(`${COLLECTION[level]}/${id}/archive`)
}

export function mediaAddress(level: Level, id: string): string {
  return address(`${COLLECTION[level]}/${id}/media`)
}

/** The address of a thumbnail of an instance. */
export function thumbnail(instance: string): string {
  return address(`instances/${instance}/preview?returnUnsupportedImage`)
}

