/** Ranges of dates that people ask for, as DICOM writes them (PS3.4 C.2.2.2.5). */

function dicom(day: Date): string {
  const two = (value: number) => String(value).padStart(2, '0')
  return `${day.getFullYear()}${two(day.getMonth() + 1)}${two(day.getDate())}`
}

function before(day: Date, days: number): Date {
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() - days)
}

export const PRESETS = [
  { key: 'today', range: (now: Date) => dicom(now) },
  { key: 'yesterday', range: (now: Date) => dicom(before(now, 1)) },
  { key: 'week', range: (now: Date) => `${dicom(before(now, 6))}-${dicom(now)}` },
  { key: 'month', range: (now: Date) => `${dicom(before(now, 29))}-${dicom(now)}` },
  { key: 'year', range: (now: Date) => `${dicom(before(now, 364))}-${dicom(now)}` },
  { key: 'any', range: () => '' },
] as const

/** From and to as `<input type="date">` gives them; either may be missing. */
export function range(from: string, to: string): string {
  if (!from && !to) return ''
  return from === to ? from.replaceAll('-', '') : `${from.replaceAll('-', '')}-${to.replaceAll('-', '')}`
}
