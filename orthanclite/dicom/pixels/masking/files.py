"""Masked pixel data: the same image with rectangles filled, as much of its bytes untouched as can be.

Native pixel data is changed in place. Of encapsulated pixel data the frames that are touched are decoded and
written anew without loss, in the same transfer syntax where it allows that, the others keep their bit
streams; where it does not (JPEG baseline and the like) the image becomes an uncompressed one, as it was
decoded: a second lossy compression would change what is outside of the rectangles.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import IO, Any

import numpy as np

from orthanclite.core.errors import (
    BadFileFormat,
    NotImplementedInServer,
    ParameterOutOfRange,
    UnsupportedMediaType,
)
from orthanclite.core.main_tags import PIXEL_DATA
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import EXPLICIT_LITTLE_ENDIAN, UNCOMPRESSED_SYNTAXES, UNDEFINED_LENGTH
from orthanclite.dicom.pixels import syntaxes as ts
from orthanclite.dicom.pixels.masking.masks import (
    Layout,
    Mask,
    MaskedPixels,
    container,
    fill_native,
    fill_samples,
    stored_fill,
    touched,
)
from orthanclite.dicom.pixels.reading.description import PixelDescription, Samples
from orthanclite.dicom.pixels.reading.source import ImageData, PixelSource, buffer_of, locate
from orthanclite.dicom.pixels.writing.derived import image_attributes
from orthanclite.dicom.pixels.writing.encoders import FrameFormat, encoder_for, write_frame
from orthanclite.dicom.pixels.writing.frames import EncodedFrames
from orthanclite.dicom.pixels.writing.transcode import (
    frame_format,
    frame_samples,
    native_bytes,
    packed,
    reading_for,
)
from orthanclite.dicom.reading.dataset import DicomFile
from orthanclite.dicom.reading.parser import parse_whole

_FLOATS = {0x7FE00008: 4, 0x7FE00009: 8}
"""FloatPixelData and DoubleFloatPixelData, with the bytes of a pixel."""

_LOSSLESS = {
    **{syntax: syntax for syntax in (ts.RLE_LOSSLESS, ts.JPEG_LOSSLESS, ts.JPEG_LOSSLESS_SV1)},
    ts.JPEG_LS_LOSSLESS: ts.JPEG_LS_LOSSLESS,
    ts.JPEG_2000_LOSSLESS: ts.JPEG_2000_LOSSLESS,
    # These allow either: what is written anew loses nothing (PS3.5 sections 8.2.3 and 8.2.4).
    ts.JPEG_LS_NEAR_LOSSLESS: ts.JPEG_LS_LOSSLESS,
    ts.JPEG_2000_LOSSY: ts.JPEG_2000_LOSSLESS,
}
"""The transfer syntaxes that can hold a frame without loss, and that whose encoder writes it so."""

_PIECE = 1 << 22
_ROWS, _COLUMNS = 0x00280010, 0x00280011


def mask_task(
    data: ImageData,
    masks: Sequence[tuple[Any, Any, Any]],
    entries: tuple[tuple[int, tuple[str, str, str]], ...],
    load_private: bool,
    result: IO[bytes],
    spool: IO[bytes],
) -> bytes:
    """Write the masked pixel data of a file into ``result``; the task of worker processes.

    :param masks: the fields of :class:`.Mask`
    :param entries: see :meth:`.TagDictionary.build`
    :param spool: an empty file where encoded frames wait
    :returns: the JSON of a :class:`MaskedPixels`; empty where there are no pixels.
    """
    chosen = [Mask(tuple(map(tuple, rectangles)), frames, value) for rectangles, frames, value in masks]
    with buffer_of(data) as buffer:
        masked = mask_pixels(buffer, chosen, _dictionary(entries, load_private), result, spool)
    return b"" if masked is None else masked.tojson()


def mask_pixels(
    buffer: Any,
    masks: Sequence[Mask],
    dictionary: TagDictionary,
    result: IO[bytes],
    spool: IO[bytes] | None = None,
) -> MaskedPixels | None:
    """Write the masked pixel data of the file in ``buffer`` into ``result``, which is a real file.

    :returns: None where there are no pixels.
    :raises ParameterOutOfRange: for a rectangle, a frame or a value that such an image does not have.
    :raises UnsupportedMediaType: for an image of a kind that cannot be decoded.
    :raises NotImplementedInServer: for one that cannot be written.
    :raises BadFileFormat: for a damaged file.
    """
    file = parse_whole(buffer, dictionary)
    for tag, cell in _FLOATS.items():
        if tag in file.dataset.elements:
            return _masked_floats(file, tag, cell, masks, result)
    if file.pixel_data is None:
        if _ROWS in file.dataset.elements:
            raise UnsupportedMediaType("The image has no pixel data of the kinds that can be masked")
        return None
    source = locate(buffer)
    description = source.description
    for mask in masks:
        mask.check(description.rows, description.columns, description.frames)
    if source.transfer_syntax in UNCOMPRESSED_SYNTAXES:
        masked = _masked_native(source, masks, result)
    else:
        masked = _masked_frames(source, masks, result, spool)
    return replace(masked, overlays=tuple(_overlays(file, masks)))


@lru_cache(maxsize=2)
def _dictionary(entries: tuple[tuple[int, tuple[str, str, str]], ...], load_private: bool) -> TagDictionary:
    return TagDictionary.build(dict(entries), load_private)


# -- native pixels ---------------------------------------------------------------------------------------


def _masked_native(source: PixelSource, masks: Sequence[Mask], result: IO[bytes]) -> MaskedPixels:
    if source.encapsulated:
        raise BadFileFormat("The pixel data is encapsulated, against its transfer syntax")
    description = source.description
    big_endian = source.big_endian and source.vr == "OW"
    cell = description.bits_allocated // 8
    layout = Layout(
        description.rows,
        description.columns,
        description.samples,
        cell,
        description.planar and description.samples > 1,
        description.photometric == "YBR_FULL_422",
        big_endian and cell <= 1,
    )
    if layout.subsampled and description.columns % 2:
        raise NotImplementedInServer(
            "An image of YBR_FULL_422 with an odd number of columns cannot be masked"
        )

    def fill(mask: Mask) -> list[bytes]:
        values = stored_fill(description, mask.value, description.photometric)
        cells = [container(description, value) for value in values]
        return [value.to_bytes(max(1, cell), "big" if big_endian else "little") for value in cells]

    _write_filled(source.buffer, source.value_start, source.value_length, layout, masks, fill, result)
    return MaskedPixels(PIXEL_DATA, source.transfer_syntax, source.vr, False)


def _masked_floats(
    file: DicomFile, tag: int, cell: int, masks: Sequence[Mask], result: IO[bytes]
) -> MaskedPixels:
    dataset, element = file.dataset, file.dataset.elements[tag]
    rows, columns = (sum(_words(file, one)[:1]) & 0xFFFF for one in (_ROWS, _COLUMNS))
    if not rows or not columns:
        raise BadFileFormat("The image has no size")
    layout = Layout(rows, columns, 1, cell)
    frames = max(1, (element.end - element.start) * 8 // layout.frame_bits)

    def fill(mask: Mask) -> list[bytes]:
        value = mask.value or (0.0,)
        if len(value) != 1:
            raise ParameterOutOfRange("The pixels of the image are single numbers")
        return [np.array(value[0], f"{'>' if dataset.big_endian else '<'}f{cell}").tobytes()]

    for mask in masks:
        mask.check(rows, columns, frames)
    _write_filled(dataset.data, element.start, element.end - element.start, layout, masks, fill, result)
    overlays = tuple(_overlays(file, masks))
    return MaskedPixels(tag, file.transfer_syntax, element.vr, False, overlays=overlays)


def _write_filled(
    buffer: Any,
    start: int,
    length: int,
    layout: Layout,
    masks: Sequence[Mask],
    fill: Callable[[Mask], list[bytes]],
    result: IO[bytes],
) -> None:
    """Copy a value and fill the copy: as much of it is in memory as the system likes."""
    fills = [fill(mask) for mask in masks]
    for first in range(start, start + length, _PIECE):
        result.write(buffer[first : min(first + _PIECE, start + length)])
    result.flush()
    if not length:
        raise BadFileFormat("The pixel data is shorter than the image")
    with mmap.mmap(result.fileno(), length) as mapped:
        pixels = np.frombuffer(mapped, np.uint8)
        # Frames beyond those that are declared show the same.
        for frame in touched(masks, max(1, length * 8 // layout.frame_bits)):
            for mask, content in zip(masks, fills, strict=True):
                if mask.is_of(frame):
                    fill_native(pixels, layout, frame, mask.rectangles, content)
        del pixels  # or the map could not be closed


# -- encapsulated pixels ---------------------------------------------------------------------------------


def _masked_frames(
    source: PixelSource, masks: Sequence[Mask], result: IO[bytes], spool: IO[bytes] | None
) -> MaskedPixels:
    if source.transfer_syntax in _LOSSLESS:
        with suppress(NotImplementedInServer):  # of the kinds of images that our encoders cannot write
            return _encoded(_Frames(source, masks, source.transfer_syntax), result, spool)
    return _decoded(_Frames(source, masks, EXPLICIT_LITTLE_ENDIAN), result)


class _Frames:
    """The frames of an encapsulated image, to be written anew in a transfer syntax."""

    def __init__(self, source: PixelSource, masks: Sequence[Mask], target: str) -> None:
        self.source = source
        self.target = target
        self.description, _ = reading_for(source, target)
        first = frame_samples(source, 0, self.description, expand=False)
        self.size: int = first[0].nbytes
        self.format = frame_format(first, self.description, target)
        self.count = source.frame_count()
        self.touched = frozenset(touched(masks, self.count))
        self._masks = [
            (mask, _decoded_fill(source.description, self.description, mask, self.format)) for mask in masks
        ]

    def filled(self, index: int) -> Samples:
        """A decoded frame with its masks."""
        samples = frame_samples(self.source, index, self.description, expand=False)[0].copy()
        for mask, fill in self._masks:
            if mask.is_of(index):
                fill_samples(samples, mask.rectangles, fill)
        return samples


def _decoded(frames: _Frames, result: IO[bytes]) -> MaskedPixels:
    if frames.count * frames.size >= UNDEFINED_LENGTH - 1:
        raise NotImplementedInServer("Uncompressed pixel data ends at 4 GB (PS3.5 section 7.1.1)")
    for index in range(frames.count):
        samples = frames.filled(index)
        if samples.nbytes != frames.size:
            raise BadFileFormat("The frames differ in size")
        result.write(native_bytes(samples, frames.target))
    found = frames.format
    vr = "OB" if found.bits_allocated == 8 else "OW"
    attributes = image_attributes(frames.description, found, found.photometric)
    return MaskedPixels(PIXEL_DATA, frames.target, vr, False, attributes)


def _encoded(frames: _Frames, result: IO[bytes], spool: IO[bytes] | None) -> MaskedPixels:
    """:raises NotImplementedInServer: where such frames cannot be written; then nothing is in ``result``"""
    found, source = frames.format, frames.source
    encoder = encoder_for(_LOSSLESS[frames.target], found)
    photometric = encoder.photometric(found)
    # One header is for all frames: where it changes, none can stay.
    stays = photometric == source.description.photometric
    encoded = EncodedFrames(spool)
    for index in range(frames.count):
        if stays and index not in frames.touched:
            encoded.add(source.frame_bytes(index))
        else:
            samples = packed(frames.filled(index), found, frames.target)
            encoded.add(write_frame(encoder, samples, found, 100))
    for piece in encoded.value():
        result.write(piece)
    attributes = image_attributes(frames.description, found, photometric)
    return MaskedPixels(PIXEL_DATA, frames.target, "OB", True, attributes)


def _decoded_fill(
    stored: PixelDescription, description: PixelDescription, mask: Mask, found: FrameFormat
) -> list[int]:
    """The values that decoded samples are filled with; of whole cells where these were decoded."""
    values = stored_fill(stored, mask.value, found.photometric)
    if description is stored:
        return values
    return [container(stored, value) for value in values]


# -- overlays --------------------------------------------------------------------------------------------


def _overlays(file: DicomFile, masks: Sequence[Mask]) -> Iterator[tuple[int, bytes]]:
    """The overlays that lie on what is masked, with the same rectangles cleared (PS3.3 C.9.2)."""
    dataset = file.dataset
    for group in range(0x6000, 0x6020, 2):
        element = dataset.elements.get(group << 16 | 0x3000)
        if element is None:
            continue
        words = [_words(file, group << 16 | number) for number in (0x0010, 0x0011, 0x0050, 0x0051)]
        (rows, columns), origin, first = (one[0] if one else 0 for one in words[:2]), words[2], words[3]
        top, left = (origin[0] - 1, origin[1] - 1) if len(origin) == 2 else (0, 0)
        layout = Layout(rows, columns, 1, 0, swapped=dataset.big_endian and element.vr == "OW")
        pixels = np.frombuffer(dataset.value(element), np.uint8).copy()
        if not rows or not columns or pixels.size * 8 < layout.frame_bits:
            # What cannot be read may show anything.
            yield element.tag, b"\0" * pixels.size
            continue
        many = (group << 16 | 0x0015) in dataset.elements
        offset = (first[0] - 1) if first else 0
        for frame in range(pixels.size * 8 // layout.frame_bits):
            rectangles = [
                clipped
                for mask in masks
                if not many or mask.is_of(frame + offset)
                for clipped in _clipped(mask.rectangles, left, top, columns, rows)
            ]
            fill_native(pixels, layout, frame, rectangles, [b"\0"])
        yield element.tag, pixels.tobytes()


def _clipped(
    rectangles: Iterable[tuple[int, int, int, int]], left: int, top: int, columns: int, rows: int
) -> Iterator[tuple[int, int, int, int]]:
    """The rectangles as an overlay at ``left`` and ``top`` sees them."""
    for x, y, width, height in rectangles:
        x0, y0 = max(0, x - left), max(0, y - top)
        x1, y1 = min(columns, x + width - left), min(rows, y + height - top)
        if x0 < x1 and y0 < y1:
            yield x0, y0, x1 - x0, y1 - y0


def _words(file: DicomFile, tag: int) -> list[int]:
    """The numbers of an element of VR US or SS."""
    raw = file.dataset.raw(tag) or b""
    order = ">" if file.dataset.big_endian else "<"
    return [int(one) for one in np.frombuffer(raw[: len(raw) & ~1], f"{order}i2")]
