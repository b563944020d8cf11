/** What the data set of a picture says, whichever way it came. */
import { metaData } from '@cornerstonejs/core'
import { wadors } from '@cornerstonejs/dicom-image-loader'

import { items, text, type DicomJson } from './dicomJson'
import { naturalText } from './natural'

/** The attributes that the viewer reads: their tags by their keywords (PS3.6). */
export const TAGS = {
  SeriesDate: '00080021',
  AcquisitionDate: '00080022',
  SeriesTime: '00080031',
  AcquisitionTime: '00080032',
  RecommendedDisplayFrameRate: '00082144',
  PatientWeight: '00101030',
  CineRate: '00180040',
  SliceThickness: '00180050',
  KVP: '00180060',
  RepetitionTime: '00180080',
  EchoTime: '00180081',
  FrameTime: '00181063',
  RadiopharmaceuticalStartTime: '00181072',
  RadionuclideTotalDose: '00181074',
  RadionuclideHalfLife: '00181075',
  RadiopharmaceuticalStartDateTime: '00181078',
  Exposure: '00181152',
  FlipAngle: '00181314',
  ImageOrientationPatient: '00200037',
  SliceLocation: '00201041',
  CorrectedImage: '00280051',
  WindowCenter: '00281050',
  WindowWidth: '00281051',
  WindowCenterWidthExplanation: '00281055',
  RadiopharmaceuticalInformationSequence: '00540016',
  Units: '00541001',
  DecayCorrection: '00541102',
} as const satisfies Record<string, string>

export type Keyword = keyof typeof TAGS

/** The value of an attribute, or of one in the first item of a sequence; empty where there is none. */
export type Reader = (...path: Keyword[]) => string

/**
 * An attribute of a picture, as text; empty where it has none, or is not loaded yet.
 *
 * @param path keywords; what is after a sequence is in its first item
 */
export function attribute(imageId: string, ...path: Keyword[]): string {
  if (!imageId.startsWith('wadors:')) return imageId && naturalText(metaData.get('instance', imageId), path)
  const [last, ...above] = path.toReversed()
  const whole = wadors.metaDataManager.get(imageId) as DicomJson | undefined
  return text(above.toReversed().reduce((inside, one) => items(inside?.[TAGS[one]])[0], whole)?.[TAGS[last!]])
}
