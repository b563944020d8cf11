/** Entries of the modality worklist (PS3.4 K): what a form shows of them, and what it makes of them. */
import { resolved } from '@/defaults'
import type { DefaultTags } from '@/options'

type Item = DefaultTags | DefaultTags[] | string | undefined

export interface Worklist {
  ID: string
  Tags: DefaultTags
}

const STEP = 'ScheduledProcedureStepSequence'
const OF_ORDER = [
  'PatientName',
  'PatientID',
  'PatientBirthDate',
  'PatientSex',
  'AccessionNumber',
  'ReferringPhysicianName',
  'RequestedProcedureDescription',
  'RequestedProcedureID',
] as const
const OF_STEP = [
  'Modality',
  'ScheduledStationAETitle',
  'ScheduledProcedureStepStartDate',
  'ScheduledProcedureStepStartTime',
  'ScheduledProcedureStepDescription',
  'ScheduledProcedureStepID',
  'ScheduledPerformingPhysicianName',
] as const

export const FIELDS: readonly string[] = [...OF_ORDER, ...OF_STEP]
export const REQUIRED: readonly string[] = ['PatientName', 'PatientID']

const isOfStep = (name: string) => (OF_STEP as readonly string[]).includes(name)

/** The first item of a sequence; empty where there is none. */
function first(value: Item): DefaultTags {
  const item = Array.isArray(value) ? value[0] : value
  return typeof item === 'object' ? item : {}
}

/** The text of a tag, of the entry or of its step. */
export function textOf(tags: DefaultTags, name: string): string {
  const value: Item = tags[name] ?? first(tags[STEP])[name]
  return typeof value === 'string' ? value : ''
}

function toInput(name: string, value: string): string {
  const day = /^(\d{4})(\d{2})(\d{2})$/.exec(value)
  if (name.endsWith('Date')) return day ? day.slice(1).join('-') : ''
  const time = /^(\d{2})(\d{2})/.exec(value)
  if (name.endsWith('Time')) return time ? time.slice(1).join(':') : ''
  return value
}

function fromInput(name: string, value: string): string {
  if (name.endsWith('Date')) return value.replaceAll('-', '')
  return name.endsWith('Time') ? value.replaceAll(':', '') : value
}

/** What the fields of a form show. */
export function filled(tags: DefaultTags): Record<string, string> {
  return Object.fromEntries(FIELDS.map((name) => [name, toInput(name, textOf(tags, name))]))
}

/**
 * A filled form as the tags of an entry.
 *
 * @param known the tags that the entry has: what no field shows of them stays
 */
export function worklist(values: Readonly<Record<string, string>>, known: DefaultTags): DefaultTags {
  const before = filled(known)
  const step = { ...first(known[STEP]) }
  const order = Object.fromEntries(Object.entries(known).filter(([name]) => !isOfStep(name)))
  for (const name of FIELDS) {
    const value = values[name] ?? ''
    const isAsBefore = value === before[name] // seconds have no place in the form, and stay
    ;(isOfStep(name) ? step : order)[name] = isAsBefore ? textOf(known, name) : fromInput(name, value)
  }
  const others = Array.isArray(known[STEP]) ? known[STEP].slice(1) : []
  return { ...order, [STEP]: [step, ...others] }
}

/** The configured tags of a new entry, with their placeholders replaced. */
export function beginning(configured: DefaultTags, now: Date): DefaultTags {
  const each = (value: string | DefaultTags | DefaultTags[]): string | DefaultTags | DefaultTags[] => {
    if (typeof value === 'string') return resolved(value, now)
    return Array.isArray(value) ? value.map((item) => beginning(item, now)) : beginning(value, now)
  }
  return Object.fromEntries(Object.entries(configured).map(([name, value]) => [name, each(value)]))
}
