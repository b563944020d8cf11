/** Addresses that open a resource elsewhere. */
import type { Resource } from '@/api/resources'

export interface CustomButton {
  Tooltip: string
  HttpMethod: 'GET' | 'POST' | 'PUT'
  Url: string
  Target: string
}

/** The `UiOptions` about other viewers. */
export interface OpenerOptions {
  EnableOpenInOhifViewer3: boolean
  OhifViewer3PublicRoot: string
  EnableOpenInOhifViewer: boolean
  OhifViewerPublicRoot: string
  EnableOpenInMedDreamViewer: boolean
  MedDreamViewerPublicRoot: string
  EnableOpenInWeasisViewer: boolean
  EnableOpenInSlicer: boolean
  ViewersOrdering: string[]
  CustomButtons: Partial<Record<'study' | 'series' | 'instance', CustomButton[]>>
}

export interface Link {
  id: string
  text: string
  href: string
}

interface Opener {
  id: string
  text: string
  option: keyof OpenerOptions
  needsDicomWeb?: true
  href: (uid: string, options: OpenerOptions, dicomWeb: string) => string
}

const OPENERS: readonly Opener[] = [
  {
    id: 'ohif',
    text: 'OHIF',
    option: 'EnableOpenInOhifViewer3',
    href: (uid, options) => `${options.OhifViewer3PublicRoot}viewer?StudyInstanceUIDs=${uid}`,
  },
  {
    id: 'ohif-2',
    text: 'OHIF 2',
    option: 'EnableOpenInOhifViewer',
    href: (uid, options) => `${options.OhifViewerPublicRoot}viewer/${uid}`,
  },
  {
    id: 'weasis',
    text: 'Weasis',
    option: 'EnableOpenInWeasisViewer',
    needsDicomWeb: true,
    href: (uid, _, root) => `weasis://${encodeURIComponent(`$dicom:rs --url "${root}" -r "studyUID=${uid}"`)}`,
  },
  {
    id: 'slicer',
    text: '3D Slicer',
    option: 'EnableOpenInSlicer',
    needsDicomWeb: true,
    href: (uid, _, root) => `slicer://viewer/?studyUID=${uid}&dicomweb_endpoint=${encodeURIComponent(root)}`,
  },
  {
    id: 'meddream',
    text: 'MedDream',
    option: 'EnableOpenInMedDreamViewer',
    href: (uid, options) => `${options.MedDreamViewerPublicRoot}?study=${uid}`,
  },
]

/**
 * What opens a study in other viewers.
 *
 * @param dicomWeb the whole address of DICOMweb, without a slash at its end; null where the server has none
 */
export function viewerLinks(study: Resource, options: Partial<OpenerOptions>, dicomWeb: string | null): Link[] {
  const uid = encodeURIComponent(study.MainDicomTags['StudyInstanceUID'] ?? '')
  const order = (id: string) => {
    const place = (options.ViewersOrdering ?? []).indexOf(id)
    return place < 0 ? Infinity : place
  }
  return OPENERS.filter(({ option, needsDicomWeb }) => options[option] === true && !(needsDicomWeb && dicomWeb === null))
    .toSorted((a, b) => (order(a.id) < order(b.id) ? -1 : order(a.id) > order(b.id) ? 1 : 0))
    .map(({ id, text, href }) => ({ id, text, href: href(uid, options as OpenerOptions, dicomWeb ?? '') }))
}

/**
 * An address with the values of a resource in the places of their names, such as `{UUID}` and `{PatientID}`.
 *
 * @param above what the resource belongs to, whose values have places, too
 */
export function filled(template: string, resource: Resource, above: Resource[] = []): string {
  const tags = [...above, resource].flatMap((one) => [one.PatientMainDicomTags, one.MainDicomTags])
  const values: Record<string, string> = Object.assign({}, ...tags, { UUID: resource.ID })
  // A value of dots alone would be a step to another folder.
  return template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent((values[name] ?? '').replace(/^\.+$/, '')))
}
