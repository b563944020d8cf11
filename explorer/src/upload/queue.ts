/**
 * Uploads: any number of files, a few at a time, which may be paused and tried again.
 *
 * What waits is kept as a list of files, of which the browser has read nothing yet. A lost connection pauses the
 * queue and keeps the file that was on its way; the queue goes on when the server answers again.
 */
import { computed, reactive, readonly } from 'vue'

import { isAway, request, ServerError } from '@/api/client'
import { onReturn } from '@/connection'
import { explain } from '@/notices'

const PARALLEL = 4
const BUSY_PAUSE = 3000 // ms after the server had too much to do
const MOST_REFUSALS = 1000 // that are listed; all are counted

export interface Refusal {
  name: string
  reason: string
}

interface Stored {
  ParentStudy?: string
  Status?: string
}

interface State {
  waiting: number
  underway: number
  stored: number
  known: number // were there already
  refused: number
  refusals: Refusal[]
  studies: string[]
  isPaused: boolean
  isOffline: boolean
  isSeen: boolean // that all is done
}

const state = reactive<State>(empty())
const files: File[] = []
const failures: File[] = []
const studies = new Set<string>()

function empty(): State {
  return {
    waiting: 0,
    underway: 0,
    stored: 0,
    known: 0,
    refused: 0,
    refusals: [],
    studies: [],
    isPaused: false,
    isOffline: false,
    isSeen: false,
  }
}

export const uploads = readonly(state)
export const isBusy = computed(() => state.waiting + state.underway > 0)
export const total = computed(() => state.waiting + state.underway + state.stored + state.known + state.refused)

/** Add files to the queue. */
export function enqueue(added: Iterable<File>): void {
  if (!isBusy.value && state.refused === 0) clear()
  for (const file of added) files.push(file)
  state.isSeen = false
  work()
}

/** Who has uploaded has seen what became of it. */
export function seen(): void {
  state.isSeen = true
}

export function pause(isPaused: boolean): void {
  state.isPaused = isPaused
  work()
}

/** Try again what was refused. */
export function retry(): void {
  files.push(...failures.splice(0))
  state.refused = 0
  state.refusals = []
  work()
}

/** Give up what waits, and forget what was done. */
export function clear(): void {
  files.length = 0
  failures.length = 0
  studies.clear()
  Object.assign(state, empty(), { underway: state.underway })
}

function work(): void {
  while (!state.isPaused && !state.isOffline && state.underway < PARALLEL) {
    const file = files.shift()
    if (!file) break
    state.underway += 1
    void upload(file).finally(() => {
      state.underway -= 1
      work()
    })
  }
  state.waiting = files.length
}

async function upload(file: File): Promise<void> {
  try {
    const response = await request('instances', { method: 'POST', body: file })
    const answer = (await response.json()) as Stored | Stored[]
    count(Array.isArray(answer) ? answer : [answer])
  } catch (error) {
    if (error instanceof ServerError && (error.isUnreachable || error.status === 503)) {
      files.unshift(file)
      state.isOffline = true
      if (!error.isUnreachable) setTimeout(goOn, BUSY_PAUSE)
      return
    }
    state.refused += 1
    failures.push(file)
    if (state.refusals.length < MOST_REFUSALS) {
      state.refusals.push({ name: file.webkitRelativePath || file.name, reason: explain(error) })
    }
  }
}

function count(answers: Stored[]): void {
  for (const answer of answers) {
    if (answer.Status === 'AlreadyStored') state.known += 1
    else state.stored += 1
    if (answer.ParentStudy && !studies.has(answer.ParentStudy)) {
      studies.add(answer.ParentStudy)
      state.studies = [...studies]
    }
  }
}

function goOn(): void {
  if (isAway.value) return // its return is told
  state.isOffline = false
  work()
}

onReturn(goOn)

window.addEventListener('beforeunload', (event) => {
  if (isBusy.value) event.preventDefault()
})
