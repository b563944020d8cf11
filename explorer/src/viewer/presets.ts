/** A window that can be chosen. */
export interface Preset {
  key: string
  /** What the file calls it; the others are called by their keys, in the user's language. */
  name?: string
  width: number
  center: number
}

/** Windows that readers use, in Hounsfield units. */
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

/**
 * The windows that a picture names (PS3.3 C.11.2.1.2), each with what it is for, where that is told.
 *
 * The arguments are values of WindowCenter, WindowWidth and WindowCenterWidthExplanation, as in a file.
 */
export function windowsOf(centers: string, widths: string, explanations: string): Preset[] {
  const [center, width, name] = [centers, widths, explanations].map((values) => values.split('\\').map((one) => one.trim()))
  return center!.flatMap((text, place): Preset[] => {
    const found = { width: Number(width![place] || NaN), center: Number(text || NaN) }
    if (!(found.width > 0 && Number.isFinite(found.width) && Number.isFinite(found.center))) return []
    return [{ key: `file-${place}`, name: name![place] || `W ${found.width} L ${found.center}`, ...found }]
  })
}
