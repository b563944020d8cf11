/** What the study list is asked for: kept in the address, and turned into a search of the server. */
import type { LocationQuery, LocationQueryRaw } from 'vue-router'

import type { Conditions, Order, Tags } from '@/api/resources'
import { offered } from '@/options'

import { columnOf } from './columns'

export interface Search {
  filters: Tags
  labels: string[]
  labelsConstraint: 'All' | 'Any' | 'None'
  sort: string // a column's key, with "-" before it for the largest first
}

export const NEWEST_FIRST = '-LastUpdate'

export function emptySearch(): Search {
  return { filters: {}, labels: [], labelsConstraint: 'All', sort: NEWEST_FIRST }
}

function single(query: LocationQuery, key: string): string {
  const value = query[key]
  return (Array.isArray(value) ? value[0] : value) ?? ''
}

export function fromAddress(query: LocationQuery): Search {
  const search = emptySearch()
  for (const key of Object.keys(query)) {
    const value = single(query, key)
    if (value && (columnOf(key)?.filter ?? 'none') !== 'none') search.filters[key] = value
  }
  search.labels = single(query, 'labels').split(',').filter(Boolean)
  const constraint = single(query, 'labels-constraint')
  if (constraint === 'Any' || constraint === 'None') search.labelsConstraint = constraint
  search.sort = single(query, 'sort') || NEWEST_FIRST
  return search
}

export function toAddress(search: Search): LocationQueryRaw {
  const query: LocationQueryRaw = { ...search.filters }
  if (search.labels.length > 0) query['labels'] = search.labels.join(',')
  if (search.labelsConstraint !== 'All') query['labels-constraint'] = search.labelsConstraint
  if (search.sort !== NEWEST_FIRST) query['sort'] = search.sort
  return query
}

/** The same search without the filter of a column. */
export function without(search: Search, key: string): Search {
  return { ...search, filters: Object.fromEntries(Object.entries(search.filters).filter(([name]) => name !== key)) }
}

export function isEmpty(search: Search): boolean {
  return Object.keys(search.filters).length === 0 && search.labels.length === 0
}

/** A typed text as a pattern: found anywhere in the value, unless it has wildcards or quotation marks. */
export function pattern(typed: string): string {
  const trimmed = typed.trim()
  const quoted = /^"(.*)"$/.exec(trimmed)
  if (quoted) return quoted[1] ?? ''
  return /[*?\\]/.test(trimmed) || !offered.UiOptions.AutoAddWildcardsToSearchFields ? trimmed : `*${trimmed}*`
}

/** Dates as people write them, as DICOM writes them: 2026-11-28, 28.11.2026, 20261128 and ranges of them. */
export function dicomDates(typed: string): string {
  const text = typed.trim().replaceAll('/', '.')
  const day = String.raw`\d{4}-\d{2}-\d{2}|\d{1,2}\.\d{1,2}\.\d{4}|\d{8}`
  const range = new RegExp(`^(${day})?\\s*(-|–|\\.\\.)\\s*(${day})?$`).exec(text)
  if (range && (range[1] || range[3])) return `${dicomDate(range[1])}-${dicomDate(range[3])}`
  return new RegExp(`^(?:${day})$`).test(text) ? dicomDate(text) : text
}

function dicomDate(text: string | undefined): string {
  if (!text) return ''
  if (!text.includes('.')) return text.replaceAll('-', '')
  const [day = '', month = '', year = ''] = text.split('.')
  return year + month.padStart(2, '0') + day.padStart(2, '0')
}

/** Whether a text is a date, or a range of dates, as DICOM writes them. */
export function isDates(text: string): boolean {
  return /^(?:\d{8}|\d{8}-(?:\d{8})?|-\d{8})$/.test(text)
}

export function conditions(search: Search): Conditions {
  const query: Tags = {}
  for (const [key, typed] of Object.entries(search.filters)) {
    const filter = columnOf(key)?.filter
    if (filter === 'text') query[key] = key.endsWith('UID') ? typed : pattern(typed)
    else if (filter === 'date') query[key] = dicomDates(typed)
    else if (filter === 'modality') query[key] = typed.replaceAll(',', '\\')
  }
  const found: Conditions = { Level: 'Study', Query: query }
  if (search.labels.length > 0) {
    found.Labels = search.labels
    found.LabelsConstraint = search.labelsConstraint
  }
  return found
}

export function order(sort: string): Order[] {
  const key = sort.replace(/^-/, '')
  const column = columnOf(key)
  if (!column?.order) return order(NEWEST_FIRST)
  return [{ Type: column.order, Key: key, Direction: sort.startsWith('-') ? 'DESC' : 'ASC' }]
}

/** The columns that a word of the search box may belong to, the likeliest first. */
export function meanings(word: string): string[] {
  if (isDates(dicomDates(word))) return ['StudyDate', 'PatientBirthDate']
  if (/^\d/.test(word)) return ['PatientID', 'AccessionNumber', 'StudyDescription', 'PatientName']
  return ['PatientName', 'PatientID', 'StudyDescription', 'AccessionNumber', 'InstitutionName']
}

/**
 * Read the search box: each word becomes the filter of the first column where it finds something.
 *
 * @param count tells how many studies a search finds
 */
export async function understand(
  typed: string,
  base: Search,
  count: (wanted: Conditions) => Promise<number>,
): Promise<Search> {
  const search: Search = { ...base, filters: {} }
  for (const word of typed.match(/"[^"]*"|\S+/g) ?? []) {
    const candidates = meanings(word).filter((key) => !(key in search.filters))
    let best = candidates[0]
    for (const key of candidates) {
      const attempt = { ...search, filters: { ...search.filters, [key]: word } }
      if ((await count(conditions(attempt))) > 0) {
        best = key
        break
      }
    }
    if (best) search.filters[best] = word
  }
  return search
}
