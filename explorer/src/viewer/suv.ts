/** Standardized uptake values of PET (PS3.3 C.8.9.1; the procedure of QIBA's FDG-PET/CT profile, appendix G). */

/** The value of an attribute, or of one in the first item of a sequence; empty where there is none. */
export type Reader = (...path: string[]) => string

const UNITS = '00541001'
const CORRECTED_IMAGE = '00280051'
const DECAY_CORRECTION = '00541102'
const WEIGHT = '00101030' // kg
const RADIOPHARMACEUTICAL = '00540016'
const START = '00181078'
const START_TIME = '00181072'
const TOTAL_DOSE = '00181074' // Bq
const HALF_LIFE = '00181075' // s

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
  const corrections = read(CORRECTED_IMAGE).split('\\').map((one) => one.trim())
  if (read(UNITS).trim() !== 'BQML' || !corrections.includes('ATTN') || !corrections.includes('DECY')) return null
  const weight = Number(read(WEIGHT))
  const dose = Number(read(RADIOPHARMACEUTICAL, TOTAL_DOSE))
  if (!(weight > 0 && dose > 0)) return null
  const left = share(read)
  return left > 0 && left <= 1 ? (weight * 1000) / (dose * left) : null
}

/** How much of the dose is left at the time that the values are corrected to; NaN where it is not told. */
function share(read: Reader): number {
  const correction = read(DECAY_CORRECTION).trim()
  if (correction === 'ADMIN') return 1
  if (correction !== 'START') return NaN
  const [seriesDate, seriesTime] = [read('00080021'), read('00080031')]
  const series = seconds(seriesDate, seriesTime)
  // A series that was made later has a time of its own, from which nothing decays.
  if (!(series <= seconds(read('00080022'), read('00080032')))) return NaN
  const [both, time] = [read(RADIOPHARMACEUTICAL, START), read(RADIOPHARMACEUTICAL, START_TIME)]
  const injection = both ? seconds(both, '') : seconds(seriesDate, time)
  return 2 ** (-(series - injection) / Number(read(RADIOPHARMACEUTICAL, HALF_LIFE) || NaN))
}
