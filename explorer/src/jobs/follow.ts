/** The jobs that were started on these pages: shown until the user puts them away. */
import { shallowRef } from 'vue'
import type { RouteLocationRaw } from 'vue-router'

import type { Job, JobReference } from '@/api/jobs'

export const followed = shallowRef<readonly string[]>([])
const MOST = 5
const removed = new Map<string, string>()

/** @param gone the Orthanc identifier of the study or series that is no more once the job has succeeded */
export function follow(job: JobReference, gone?: string): void {
  followed.value = [...followed.value.slice(1 - MOST), job.ID]
  if (gone) removed.set(job.ID, gone)
}

/** What a job has removed, by what it was followed with; told once. */
export function takeRemoved(job: Job): string | undefined {
  const gone = job.State === 'Success' ? removed.get(job.ID) : undefined
  if (gone) removed.delete(job.ID)
  return gone
}

export function putAway(id: string): void {
  followed.value = followed.value.filter((one) => one !== id)
}

const PLACES: Record<string, string> = { patients: 'patient', studies: 'study', series: 'series', instances: 'instance' }

/** The page of what a job has made; undefined where it has made no resource, or several. */
export function resultOf(job: Job): RouteLocationRaw | undefined {
  if (job.State !== 'Success') return undefined
  const { TargetStudy, Path } = job.Content
  if (typeof TargetStudy === 'string') return { name: 'study', params: { id: TargetStudy } }
  const [, collection = '', id] = typeof Path === 'string' ? Path.split('/') : []
  const name = PLACES[collection]
  return name && id ? { name, params: { id } } : undefined
}

export function hasArchive(job: Job): boolean {
  return job.State === 'Success' && ['Archive', 'Media'].includes(job.Type)
}
