/** The names of pictures, and their order. */
import type { Resource } from '@/api/resources'

import { number, text, type DicomJson } from './dicomJson'

function place(instance: Resource): number {
  return Number(instance.MainDicomTags['InstanceNumber'] || instance.IndexInSeries || 0)
}

/** An identifier for each frame of each instance, as Cornerstone's loader of DICOM files reads them. */
export function imageIds(instances: readonly Resource[], locate: (path: string) => string): string[] {
  return instances
    .toSorted((a, b) => place(a) - place(b))
    .flatMap((instance) => {
      const file = `wadouri:${locate(`instances/${instance.ID}/file`)}`
      const frames = Number(instance.MainDicomTags['NumberOfFrames'] ?? 1) || 1
      return frames === 1 ? [file] : Array.from({ length: frames }, (_, index) => `${file}?frame=${index + 1}`)
    })
}

/** The address of a series, relative to the root of the API. */
export function seriesPath(root: string, study: Resource, series: Resource): string {
  const uids = [study.MainDicomTags['StudyInstanceUID'], series.MainDicomTags['SeriesInstanceUID']]
  const [studyUid, seriesUid] = uids.map((uid) => encodeURIComponent(uid ?? ''))
  return `${root}studies/${studyUid}/series/${seriesUid}`
}

/** Instances with pictures, in the order of their numbers. */
export function sorted(instances: readonly DicomJson[]): DicomJson[] {
  const order = (instance: DicomJson) => number(instance['00200013']) || 0
  return instances.filter((one) => number(one['00280010']) > 0).toSorted((a, b) => order(a) - order(b))
}

/** An identifier for each frame of each instance. */
export function frameIds(instances: readonly DicomJson[], series: string): string[] {
  return instances.flatMap((instance) => {
    const frames = number(instance['00280008']) || 1
    const place = `wadors:${series}/instances/${text(instance['00080018'])}/frames/`
    return Array.from({ length: frames }, (_, index) => `${place}${index + 1}`)
  })
}
