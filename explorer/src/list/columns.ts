/** The columns of the study list: what they show, what they filter by, and what they sort by. */
import type { Order, Resource } from '@/api/resources'
import { offered } from '@/options'

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

const USUAL_COLUMNS: readonly string[] = [
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

/** The names that Orthanc Explorer 2 has for columns of computed tags. */
const COMPUTED: Readonly<Record<string, readonly string[]>> = {
  modalities: ['ModalitiesInStudy'],
  seriesCount: ['NumberOfStudyRelatedSeries'],
  instancesCount: ['NumberOfStudyRelatedInstances'],
  seriesAndInstancesCount: ['NumberOfStudyRelatedSeries', 'NumberOfStudyRelatedInstances'],
}

const USUAL_MODALITIES: readonly string[] = [
  'CR', 'CT', 'DX', 'ECG', 'IO', 'MG', 'MR', 'NM', 'OCT', 'OP', 'OT', 'PT', 'PX', 'RF', 'RTDOSE', 'RTPLAN',
  'RTSTRUCT', 'SEG', 'SM', 'SR', 'US', 'XA', 'XC',
] // prettier-ignore

const BY_KEY = new Map(COLUMNS.map((column) => [column.key, column]))
const LINKED_BY: readonly string[] = ['StudyInstanceUID', 'StudyID'] // in links from elsewhere

/** The columns until a user has chosen others. */
export function defaultColumns(): string[] {
  const configured = offered.UiOptions.StudyListColumns.flatMap((name) => COMPUTED[name] ?? [name])
  return configured.length > 0 ? [...new Set(configured)] : [...USUAL_COLUMNS]
}

/** The tags that the configuration has as columns beside the usual ones. */
function furtherTags(): string[] {
  return defaultColumns().filter((key) => !BY_KEY.has(key))
}

/** The keys of all columns that there are. */
export function allColumns(): string[] {
  return [...COLUMNS.map((column) => column.key), ...furtherTags()]
}

function further(key: string): Column {
  const value = (study: Resource) => main(key)(study) || patient(key)(study) || requested(key)(study)
  return { ...text(key, value), filter: key.endsWith('Date') ? 'date' : 'text', order: null }
}

/** A column, or a tag that the list can be filtered by without being one; undefined for anything else. */
export function columnOf(key: string): Column | undefined {
  return BY_KEY.get(key) ?? (LINKED_BY.includes(key) || furtherTags().includes(key) ? further(key) : undefined)
}

/** The columns with these keys, in this order; unknown keys are left out. */
export function columnsOf(keys: readonly string[]): Column[] {
  return keys.flatMap((key) => columnOf(key) ?? [])
}

/** Tags that the list asks for beside the main ones. */
export function requestedTags(): string[] {
  return ['ModalitiesInStudy', 'NumberOfStudyRelatedSeries', 'NumberOfStudyRelatedInstances', ...furtherTags()]
}

/** The modalities that the list can be filtered by. */
export function modalities(): readonly string[] {
  const configured = offered.UiOptions.ModalitiesFilter
  return configured.length > 0 ? configured : USUAL_MODALITIES
}

/** The keys with one of them moved to the place of another. */
export function withMoved(keys: readonly string[], key: string, to: number): string[] {
  const rest = keys.filter((one) => one !== key)
  rest.splice(Math.min(Math.max(to, 0), rest.length), 0, key)
  return rest
}

/** The tracks of the grid for the check box and these columns, and the width (rem) that they need at least. */
export function tracks(columns: readonly Column[]): { template: string; width: string } {
  const widths = ['2.5rem', ...columns.map((column) => column.width)]
  const needed = widths.reduce((sum, width) => sum + Number(/([\d.]+)rem/.exec(width)?.[1] ?? 0), 0)
  return { template: widths.join(' '), width: `${needed}rem` }
}
