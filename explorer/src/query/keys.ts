/** What the form of a query asks another server for, and what it answers. */
import type { Tags } from '@/api/resources'
import { dicomDates, pattern } from '@/list/search'

/** What is asked for, by its fields. */
export const FIELDS = ['PatientName', 'PatientID', 'StudyDate', 'AccessionNumber', 'StudyDescription', 'ModalitiesInStudy'] as const

const RETURNED = [...FIELDS, 'PatientBirthDate', 'StudyInstanceUID', 'NumberOfStudyRelatedInstances'] as const
const IDENTIFIERS: readonly string[] = ['PatientID', 'AccessionNumber']
const MOST_ANSWERS = 1000 // of a DICOMweb server

/** Filled fields as a query: names and descriptions anywhere in the text, identifiers as they are. */
export function keys(values: Readonly<Record<string, string>>): Tags {
  const asked: Tags = Object.fromEntries(RETURNED.map((name) => [name, '']))
  for (const name of FIELDS) {
    const typed = (values[name] ?? '').trim()
    if (!typed) continue
    if (name === 'StudyDate') asked[name] = dicomDates(typed)
    else if (name === 'ModalitiesInStudy') asked[name] = typed.toUpperCase().replaceAll(/[\s,]+/g, '\\')
    else asked[name] = IDENTIFIERS.includes(name) ? typed : pattern(typed)
  }
  if (values['StudyInstanceUID']) asked['StudyInstanceUID'] = values['StudyInstanceUID']
  return asked
}

/** The same as arguments of QIDO-RS (PS3.18 8.3.4), where a list of values has commas. */
export function parameters(values: Readonly<Record<string, string>>): Tags {
  const asked = Object.entries(keys(values)).filter(([, value]) => value !== '')
  return {
    ...Object.fromEntries(asked.map(([name, value]) => [name, value.replaceAll('\\', ',')])),
    includefield: 'StudyDescription',
    limit: String(MOST_ANSWERS),
  }
}

/** A data set in the DICOM JSON model (PS3.18 F.2). */
export type DicomJson = Record<string, { vr?: string; Value?: unknown[] }>

const NAMES: Readonly<Record<string, string>> = {
  '00080020': 'StudyDate',
  '00080050': 'AccessionNumber',
  '00080061': 'ModalitiesInStudy',
  '00081030': 'StudyDescription',
  '00100010': 'PatientName',
  '00100020': 'PatientID',
  '00100030': 'PatientBirthDate',
  '0020000D': 'StudyInstanceUID',
  '00201208': 'NumberOfStudyRelatedInstances',
}

/** What is shown of an answer of QIDO-RS, by keywords; several values are parted by `\`. */
export function simplified(answer: DicomJson): Tags {
  const tags: Tags = {}
  for (const [tag, name] of Object.entries(NAMES)) {
    const values = answer[tag]?.Value
    if (Array.isArray(values)) tags[name] = values.map(text).join('\\')
  }
  return tags
}

function text(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  const name = (value ?? {}) as { Alphabetic?: unknown }
  return typeof name.Alphabetic === 'string' ? name.Alphabetic : ''
}
