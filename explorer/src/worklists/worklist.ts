/** Entries of the modality worklist (PS3.4 K). */

export interface Worklist {
  ID: string
  Tags: Record<string, string> & { ScheduledProcedureStepSequence?: Record<string, string>[] }
}

const OF_PATIENT = ['PatientName', 'PatientID', 'PatientBirthDate', 'PatientSex', 'AccessionNumber'] as const
const OF_STEP = [
  'Modality',
  'ScheduledStationAETitle',
  'ScheduledProcedureStepStartDate',
  'ScheduledProcedureStepDescription',
] as const

export const FIELDS = [...OF_PATIENT, ...OF_STEP]

/** A filled form as the tags of an entry. */
export function worklist(values: Readonly<Record<string, string>>): Record<string, unknown> {
  const filled = (names: readonly string[]) =>
    Object.fromEntries(
      names.map((name) => [name, name.endsWith('Date') ? (values[name] ?? '').replaceAll('-', '') : (values[name] ?? '')]),
    )
  return { ...filled(OF_PATIENT), ScheduledProcedureStepSequence: [filled(OF_STEP)] }
}
