"""Decoding one encoded frame (PS3.5 annex A.4), each family with the library that does it exactly.

These libraries are C and C++ code fed with files of strangers: call this in a worker process only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import NamedTuple

import gdcm
import jpeg_ls
import numpy as np
from openjpeg.utils import decode_pixel_data as decode_jpeg2000
from openjpeg.utils import get_parameters as jpeg2000_parameters
from PIL import Image
from rle.utils import decode_pixel_data as decode_rle

from orthanclite.core.errors import BadFileFormat, UnsupportedMediaType
from orthanclite.dicom.pixels import syntaxes as ts
from orthanclite.dicom.pixels.reading.bitstreams import (
    JpegHeader,
    check_jpeg2000_size,
    force_colour,
    jpeg_header,
    jpeg_ls_header,
)
from orthanclite.dicom.pixels.reading.description import PixelDescription, Samples
from orthanclite.dicom.pixels.reading.native import shaped, stored_values

CODEC_ERRORS: tuple[type[Exception], ...] = (
    ValueError,
    TypeError,
    RuntimeError,
    OSError,
    LookupError,
    AttributeError,
    SyntaxError,
    ArithmeticError,
    MemoryError,
    EOFError,
)
"""What the codecs raise for a damaged frame (Pillow: SyntaxError)."""


class Decoded(NamedTuple):
    """Sample values, and the photometric interpretation that they have now."""

    samples: Samples
    photometric: str


def decode_encoded(description: PixelDescription, data: bytes, transfer_syntax: str) -> Decoded:
    """Decode one frame.

    :raises UnsupportedMediaType: for a transfer syntax without decoder.
    :raises BadFileFormat: for a damaged frame.
    """
    decoder = _DECODERS.get(transfer_syntax)
    if decoder is None:
        raise UnsupportedMediaType(f"No decoder for the transfer syntax {transfer_syntax}")
    try:
        return decoder(description, data, transfer_syntax)
    except CODEC_ERRORS as exc:
        raise BadFileFormat(f"Cannot decode the frame: {exc}") from exc


def _rle(description: PixelDescription, data: bytes, transfer_syntax: str) -> Decoded:
    if description.bits_allocated == 1:
        raise UnsupportedMediaType("RLE images of one bit are not supported")
    frame = decode_rle(
        data,
        version=2,
        rows=description.rows,
        columns=description.columns,
        bits_allocated=description.bits_allocated,
    )
    values = np.frombuffer(frame, f"<u{description.bits_allocated // 8}")
    samples = shaped(description, values, planar=True)  # the library gives plane after plane
    return Decoded(stored_values(description, samples), description.photometric)


def _jpeg(description: PixelDescription, data: bytes, transfer_syntax: str) -> Decoded:
    header = jpeg_header(data)
    _check_size(description, header)
    if header.lossless or header.precision != 8:
        return _gdcm_jpeg(description, data, transfer_syntax, header)
    return _pillow_jpeg(description, data, header)


def _pillow_jpeg(description: PixelDescription, data: bytes, header: JpegHeader) -> Decoded:
    if header.components == 3:
        data = force_colour(data, transformed=description.photometric != "RGB")
    with Image.open(BytesIO(data), formats=["JPEG"]) as image:
        samples = np.asarray(image)
    photometric = "RGB" if header.components == 3 else description.photometric
    return Decoded(stored_values(_as_decoded(description, 8), samples), photometric)


def _gdcm_jpeg(
    description: PixelDescription, data: bytes, transfer_syntax: str, header: JpegHeader
) -> Decoded:
    allocated = 8 if header.precision <= 8 else 16
    image, fragments = gdcm.Image(), gdcm.SequenceOfFragments.New()
    fragment, element = gdcm.Fragment(), gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    fragment.SetByteStringValue(data)
    fragments.AddFragment(fragment)
    element.SetValue(fragments.__ref__())
    image.SetNumberOfDimensions(2)
    image.SetDimensions((description.columns, description.rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(description.photometric)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    if description.samples > 1:
        image.SetPlanarConfiguration(0)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(transfer_syntax)))
    image.SetPixelFormat(
        gdcm.PixelFormat(description.samples, allocated, header.precision, header.precision - 1, 0)
    )
    # the binding hands the bytes out as text
    raw = image.GetBuffer().encode("utf-8", "surrogateescape")
    samples = shaped(description, np.frombuffer(raw, f"<u{allocated // 8}"), planar=False)
    return Decoded(
        stored_values(_as_decoded(description, header.precision), samples), description.photometric
    )


def _jpeg_ls(description: PixelDescription, data: bytes, transfer_syntax: str) -> Decoded:
    _check_size(description, jpeg_ls_header(data))
    frame, info = jpeg_ls.decode_pixel_data(data)
    precision = info["bits_per_sample"]
    values = np.frombuffer(frame, "<u1" if precision <= 8 else "<u2")
    samples = shaped(description, values, planar=info["components"] > 1 and info["interleave_mode"] == 0)
    return Decoded(stored_values(_as_decoded(description, precision), samples), description.photometric)


def _jpeg2000(description: PixelDescription, data: bytes, transfer_syntax: str) -> Decoded:
    check_jpeg2000_size(data, description)
    info = jpeg2000_parameters(data)
    frame = decode_jpeg2000(data, version=2)
    precision = int(info["precision"])
    values = np.frombuffer(frame, f"<u{1 if precision <= 8 else 2 if precision <= 16 else 4}")
    samples = shaped(description, values, planar=False)
    photometric = description.photometric
    if photometric in ("YBR_ICT", "YBR_RCT"):
        photometric = "RGB"  # the library undoes the component transform
    return Decoded(stored_values(_as_decoded(description, precision), samples), photometric)


def _as_decoded(description: PixelDescription, precision: int) -> PixelDescription:
    """The description of what a codec returns: its own precision, in the low bits.

    The sign is where the header says: some encoders leave the bits above it clear. Values that do not begin
    at the lowest bit were encoded with the bits below them.
    """
    if description.bits_stored - 1 < description.high_bit < precision:
        return description
    stored = min(precision, description.bits_stored) if description.signed else precision
    return replace(description, bits_stored=stored, high_bit=stored - 1)


def _check_size(description: PixelDescription, found: JpegHeader) -> None:
    """Before decoding: a frame that claims another size would take memory the header does not announce."""
    if (found.rows, found.columns, found.components) != (
        description.rows,
        description.columns,
        description.samples,
    ):
        raise BadFileFormat("The encoded frame has another size than the image")


_DECODERS: dict[str, Callable[[PixelDescription, bytes, str], Decoded]] = {
    ts.RLE_LOSSLESS: _rle,
    **dict.fromkeys(ts.JPEG | ts.JPEG_PROGRESSIVE, _jpeg),
    **dict.fromkeys(ts.JPEG_LS, _jpeg_ls),
    **dict.fromkeys(ts.JPEG_2000, _jpeg2000),
}
