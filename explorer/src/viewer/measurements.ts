/** What measurements say, in words. */

/** The viewer's name of each of Cornerstone's tools. */
export const TOOL_NAMES: Record<string, string> = {
  Length: 'length',
  Angle: 'angle',
  RectangleROI: 'rectangle',
  EllipticalROI: 'ellipse',
  Probe: 'probe',
}

const NUMBERS = [
  { name: 'length', label: '', unit: 'unit' },
  { name: 'angle', label: '', unit: '°' },
  { name: 'area', label: '', unit: 'areaUnit' },
  { name: 'mean', label: 'Ø', unit: 'modalityUnit' },
  { name: 'stdDev', label: 'σ', unit: 'modalityUnit' },
  { name: 'min', label: 'min', unit: 'modalityUnit' },
  { name: 'max', label: 'max', unit: 'modalityUnit' },
  { name: 'value', label: '', unit: 'modalityUnit' },
] as const

/**
 * The results of a measurement, a line for each: what Cornerstone keeps of it.
 *
 * @param suv what Bq/ml of the picture are multiplied by for their SUV; null where they have none
 */
export function lines(stats: Record<string, unknown> | undefined, suv: number | null = null): string[] {
  return NUMBERS.flatMap(({ name, label, unit }) => {
    const value = stats?.[name]
    if (value === undefined || value === null) return []
    const numbers = (Array.isArray(value) ? value : [value]).map((one) => Math.round(Number(one) * 100) / 100)
    if (numbers.some(Number.isNaN)) return []
    const measured = unit === '°' ? unit : String(stats?.[unit] ?? '')
    const uptake = suv !== null && measured === 'BQML' ? `(SUV ${(Number(value) * suv).toFixed(2)})` : ''
    return [[label, numbers.join(', '), measured, uptake].filter(Boolean).join(' ')]
  })
}
