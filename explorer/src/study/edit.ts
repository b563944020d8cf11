/** From a form to the body of a request that modifies or anonymises. */

/** The tags that have a field of their own. */
export const EDITED = [
  'PatientName',
  'PatientID',
  'PatientBirthDate',
  'PatientSex',
  'StudyDate',
  'StudyDescription',
  'AccessionNumber',
  'ReferringPhysicianName',
] as const

const OF_PATIENT: readonly string[] = ['PatientName', 'PatientID', 'PatientBirthDate', 'PatientSex']

export interface Change {
  tag: string
  does: 'replace' | 'remove' | 'keep'
  value: string
}

interface Edit {
  Replace?: Record<string, string>
  Remove?: string[]
  Keep?: string[]
  Force?: boolean
}

/**
 * What differs from what the study has. Whoever changes the patient of a study has to name the whole patient, and
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
