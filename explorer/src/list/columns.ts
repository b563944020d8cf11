/** The columns of the study list: what they show, what they filter by, and what they sort by. */
import type { Order, Resource } from '@/api/resources'

export interface Column {
  key: string
  /** How it is filtered: text with wildcards of its own, a range of dates, modalities, or not at all. */
  filter: 'text' | 'date' | 'modality' | 'none'
  order: Order['Type'] | null
  width: string // of the grid
  value: (study: Resource) => string
  isNumber?: boolean
}

const main = (key: string) => (study: Resource) => study.MainDicomTags[key] ?? ''
const patient = (key: string) => (study: Resource) => study.PatientMainDicomTags?.[key] ?? ''
const requested = (key: string) => (study: Resource) => study.RequestedTags?.[key] ?? ''

function text(key: string, value: Column['value'], width = 'minmax(7rem, 1fr)'): Column {
  return { key, filter: 'text', order: 'DicomTag', width, value }
}

export const COLUMNS: readonly Column[] = [
  text('PatientName', patient('PatientName'), 'minmax(13rem, 2fr)'),
  text('PatientID', patient('PatientID')),
  { ...text('PatientBirthDate', patient('PatientBirthDate'), '8.5rem'), filter: 'date' },
  text('PatientSex', patient('PatientSex'), '4.5rem'),
  { ...text('StudyDate', main('StudyDate'), '8.5rem'), filter: 'date' },
  { ...text('ModalitiesInStudy', requested('ModalitiesInStudy'), '7rem'), filter: 'modality', order: null },
  text('StudyDescription', main('StudyDescription'), 'minmax(10rem, 2fr)'),
  text('AccessionNumber', main('AccessionNumber')),
  text('InstitutionName', main('InstitutionName')),
  text('ReferringPhysicianName', main('ReferringPhysicianName')),
  { ...number('NumberOfStudyRelatedSeries', '4.5rem') },
  { ...number('NumberOfStudyRelatedInstances', '5.5rem') },
  {
    key: 'LastUpdate',
    filter: 'none',
    order: 'Metadata',
    width: '10rem',
    value: (study) => study.LastUpdate ?? '',
  },
]

function number(key: string, width: string): Column {
  return { key, filter: 'none', order: null, width, value: requested(key), isNumber: true }
}

export const DEFAULT_COLUMNS: readonly string[] = [
  'PatientName',
  'PatientID',
  'PatientBirthDate',
  'StudyDate',
  'ModalitiesInStudy',
  'StudyDescription',
  'AccessionNumber',
  'NumberOfStudyRelatedSeries',
  'NumberOfStudyRelatedInstances',
]

/** Computed tags that the list asks for. */
export const REQUESTED_TAGS: readonly string[] = [
  'ModalitiesInStudy',
  'NumberOfStudyRelatedSeries',
  'NumberOfStudyRelatedInstances',
]

export const MODALITIES: readonly string[] = [
  'CR', 'CT', 'DX', 'ECG', 'IO', 'MG', 'MR', 'NM', 'OCT', 'OP', 'OT', 'PT', 'PX', 'RF', 'RTDOSE', 'RTPLAN',
  'RTSTRUCT', 'SEG', 'SM', 'SR', 'US', 'XA', 'XC',
] // prettier-ignore

const BY_KEY = new Map(COLUMNS.map((column) => [column.key, column]))

/** The columns with these keys, in this order; unknown keys are left out. */
export function columnsOf(keys: readonly string[]): Column[] {
  return keys.flatMap((key) => BY_KEY.get(key) ?? [])
}

/** The tracks of the grid for the check box and these columns, and the width (rem) that they need at least. */
export function tracks(columns: readonly Column[]): { template: string; width: string } {
  const widths = ['2.5rem', ...columns.map((column) => column.width)]
  const needed = widths.reduce((sum, width) => sum + Number(/([\d.]+)rem/.exec(width)?.[1] ?? 0), 0)
  return { template: widths.join(' '), width: `${needed}rem` }
}
