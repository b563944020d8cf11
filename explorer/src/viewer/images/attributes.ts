/** What the data set of a picture says, whichever way it came. */
import { wadors, wadouri } from '@cornerstonejs/dicom-image-loader'

import { items, text, type DicomJson } from './dicomJson'

/**
 * An attribute of a picture, as text; empty where it has none, or is not loaded yet.
 *
 * @param path tags, of eight hexadecimal digits in upper case; what is after a sequence is in its first item,
 *   which is read over DICOMweb only
 */
export function attribute(imageId: string, ...path: string[]): string {
  const [tag = '', ...above] = path.toReversed()
  const sequences = above.toReversed()
  if (imageId.startsWith('wadors:')) {
    const whole = wadors.metaDataManager.get(imageId) as DicomJson | undefined
    return text(sequences.reduce((inside, one) => items(inside?.[one])[0], whole)?.[tag])
  }
  const file = imageId.slice('wadouri:'.length).replace(/\?frame=\d+$/, '')
  if (sequences.length > 0 || !wadouri.dataSetCacheManager.isLoaded(file)) return ''
  return wadouri.dataSetCacheManager.get(file).string(`x${tag.toLowerCase()}`) ?? ''
}
