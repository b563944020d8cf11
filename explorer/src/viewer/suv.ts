/** Standardized uptake values of PET (PS3.3 C.8.9.1; the procedure of QIBA's FDG-PET/CT profile, appendix G). */

import type { Reader } from './images/attributes'
import { windowOf, windowsOf, type Window } from './presets'

const RADIOPHARMACEUTICAL = 'RadiopharmaceuticalInformationSequence'

/** Seconds since 1970 of a date and a time, or of both in one; NaN where it is none, or has a zone. */
function seconds(date: string, time: string): number {
  const found = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(\.\d+)?$/.exec(date.trim() + time.trim())
  if (!found) return NaN
  const [year, month, day, hour, minute, second, fraction] = found.slice(1).map((part) => Number(part ?? 0))
  return Date.UTC(year!, month! - 1, day, hour, minute, second) / 1000 + fraction!
}

/**
 * What the values of a picture (Bq/ml) are multiplied by for their SUV by body weight (g/ml).
 *
 * Null for anything that is not told without doubt: other units, no correction for attenuation and decay, a decay
 * that does not count from the injection or from the start of the series, no weight, no dose, times in no order.
 */
export function suvFactor(read: Reader): number | null {
  const corrections = read('CorrectedImage').split('\\').map((one) => one.trim())
  if (read('Units').trim() !== 'BQML' || !corrections.includes('ATTN') || !corrections.includes('DECY')) return null
  const weight = Number(read('PatientWeight')) // kg
  const dose = Number(read(RADIOPHARMACEUTICAL, 'RadionuclideTotalDose')) // Bq
  if (!(weight > 0 && dose > 0)) return null
  const left = share(read)
  return left > 0 && left <= 1 ? (weight * 1000) / (dose * left) : null
}

const USUAL_UPTAKE = 5 // SUV

/**
 * The window that a PET is shown with at first.
 *
 * @param most the largest value of the picture
 */
export function petWindow(read: Reader, most: number): Window {
  const [named] = windowsOf(read('WindowCenter'), read('WindowWidth'), '')
  if (named) return named
  const factor = suvFactor(read)
  return windowOf(0, factor === null ? most : USUAL_UPTAKE / factor)
}

/** How much of the dose is left at the time that the values are corrected to; NaN where it is not told. */
function share(read: Reader): number {
  const correction = read('DecayCorrection').trim()
  if (correction === 'ADMIN') return 1
  if (correction !== 'START') return NaN
  const [seriesDate, seriesTime] = [read('SeriesDate'), read('SeriesTime')]
  const series = seconds(seriesDate, seriesTime)
  // A series that was made later has a time of its own, from which nothing decays.
  if (!(series <= seconds(read('AcquisitionDate'), read('AcquisitionTime')))) return NaN
  const both = read(RADIOPHARMACEUTICAL, 'RadiopharmaceuticalStartDateTime')
  const time = read(RADIOPHARMACEUTICAL, 'RadiopharmaceuticalStartTime')
  const injection = both ? seconds(both, '') : seconds(seriesDate, time)
  const halfLife = Number(read(RADIOPHARMACEUTICAL, 'RadionuclideHalfLife') || NaN) // s
  return 2 ** (-(series - injection) / halfLife)
}
