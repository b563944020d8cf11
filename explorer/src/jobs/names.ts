/** What jobs do, in words. */
import type { Job } from '@/api/jobs'
import { i18n } from '@/i18n'

/** What a job does; its type as the server has it where it is of a kind that has no words here. */
export function nameOf({ Type, Content }: Pick<Job, 'Type' | 'Content'>): string {
  const { t, te } = i18n.global
  const type = Content['IsAnonymization'] === true ? 'Anonymization' : Type
  return te(`jobs.type.${type}`, 'en') ? t(`jobs.type.${type}`) : Type
}
