/** Values of DICOM as people read them. */

import { offered } from './options'

const MEGABYTE = 2 ** 20

/** A name (PS3.5 6.2.1.2): the first group with letters, its components in reading order, or as it is configured. */
export function personName(value: string): string {
  const configured = asConfigured(value)
  if (configured !== undefined) return configured
  const [family = '', given = '', middle = '', prefix = '', suffix = ''] = (value.split('=')[0] ?? '').split('^')
  const rest = [prefix, given, middle].filter(Boolean).join(' ')
  const name = [family, rest].filter(Boolean).join(', ')
  return suffix ? `${name} ${suffix}` : name
}

function asConfigured(value: string): string | undefined {
  const { PatientNameCapture, PatientNameFormatting } = offered.UiOptions
  if (!PatientNameFormatting) return undefined
  try {
    return value.replace(new RegExp(PatientNameCapture), PatientNameFormatting).trim()
  } catch {
    return undefined // the server knows regular expressions of another kind, and let it pass
  }
}

/** A date (DA) by the conventions of a language; what is no date is shown as it is. */
export function date(value: string, locale: string): string {
  const parts = /^(\d{4})\.?(\d{2})\.?(\d{2})$/.exec(value)
  if (!parts) return value
  const moment = new Date(Date.UTC(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3])))
  const isDate = moment.getUTCMonth() === Number(parts[2]) - 1 && moment.getUTCDate() === Number(parts[3])
  if (!isDate) return value
  const format = offered.UiOptions.DateFormat
  if (format) return format.replace('yyyy', parts[1] ?? '').replace('MM', parts[2] ?? '').replace('dd', parts[3] ?? '')
  return new Intl.DateTimeFormat(locale, { timeZone: 'UTC', year: 'numeric', month: '2-digit', day: '2-digit' }).format(
    moment,
  )
}

/** A moment of the server, `20261128T210557` in UTC, in the browser's time zone. */
export function moment(value: string | undefined, locale: string): string {
  const parts = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})/.exec(value ?? '')
  if (!parts) return value ?? ''
  const [year, month, day, hour, minute, second] = parts.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const at = new Date(Date.UTC(year, month - 1, day, hour, minute, second))
  return new Intl.DateTimeFormat(locale, { dateStyle: 'short', timeStyle: 'medium' }).format(at)
}

/** Bytes, as MB or GB. */
export function size(bytes: number, locale: string): string {
  const format = (value: number) => new Intl.NumberFormat(locale, { maximumFractionDigits: 1 }).format(value)
  if (bytes < MEGABYTE) return `${format(bytes / 1024)} KB`
  if (bytes < 1024 * MEGABYTE) return `${format(bytes / MEGABYTE)} MB`
  return `${format(bytes / 1024 / MEGABYTE)} GB`
}

/** A value by the keyword of its tag, or the name of its metadata: names, dates and moments as people read them. */
export function shownTag(keyword: string, value: string, locale: string): string {
  if (keyword.endsWith('Date')) return keyword === 'ReceptionDate' ? moment(value, locale) : date(value, locale)
  if (keyword === 'LastUpdate') return moment(value, locale)
  if (keyword === 'ModalitiesInStudy') return value.replaceAll('\\', ', ')
  const isPerson = /(?:Patient|Physician|Physicians|Operators)Name$/.test(keyword)
  return isPerson ? personName(value) : value
}
