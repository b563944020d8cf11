/** Documents and pictures that become instances of DICOM (`/tools/create-dicom`). */
import { dicomDay, resolved } from '@/defaults'
import type { DefaultTags } from '@/options'

export type Kind = 'pdf' | 'image'

const TYPES: Readonly<Record<string, Kind>> = { 'application/pdf': 'pdf', 'image/png': 'image', 'image/jpeg': 'image' }
export const ACCEPTED = Object.keys(TYPES).join(',')

/** What files are; undefined where they are no documents or pictures, or both. A series has one PDF, or pictures. */
export function kindOf(types: readonly string[]): Kind | undefined {
  const kinds = new Set(types.map((type) => TYPES[type]))
  const [kind] = kinds
  return kinds.size === 1 && !(kind === 'pdf' && types.length > 1) ? kind : undefined
}

export const SERIES_FIELDS = ['SeriesDescription', 'Modality', 'SeriesNumber', 'SeriesDate'] as const
export const STUDY_FIELDS = ['StudyDescription', 'StudyDate', 'AccessionNumber'] as const

const MODALITY: Record<Kind, string> = { pdf: 'DOC', image: 'OT' }

/**
 * What the form begins with.
 *
 * @param configured the option `AddSeriesDefaultTags`: tags, or tags for each kind
 * @param studyDate DA of the study that is added to
 * @param fileDate when the first file was changed last
 */
export function beginning(
  kind: Kind,
  configured: DefaultTags,
  studyDate: string,
  fileDate: Date,
  now: Date,
): Record<string, string> {
  const ofKind = configured[kind]
  const tags = { ...configured, ...(typeof ofKind === 'object' && !Array.isArray(ofKind) ? ofKind : {}) }
  const days = { STUDY_DATE: studyDate, FILE_DATE: dicomDay(fileDate) }
  const texts = Object.entries(tags).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name, resolved(value, now, days)]] : [],
  )
  return { Modality: MODALITY[kind], SeriesDate: dicomDay(now), StudyDate: dicomDay(now), ...Object.fromEntries(texts) }
}

/** The tags of the form that are filled. */
export function filledTags(values: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (values[name]?.trim() ? [[name, values[name].trim()]] : [])))
}

/** A file as a data URI. */
export function dataUri(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve(String(reader.result))
    reader.onerror = () => reject(reader.error ?? new Error(file.name))
    reader.readAsDataURL(file)
  })
}
