/** Whether the pictures of a series are the slices of a volume. */
import { items, number, text, type DicomJson } from './dicomJson'

const FEWEST = 3
const TOLERANCE = 1e-3

interface Slice {
  size: string
  orientation: number[]
  position: number[]
}

function numbers(data: DicomJson | undefined, tag: string): number[] {
  return (data?.[tag]?.Value ?? []).map(Number)
}

/** The slices of an instance: one, or one for each frame (PS3.3 C.7.6.16.2.3 and C.7.6.16.2.4). */
function slices(instance: DicomJson): Slice[] {
  const size = ['00280010', '00280011', '00280030'].map((tag) => text(instance[tag])).join()
  const frames = items(instance['52009230'])
  if (frames.length === 0) {
    if ((number(instance['00280008']) || 1) > 1) return [{ size, orientation: [], position: [] }]
    return [{ size, orientation: numbers(instance, '00200037'), position: numbers(instance, '00200032') }]
  }
  const [shared] = items(instance['52009229'])
  return frames.map((frame) => {
    const [plane] = items((frame['00209116'] ? frame : shared)?.['00209116'])
    const [place] = items(frame['00209113'])
    return { size, orientation: numbers(plane, '00200037'), position: numbers(place, '00200032') }
  })
}

/** Whether there are at least three grey slices of one size and direction, each in a place of its own. */
export function isVolume(instances: readonly DicomJson[]): boolean {
  const found = instances.flatMap(slices)
  const [first] = found
  if (!first || found.length < FEWEST || instances.some((one) => number(one['00280002']) !== 1)) return false
  if (first.orientation.length !== 6 || first.position.length !== 3) return false
  const fits = (slice: Slice) =>
    slice.size === first.size &&
    slice.position.length === 3 &&
    slice.orientation.every((part, axis) => Math.abs(part - first.orientation[axis]!) < TOLERANCE)
  const [a, b, c, d, e, f] = first.orientation as [number, number, number, number, number, number]
  const normal = [b * f - c * e, c * d - a * f, a * e - b * d]
  const depths = found.map((slice) => slice.position.reduce((sum, part, axis) => sum + part * normal[axis]!, 0))
  const places = new Set(depths.map((depth) => Math.round(depth / TOLERANCE)))
  return found.every(fits) && places.size === found.length
}
