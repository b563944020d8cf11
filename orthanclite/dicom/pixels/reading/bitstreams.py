"""The sizes that encoded frames announce, read before a decoder is let loose on them.

JPEG: ITU-T T.81 annex B; JPEG-LS: ITU-T T.87 annex C; JPEG 2000: ITU-T T.800 annex A.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import unpack_from

from orthanclite.core.errors import BadFileFormat
from orthanclite.dicom.pixels.reading.description import PixelDescription

_START_OF_FRAME = frozenset({0xC0, 0xC1, 0xC2, 0xC3})
_START_OF_FRAME_LS = 0xF7
_LOSSLESS = 0xC3
_COLOUR_SEGMENTS = (0xE0, 0xEE)  # JFIF and Adobe
_START_OF_SCAN = 0xDA
_ADOBE_SEGMENT = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"  # the transform byte follows


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What the start-of-frame segment says."""

    rows: int
    columns: int
    components: int
    precision: int  # bits per sample
    lossless: bool


def jpeg_header(data: bytes) -> JpegHeader:
    """The header of a JPEG bit stream.

    :raises BadFileFormat: where there is none.
    """
    return _frame_header(data, _START_OF_FRAME)


def jpeg_ls_header(data: bytes) -> JpegHeader:
    """The header of a JPEG-LS bit stream.

    :raises BadFileFormat: where there is none.
    """
    return _frame_header(data, frozenset({_START_OF_FRAME_LS}))


def _frame_header(data: bytes, frames: frozenset[int]) -> JpegHeader:
    for marker, start, end in _segments(data):
        if marker in frames and end - start >= 10:
            precision, rows, columns, components = unpack_from(">BHHB", data, start + 4)
            return JpegHeader(rows, columns, components, precision, marker == _LOSSLESS)
    raise BadFileFormat("The frame has no readable header")


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of the segments before the first scan."""
    position = _start_of_image(data)
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == _START_OF_SCAN:
            return
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        (length,) = unpack_from(">H", data, position + 2)
        end = position + 2 + length
        if length < 2 or end > len(data):
            return
        yield marker, position, end
        position = end


def _start_of_image(data: bytes) -> int:
    start = data.find(b"\xff\xd8")
    if start < 0:
        raise BadFileFormat("The frame is no JPEG bit stream")
    return start + 2


def force_colour(data: bytes, transformed: bool) -> bytes:
    """The stream with its colour model stated by an Adobe segment, in place of any statement it had.

    Like the reference, we believe PhotometricInterpretation rather than the JPEG stream: decoders guess
    from the markers, and many a DICOM stream has wrong ones or none.

    :param transformed: whether the components are YCbCr rather than RGB.
    """
    parts, rest = [b"\xff\xd8", _ADOBE_SEGMENT, bytes([transformed])], _start_of_image(data)
    for marker, start, end in _segments(data):
        if marker not in _COLOUR_SEGMENTS:
            parts.append(data[rest:end])
        else:
            parts.append(data[rest:start])
        rest = end
    return b"".join([*parts, data[rest:]])


def check_jpeg2000_size(data: bytes, description: PixelDescription) -> None:
    """Refuse a JPEG 2000 code stream of another size than the image.

    :raises BadFileFormat: see above, or where there is no SIZ segment.
    """
    start = data.find(b"\xff\x4f\xff\x51")  # SOC, SIZ; a JP2 box header may come before
    if start < 0 or start + 42 > len(data):
        raise BadFileFormat("The frame is no JPEG 2000 code stream")
    width, height, left, top = unpack_from(">4I", data, start + 8)
    (components,) = unpack_from(">H", data, start + 40)
    found = (height - top, width - left, components)
    if found != (description.rows, description.columns, description.samples):
        raise BadFileFormat("The encoded frame has another size than the image")
