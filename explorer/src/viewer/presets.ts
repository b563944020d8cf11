/** Windows that readers use, in Hounsfield units. */
export interface Preset {
  key: string
  width: number
  center: number
}

export const CT_PRESETS: readonly Preset[] = [
  { key: 'abdomen', width: 400, center: 40 },
  { key: 'bone', width: 2000, center: 500 },
  { key: 'brain', width: 80, center: 40 },
  { key: 'lung', width: 1500, center: -600 },
  { key: 'mediastinum', width: 350, center: 50 },
]

export type Window = Pick<Preset, 'width' | 'center'>

/** The range of values that a window shows (PS3.3 C.11.2.1.2). */
export function range({ width, center }: Window): { lower: number; upper: number } {
  return { lower: center - 0.5 - (width - 1) / 2, upper: center - 0.5 + (width - 1) / 2 }
}

/** The window that shows a range of values. */
export function windowOf(lower: number, upper: number): Window {
  return { width: upper - lower + 1, center: (lower + upper + 1) / 2 }
}

/** A range of values as the window that shows it: `W 400 L 40`. */
export function described({ lower, upper }: { lower: number; upper: number }): string {
  const { width, center } = windowOf(lower, upper)
  return `W ${Math.round(width)} L ${Math.round(center)}`
}
