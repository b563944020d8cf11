/** From a form to the body of a request that modifies or anonymises. */
import type { Tags } from '@/api/resources'
import type { Mode } from '@/options'

export type Edited = 'Study' | 'Series'

/** The tags that have a field of their own. */
export const EDITED: Readonly<Record<Edited, readonly string[]>> = {
  Study: [
    'PatientName',
    'PatientID',
    'PatientBirthDate',
    'PatientSex',
    'StudyDate',
    'StudyDescription',
    'AccessionNumber',
    'ReferringPhysicianName',
  ],
  Series: ['SeriesDescription', 'SeriesNumber', 'SeriesDate', 'BodyPartExamined', 'ProtocolName'],
}

const OF_PATIENT: readonly string[] = ['PatientName', 'PatientID', 'PatientBirthDate', 'PatientSex']
const UIDS: readonly string[] = ['StudyInstanceUID', 'SeriesInstanceUID', 'SOPInstanceUID']

export interface Change {
  tag: string
  does: 'replace' | 'remove' | 'keep'
  value: string
}

export interface Edit {
  Replace?: Record<string, string>
  Remove?: string[]
  Keep?: string[]
  Force?: boolean
  KeepSource?: boolean
}

/**
 * What differs from what the resource has. Whoever changes the patient of a study has to name the whole patient, and
 * an identifier may be set only with `Force`.
 */
export function replacements(
  mode: 'modify' | 'anonymize',
  given: Readonly<Record<string, string>>,
  values: Readonly<Record<string, string>>,
  further: readonly Change[],
): Edit {
  const changed = Object.entries(values).filter(([name, value]) =>
    mode === 'modify' ? value !== (given[name] ?? '') : value !== '',
  )
  const replace = Object.fromEntries(changed)
  if (mode === 'modify' && OF_PATIENT.some((name) => name in replace)) {
    for (const name of OF_PATIENT) replace[name] ??= values[name] ?? ''
  }
  for (const one of further) if (one.does === 'replace') replace[one.tag] = one.value
  const tagsThat = (does: Change['does']) => further.filter((one) => one.does === does).map((one) => one.tag)
  const edit: Edit = {}
  if (Object.keys(replace).length > 0) edit.Replace = replace
  if (tagsThat('remove').length > 0) edit.Remove = tagsThat('remove')
  if (tagsThat('keep').length > 0) edit.Keep = tagsThat('keep')
  if ('PatientID' in replace || tagsThat('keep').length > 0) edit.Force = true
  return edit
}

/**
 * The same, and what becomes of the source. What keeps its identifiers replaces its source, which must not be removed
 * then; it is another instance where the patient changes.
 */
export function inMode(edit: Edit, mode: Mode): Edit {
  if (mode === 'duplicate') return { ...edit, KeepSource: true }
  if (mode === 'modify-new-uids') return { ...edit, KeepSource: false }
  const keep = [...new Set([...(edit.Keep ?? []), ...UIDS])]
  return { ...edit, Keep: keep, Force: true, KeepSource: !('PatientID' in (edit.Replace ?? {})) }
}

/** What gives a study to a patient that there is, by the patient's main tags. */
export function attachment(patient: Tags, study: Tags): Edit {
  const known = Object.entries(patient).filter(([, value]) => value !== '')
  const gone = Object.keys(study).filter((name) => !known.some(([one]) => one === name))
  return {
    Replace: Object.fromEntries(known),
    ...(gone.length > 0 ? { Remove: gone } : {}),
    Force: true,
  }
}
