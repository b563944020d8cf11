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

/** The range of values that a window shows. */
export function range({ width, center }: Pick<Preset, 'width' | 'center'>): { lower: number; upper: number } {
  return { lower: center - width / 2, upper: center + width / 2 }
}
