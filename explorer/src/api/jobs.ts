/** Jobs, and the stream of what becomes of them. */
import { address, get, post, remove } from './client'

export type JobState = 'Pending' | 'Running' | 'Success' | 'Failure' | 'Paused' | 'Retry'
export type JobAction = 'pause' | 'resume' | 'cancel' | 'resubmit'

export interface Job {
  ID: string
  Type: string
  State: JobState
  Progress: number // percent
  Priority: number
  CreationTime: string
  CompletionTime?: string
  EstimatedTimeOfArrival?: string
  EffectiveRuntime: number // seconds
  ErrorCode: number
  ErrorDescription: string
  ErrorDetails?: string
  Content: Record<string, unknown>
  UserData?: unknown
}

/** What an asynchronous request answers with. */
export interface JobReference {
  ID: string
  Path: string
}

export const jobs = () => get<Job[]>('jobs?expand')
export const act = (id: string, action: JobAction) => post(`jobs/${id}/${action}`)
export const forget = (id: string) => remove(`jobs/${id}`)

/** Which actions a state allows. */
export const ACTIONS: Record<JobState, JobAction[]> = {
  Pending: ['pause', 'cancel'],
  Running: ['pause', 'cancel'],
  Retry: ['pause', 'cancel'],
  Paused: ['resume', 'cancel'],
  Success: [],
  Failure: ['resubmit'],
}

/** Call back whenever a job has changed, until the returned function is called. The browser reconnects. */
export function listen(changed: () => void): () => void {
  const events = new EventSource(address('jobs/events'))
  events.onmessage = changed
  events.onopen = changed // what happened while the stream was away
  return () => events.close()
}
