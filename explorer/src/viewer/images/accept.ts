/** The forms in which frames are asked for. */
const OCTET_STREAM = 'application/octet-stream; transfer-syntax='
const UNCOMPRESSED = '1.2.840.10008.1.2.1'
/** Compressed transfer syntaxes that the decoders know: RLE, JPEG, JPEG-LS, JPEG 2000, HTJ2K. */
const DECODED = ['5', '4.50', '4.51', '4.57', '4.70', '4.80', '4.81', '4.90', '4.91', '4.201', '4.202', '4.203']
/**
 * What is asked for: a frame by itself, as it is stored where it can be decoded here, else uncompressed. The server
 * sends what costs it least among equals.
 */
export const ACCEPT_FRAME = [UNCOMPRESSED, ...DECODED.map((end) => `1.2.840.10008.1.2.${end}`)]
  .map((syntax) => OCTET_STREAM + syntax)
  .join(', ')
