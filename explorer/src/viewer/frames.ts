/** The frames of instances, in the order in which they are looked at. */
import type { Resource } from '@/api/resources'

function number(instance: Resource): number {
  return Number(instance.MainDicomTags['InstanceNumber'] || instance.IndexInSeries || 0)
}

/** An identifier for each frame of each instance, as Cornerstone's loader of DICOM files reads them. */
export function imageIds(instances: readonly Resource[], locate: (path: string) => string): string[] {
  return instances
    .toSorted((a, b) => number(a) - number(b))
    .flatMap((instance) => {
      const file = `wadouri:${locate(`instances/${instance.ID}/file`)}`
      const frames = Number(instance.MainDicomTags['NumberOfFrames'] ?? 1) || 1
      return frames === 1 ? [file] : Array.from({ length: frames }, (_, index) => `${file}?frame=${index + 1}`)
    })
}
