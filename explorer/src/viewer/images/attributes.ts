/** What the data set of a picture says, whichever way it came. */
import { wadors, wadouri } from '@cornerstonejs/dicom-image-loader'

import { text, type DicomJson } from './dicomJson'

/**
 * An attribute of a picture, as text; empty where it has none, or is not loaded yet.
 *
 * @param tag eight hexadecimal digits in upper case
 */
export function attribute(imageId: string, tag: string): string {
  if (imageId.startsWith('wadors:')) {
    return text((wadors.metaDataManager.get(imageId) as DicomJson | undefined)?.[tag])
  }
  const file = imageId.slice('wadouri:'.length).replace(/\?frame=\d+$/, '')
  if (!wadouri.dataSetCacheManager.isLoaded(file)) return ''
  return wadouri.dataSetCacheManager.get(file).string(`x${tag.toLowerCase()}`) ?? ''
}
