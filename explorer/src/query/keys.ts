/** What the form of a query asks a modality for. */
import type { Tags } from '@/api/resources'
import { dicomDates, pattern } from '@/list/search'

/** What is asked for, by its fields. */
export const FIELDS = ['PatientName', 'PatientID', 'StudyDate', 'AccessionNumber', 'StudyDescription', 'ModalitiesInStudy'] as const

const RETURNED = [...FIELDS, 'PatientBirthDate', 'StudyInstanceUID', 'NumberOfStudyRelatedInstances'] as const
const IDENTIFIERS: readonly string[] = ['PatientID', 'AccessionNumber']

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
  return asked
}
