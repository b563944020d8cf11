import { address } from '@/api/client'
import { offered } from '@/options'

/** The whole address of DICOMweb, without a slash at its end; null where the server has none. */
export function dicomWebAddress(): string | null {
  return offered.DicomWebRoot === null ? null : address(offered.DicomWebRoot).replace(/\/$/, '')
}
