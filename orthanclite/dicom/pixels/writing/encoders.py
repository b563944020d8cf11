"""Encoding one frame (PS3.5 annex A.4 and 8.2).

These libraries are C and C++ code: call this in a worker process only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import gdcm
import jpeg_ls
import numpy as np
from openjpeg.utils import encode_pixel_data as encode_jpeg2000
from PIL import Image
from rle.utils import encode_pixel_data as encode_rle

from orthanclite.core.errors import NotImplementedInServer
from orthanclite.dicom.pixels import syntaxes as ts
from orthanclite.dicom.pixels.reading.codecs import CODEC_ERRORS
from orthanclite.dicom.pixels.reading.description import Samples


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """The frames that an encoder is given: little endian, colour by pixel, lowest bits."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    photometric: str


@dataclass(frozen=True, slots=True)
class Encoder:
    """How to write the frames of one transfer syntax."""

    encode: Callable[[Samples, FrameFormat, int], bytes]  # samples, their format, quality (1 to 100)
    check: Callable[[FrameFormat], bool]  # whether such frames can be written
    photometric: Callable[[FrameFormat], str]  # of the result
    method: str = ""  # LossyImageCompressionMethod (PS3.3 C.7.6.1.1.5.1); empty for lossless


def encoder_for(transfer_syntax: str, found: FrameFormat) -> Encoder:
    """The encoder of a transfer syntax.

    :raises NotImplementedInServer: where there is none, or it cannot write such frames.
    """
    encoder = _ENCODERS.get(transfer_syntax)
    if encoder is None or found.samples not in (1, 3) or not encoder.check(found):
        raise NotImplementedInServer(f"Cannot transcode to transfer syntax: {transfer_syntax}")
    return encoder


def write_frame(encoder: Encoder, samples: Samples, found: FrameFormat, quality: int) -> bytes:
    """Encode one frame.

    :raises NotImplementedInServer: where the library refuses it.
    """
    try:
        return encoder.encode(samples, found, quality)
    except CODEC_ERRORS as exc:
        raise NotImplementedInServer(f"Cannot encode the frame: {exc}") from exc


def _baseline(samples: Samples, found: FrameFormat, quality: int) -> bytes:
    mode = "L" if found.samples == 1 else "RGB" if found.photometric == "RGB" else "YCbCr"
    image = Image.frombytes(mode, (found.columns, found.rows), np.ascontiguousarray(samples).tobytes())
    output = BytesIO()
    image.save(output, "JPEG", quality=quality, subsampling="4:2:2")
    return output.getvalue()


def _extended(samples: Samples, found: FrameFormat, quality: int) -> bytes:
    if found.bits_stored <= 8:
        return _baseline(samples, found, quality)  # which every decoder of this process reads as well
    codec = gdcm.JPEGCodec()
    codec.SetLossless(False)
    codec.SetQuality(quality)
    # 12 bits allocated: what makes the library choose its 12-bit codec
    return _gdcm_encode(samples, found, 12, found.bits_stored, ts.JPEG_EXTENDED, codec)


def _lossless(transfer_syntax: str) -> Callable[[Samples, FrameFormat, int], bytes]:
    def encode(samples: Samples, found: FrameFormat, quality: int) -> bytes:
        precision = max(8, found.bits_stored)
        return _gdcm_encode(samples, found, 8 if precision == 8 else 16, precision, transfer_syntax, None)

    return encode


def _gdcm_encode(
    samples: Samples, found: FrameFormat, allocated: int, precision: int, transfer_syntax: str, codec: Any
) -> bytes:
    data = np.ascontiguousarray(samples).tobytes()
    # the library pads a value of odd length and then finds it too long: two frames have an even one
    copies = 2 if len(data) % 2 else 1
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetByteStringValue(data * copies)
    image = gdcm.Image()
    image.SetNumberOfDimensions(copies + 1)
    image.SetDimensions((found.columns, found.rows, copies))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(found.photometric)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    if found.samples > 1:
        image.SetPlanarConfiguration(0)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ExplicitVRLittleEndian))
    image.SetPixelFormat(gdcm.PixelFormat(found.samples, allocated, precision, precision - 1, 0))
    change = gdcm.ImageChangeTransferSyntax()
    change.SetInput(image)
    image.thisown = False  # the change owns it now and frees it; both would end the process
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(transfer_syntax)))
    if codec is not None:
        change.SetUserCodec(codec)
    if not change.Change():
        raise NotImplementedInServer(f"Cannot transcode to transfer syntax: {transfer_syntax}")
    fragments = change.GetOutput().GetDataElement().GetSequenceOfFragments()
    content = fragments.GetFragment(0).GetByteValue().GetBuffer()
    # the binding hands the bytes out as text
    return content.encode("utf-8", "surrogateescape") if isinstance(content, str) else bytes(content)


def _jpeg_ls(near: bool) -> Callable[[Samples, FrameFormat, int], bytes]:
    def encode(samples: Samples, found: FrameFormat, quality: int) -> bytes:
        precision = max(8, found.bits_stored)
        try:
            stream = jpeg_ls.encode_pixel_data(
                np.ascontiguousarray(samples).tobytes(),
                # 2 at the default quality of 90, as the reference
                lossy_error=round((100 - quality) / 5) if near else 0,
                rows=found.rows,
                columns=found.columns,
                samples_per_pixel=found.samples,
                bits_stored=precision,
                planar_configuration=0,
            )
        except RuntimeError:
            # the binding makes its buffer as large as the image: noise and tiny images do not fit
            allocated = 8 if precision == 8 else 16
            return _gdcm_encode(samples, found, allocated, precision, ts.JPEG_LS_LOSSLESS, None)
        return bytes(stream)

    return encode


def _jpeg_2000(lossy: bool) -> Callable[[Samples, FrameFormat, int], bytes]:
    def encode(samples: Samples, found: FrameFormat, quality: int) -> bytes:
        if min(found.rows, found.columns) < _MIN_SIDE:
            return _small_jpeg_2000(samples, found)
        return bytes(
            encode_jpeg2000(
                np.ascontiguousarray(samples).tobytes(),
                rows=found.rows,
                columns=found.columns,
                samples_per_pixel=found.samples,
                bits_stored=found.bits_stored,
                pixel_representation=int(found.signed),
                # asks for the component transform
                photometric_interpretation="YBR_RCT" if found.photometric == "RGB" else found.photometric,
                compression_ratios=[1 + (100 - quality) / 2] if lossy else None,
            )
        )

    return encode


def _small_jpeg_2000(samples: Samples, found: FrameFormat) -> bytes:
    """Images too small for the wavelet levels that the other library insists on; without loss."""
    if found.signed or found.bits_stored > 16 or (found.samples == 3 and found.bits_stored > 8):
        raise ValueError("such a small image cannot be written")
    mode = "RGB" if found.samples == 3 else "L" if found.bits_stored <= 8 else "I;16"
    image = Image.frombytes(mode, (found.columns, found.rows), np.ascontiguousarray(samples).tobytes())
    output = BytesIO()
    transform = found.photometric == "RGB"
    image.save(output, "JPEG2000", no_jp2=True, num_resolutions=1, irreversible=False, mct=int(transform))
    return output.getvalue()


def _high_throughput(lossy: bool) -> Callable[[Samples, FrameFormat, int], bytes]:
    """HTJ2K (ISO 15444-15), in the order of resolutions (RPCL): syntax 202 asks for it, others allow it."""

    def encode(samples: Samples, found: FrameFormat, quality: int) -> bytes:
        # Imported by who needs it: it brings fifty codecs.
        from imagecodecs import htj2k_encode

        container = 8 if found.bits_stored <= 8 else 16
        # The library takes all bits of a value for its range: the middle of the stored range goes to the
        # middle of that, and the true range is written into the bit stream afterwards.
        shift = 0 if found.signed else (1 << (container - 1)) - (1 << (found.bits_stored - 1))
        kind = f"{'i' if found.signed else 'u'}{container // 8}"
        # One grey level of 256 at the default quality of 90, as a part of the range.
        step = max(100 - quality, 1) / 10 / 256
        stream = bytearray(
            htj2k_encode(
                (samples.astype(np.int32) + shift).astype(kind),
                step if lossy else None,
                rgb=found.photometric == "RGB" if found.samples == 3 else None,
                reversible=not lossy,
            )
        )
        depth = found.bits_stored - 1 | found.signed << 7
        for component in range(found.samples):
            stream[_FIRST_DEPTH + 3 * component] = depth
        return bytes(stream)

    return encode


def _rle(samples: Samples, found: FrameFormat, quality: int) -> bytes:
    return bytes(
        encode_rle(
            np.ascontiguousarray(samples).tobytes(),
            rows=found.rows,
            columns=found.columns,
            samples_per_pixel=found.samples,
            bits_allocated=found.bits_allocated,
            byteorder="<",
        )
    )


def _same(found: FrameFormat) -> str:
    return found.photometric


def _subsampled(found: FrameFormat) -> str:
    return found.photometric if found.samples == 1 else "YBR_FULL_422"


def _transformed(to: str) -> Callable[[FrameFormat], str]:
    return lambda found: to if found.photometric == "RGB" else found.photometric


def _is_lossy_input(low: int, high: int, colour: int) -> Callable[[FrameFormat], bool]:
    """Whether frames have ``low`` to ``high`` bits, at most ``colour`` in colour, no sign and no palette."""

    def check(found: FrameFormat) -> bool:
        limit = high if found.samples == 1 else colour
        return low <= found.bits_stored <= limit and not found.signed and found.photometric != "PALETTE COLOR"

    return check


_FIRST_DEPTH = 42
"""The byte of a JPEG 2000 code stream that tells the bits of its first component (ISO 15444-1 A.5.1)."""
_MIN_SIDE = 32  # pixels: five halvings of the wavelet transform

_ENCODERS = {
    ts.RLE_LOSSLESS: Encoder(_rle, lambda found: found.bits_allocated >= 8, _same),
    ts.JPEG_BASELINE: Encoder(_baseline, _is_lossy_input(8, 8, 8), _subsampled, "ISO_10918_1"),
    ts.JPEG_EXTENDED: Encoder(_extended, _is_lossy_input(8, 12, 8), _subsampled, "ISO_10918_1"),
    ts.JPEG_LOSSLESS: Encoder(_lossless(ts.JPEG_LOSSLESS), lambda found: found.bits_stored <= 16, _same),
    ts.JPEG_LOSSLESS_SV1: Encoder(
        _lossless(ts.JPEG_LOSSLESS_SV1), lambda found: found.bits_stored <= 16, _same
    ),
    ts.JPEG_LS_LOSSLESS: Encoder(_jpeg_ls(near=False), lambda found: found.bits_stored <= 16, _same),
    ts.JPEG_LS_NEAR_LOSSLESS: Encoder(_jpeg_ls(near=True), _is_lossy_input(8, 16, 16), _same, "ISO_14495_1"),
    ts.JPEG_2000_LOSSLESS: Encoder(
        _jpeg_2000(lossy=False), lambda found: found.bits_stored <= 24, _transformed("YBR_RCT")
    ),
    ts.JPEG_2000_LOSSY: Encoder(
        _jpeg_2000(lossy=True),
        lambda found: found.bits_stored <= 16 and found.photometric != "PALETTE COLOR",
        _transformed("YBR_ICT"),
        "ISO_15444_1",
    ),
    **dict.fromkeys(
        (ts.HTJ2K_LOSSLESS, ts.HTJ2K_LOSSLESS_RPCL),
        Encoder(
            _high_throughput(lossy=False), lambda found: found.bits_stored <= 16, _transformed("YBR_RCT")
        ),
    ),
    ts.HTJ2K: Encoder(
        _high_throughput(lossy=True),
        # The steps of lossy values are parts of the range, which can then not be told afterwards.
        lambda found: found.bits_stored in (8, 16) and found.photometric != "PALETTE COLOR",
        _transformed("YBR_ICT"),
        "ISO_15444_15",
    ),
}
