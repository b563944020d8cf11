/** Data sets as DICOMweb gives them (PS3.18 annex F). */

interface PersonName {
  Alphabetic?: string
  Ideographic?: string
  Phonetic?: string
}

export interface DicomElement {
  vr: string
  Value?: (string | number | PersonName | DicomJson | null)[]
  BulkDataURI?: string
  InlineBinary?: string
}

/** Elements by their tags: eight hexadecimal digits in upper case. */
export type DicomJson = Record<string, DicomElement>

/** All values of an element, in the notation of a file; empty where there are none. */
export function text(element: DicomElement | undefined): string {
  return (element?.Value ?? []).map(one).join('\\')
}

function one(value: NonNullable<DicomElement['Value']>[number]): string {
  if (value === null) return ''
  if (typeof value !== 'object') return String(value)
  const { Alphabetic = '', Ideographic = '', Phonetic = '' } = value as PersonName
  return [Alphabetic, Ideographic, Phonetic].filter((part, index) => part || index === 0).join('=')
}

/** The first number of an element; NaN where there is none. */
export function number(element: DicomElement | undefined): number {
  const [value] = element?.Value ?? []
  return value === undefined || value === null || value === '' ? NaN : Number(value)
}

/** The items of a sequence. */
export function items(element: DicomElement | undefined): DicomJson[] {
  return (element?.Value ?? []).filter((item): item is DicomJson => typeof item === 'object' && item !== null)
}
