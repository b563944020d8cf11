/** What stands in the corners of a picture beside the patient: how it was made. */

import type { Reader } from './images/attributes'

/** Attributes with a label and a unit. */
const TECHNIQUE = [
  { keyword: 'KVP', label: '', unit: 'kV' },
  { keyword: 'Exposure', label: '', unit: 'mAs' },
  { keyword: 'RepetitionTime', label: 'TR', unit: 'ms' },
  { keyword: 'EchoTime', label: 'TE', unit: 'ms' },
  { keyword: 'FlipAngle', label: 'FA', unit: '°' },
] as const

/** A number as it is read: three decimals at most; what is no number as it is. */
export function short(value: string): string {
  const number = Number(value)
  return value.trim() === '' || Number.isNaN(number) ? value : String(Math.round(number * 1000) / 1000)
}

/** The technique in one line, of what a picture tells: `120 kV, 75 mAs`. */
export function technique(attribute: Reader): string {
  return TECHNIQUE.flatMap(({ keyword, label, unit }) => {
    const value = attribute(keyword)
    return value === '' ? [] : [[label, short(value), unit].filter(Boolean).join(' ')]
  }).join(', ')
}

export type Vector = readonly [number, number, number]

/** The letters of the sides that a direction points to, in the patient (PS3.3 C.7.6.1.1.1): `L`, `AR`. */
export function letters(direction: Vector): string {
  const NAMES = ['LR', 'PA', 'HF'] as const
  const length = Math.hypot(...direction)
  if (length === 0) return ''
  return direction
    .map((part, axis) => ({ size: Math.abs(part) / length, letter: NAMES[axis]![part > 0 ? 0 : 1]! }))
    .filter(({ size }) => size > 0.2) // less is a tilt that nobody names
    .toSorted((a, b) => b.size - a.size)
    .map(({ letter }) => letter)
    .join('')
}

/** The opposite sides. */
export function opposite(sides: string): string {
  const OPPOSITES: Record<string, string> = { L: 'R', R: 'L', P: 'A', A: 'P', H: 'F', F: 'H' }
  return [...sides].map((side) => OPPOSITES[side]).join('')
}
