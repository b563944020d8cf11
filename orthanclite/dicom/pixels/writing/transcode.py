"""Changing the transfer syntax of a DICOM file (PS3.5 annex A).

A lossless or uncompressed result has the same pixel values to the bit, and the same SOPInstanceUID. A lossy
one is a derived image with a SOPInstanceUID of its own (PS3.3 C.7.6.1.1.5, C.12.4.1.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import IO

import numpy as np

from orthanclite.core.errors import (
    BadFileFormat,
    NotImplementedInServer,
    ParameterOutOfRange,
)
from orthanclite.core.identifiers import generate_uid
from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.main_tags import PIXEL_DATA, SOP_CLASS_UID, SOP_INSTANCE_UID
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    UNCOMPRESSED_SYNTAXES,
    UNDEFINED_LENGTH,
    encoding_of,
    has_big_endian_pixels,
)
from orthanclite.dicom.pixels import syntaxes as ts
from orthanclite.dicom.pixels.reading.colour import apply_palette
from orthanclite.dicom.pixels.reading.decode import decode_samples
from orthanclite.dicom.pixels.reading.description import PixelDescription, Samples
from orthanclite.dicom.pixels.reading.source import ImageData, PixelSource, buffer_of, locate, open_source
from orthanclite.dicom.pixels.writing.derived import Derivation, derived_attributes, image_attributes
from orthanclite.dicom.pixels.writing.encoders import FrameFormat, encoder_for, write_frame
from orthanclite.dicom.pixels.writing.frames import EncodedFrames
from orthanclite.dicom.pixels.writing.reencode import encode, head, merged, split_at_pixels, swap
from orthanclite.dicom.reading.dataset import DataSet, DicomFile, Element
from orthanclite.dicom.reading.parser import parse_dataset, parse_whole
from orthanclite.dicom.writing.deflation import deflated
from orthanclite.dicom.writing.elements import file_head

DEFAULT_QUALITY = 90

_PIECE = 1 << 22  # bytes of native pixel data that are copied at a time

_EXTENDED_TABLES = (0x7FE00001, 0x7FE00002)  # ExtendedOffsetTable and its lengths
_PALETTE = (0x00281101, 0x00281102, 0x00281103, 0x00281201, 0x00281202, 0x00281203)
_SEGMENTED_PALETTE = (0x00281221, 0x00281222, 0x00281223)
CONTAINER_SYNTAXES = UNCOMPRESSED_SYNTAXES | {ts.RLE_LOSSLESS}
"""Those that keep every allocated bit, the unused ones included."""


@dataclass(frozen=True, slots=True)
class TranscodeOptions:
    """How to transcode."""

    quality: int = DEFAULT_QUALITY  # of lossy compression, 1 to 100
    keep_sop_uid: bool = False  # also after lossy compression: for jobs that have chosen it themselves
    spool: IO[bytes] | None = None  # an empty file where encoded frames wait; None for a temporary one


@dataclass(frozen=True, slots=True)
class _Pixels:
    """The new pixel data and the attributes that describe it."""

    vr: str
    length: int  # bytes, with padding; UNDEFINED_LENGTH where encapsulated
    value: Iterator[bytes]  # piece by piece: it may be larger than the memory
    changes: bytes = b""  # elements in explicit little endian
    dropped: frozenset[int] = frozenset()
    sop_uid: str = ""  # a new one


def transcode(
    data: ImageData,
    target: str,
    options: TranscodeOptions | None = None,
    dictionary: TagDictionary | None = None,
) -> bytes:
    """The file in the transfer syntax ``target``; byte for byte the same where it has it already.

    :raises ParameterOutOfRange: where ``target`` is no transfer syntax, or for a quality out of range.
    :raises NotImplementedInServer: where such an image cannot be written in it, for its kind or its size.
    :raises BadFileFormat: for a damaged file.
    :raises UnsupportedMediaType: where the present pixel data cannot be decoded.
    """
    return b"".join(transcode_pieces(data, target, options, dictionary))


def transcode_pieces(
    data: ImageData,
    target: str,
    options: TranscodeOptions | None = None,
    dictionary: TagDictionary | None = None,
) -> Iterator[bytes]:
    """The same, piece by piece: a frame at a time is in memory. Errors may come with any piece."""
    options = options or TranscodeOptions()
    if not ts.is_transfer_syntax(target):
        raise ParameterOutOfRange(f"Unknown transfer syntax: {target}")
    if not 1 <= options.quality <= 100:
        raise ParameterOutOfRange("The quality of lossy compression must be between 1 and 100")
    dictionary = dictionary or TagDictionary.build()
    with buffer_of(data) as buffer:
        file = parse_whole(buffer, dictionary)
        if file.transfer_syntax == target and file.has_meta:
            yield from _slices(buffer, 0, len(buffer))
            return
        if file.pixel_data is None:
            pixels = None
            if target not in ts.WRITABLE:
                raise NotImplementedInServer(f"Cannot transcode to transfer syntax: {target}")
        elif file.transfer_syntax in UNCOMPRESSED_SYNTAXES and target in UNCOMPRESSED_SYNTAXES:
            pixels = _rewritten(file, file.pixel_data, target)
        else:
            pixels = _recoded(locate(buffer), file, target, options)
        yield from _assemble(file, target, pixels, dictionary)


def transcode_task(
    data: ImageData,
    target: str,
    quality: int,
    entries: tuple[tuple[int, tuple[str, str, str]], ...],
    load_private: bool,
    result: IO[bytes],
    spool: IO[bytes],
    keep_sop_uid: bool = False,
) -> bytes:
    """The same, by plain arguments, into the file ``result``: the task of worker processes. Returns nothing.

    :param entries: see :meth:`TagDictionary.build`
    :param spool: see :class:`TranscodeOptions`, as ``keep_sop_uid``
    """
    options = TranscodeOptions(quality, keep_sop_uid, spool)
    for piece in transcode_pieces(data, target, options, _dictionary(entries, load_private)):
        result.write(piece)
    return b""


def frame_task(data: ImageData, index: int, target: str, quality: int) -> bytes:
    """One frame as it is in the transfer syntax ``target``: a task of worker processes.

    :raises ParameterOutOfRange: for a frame that does not exist.
    :raises NotImplementedInServer: where such a frame cannot be written in ``target``.
    :raises UnsupportedMediaType: where it cannot be decoded.
    :raises BadFileFormat: for a damaged image.
    """
    with open_source(data) as source:
        if not 0 <= index < source.frame_count():
            raise ParameterOutOfRange(f"Frame {index} does not exist")
        if source.description.bits_allocated == 1:
            return _frame_of_bits(source, index, target)
        description, expand = reading_for(source, target)
        first = frame_samples(source, index, description, expand)
        if target in UNCOMPRESSED_SYNTAXES:
            return native_bytes(first[0], target)
        found = frame_format(first, description, target)
        return write_frame(encoder_for(target, found), packed(first[0], found, target), found, quality)


def _frame_of_bits(source: PixelSource, index: int, target: str) -> bytes:
    """A frame of one bit per pixel, which begins at a byte even where the one before ends within it."""
    if target not in UNCOMPRESSED_SYNTAXES:
        raise NotImplementedInServer("Images of one bit per pixel cannot be compressed")
    bits = np.unpackbits(np.frombuffer(source.frame_bytes(index), np.uint8), bitorder="little")
    first = source.bit_offset(index)
    content: bytes = np.packbits(
        bits[first : first + source.description.frame_bits], bitorder="little"
    ).tobytes()
    return content


@lru_cache(maxsize=2)
def _dictionary(entries: tuple[tuple[int, tuple[str, str, str]], ...], load_private: bool) -> TagDictionary:
    return TagDictionary.build(dict(entries), load_private)


def _rewritten(file: DicomFile, element: Element, target: str) -> _Pixels:
    """Native pixel data in another byte order; nothing is decoded.

    :raises BadFileFormat: where it is not native.
    """
    if element.fragments is not None:
        raise BadFileFormat("The pixel data is encapsulated, against its transfer syntax")
    bits = int.from_bytes(
        file.dataset.raw(0x00280100) or b"\x10", "big" if file.encoding.big_endian else "little"
    )
    vr = "OB" if bits <= 8 and element.vr == "OB" and encoding_of(target).explicit else "OW"
    length = element.end - element.start
    pieces = _slices(file.dataset.data, element.start, element.end)
    if has_big_endian_pixels(file.transfer_syntax, bits) != has_big_endian_pixels(target, bits):
        # cells of 32 bits are swapped whole, as pydicom reads them
        kind = "UL" if bits == 32 else element.vr
        pieces = (swap(piece, kind) for piece in pieces)
    return _Pixels(vr, length + length % 2, chain(pieces, [b"\0" * (length % 2)]))


def _slices(buffer: Buffer, start: int, end: int) -> Iterator[bytes]:
    """Pieces of a buffer, all but the last one of whole words of any size."""
    for first in range(start, end, _PIECE):
        yield bytes(buffer[first : min(first + _PIECE, end)])


def _recoded(source: PixelSource, file: DicomFile, target: str, options: TranscodeOptions) -> _Pixels:
    """Decode every frame and write it anew."""
    if source.description.bits_allocated == 1:
        raise NotImplementedInServer("Images of one bit per pixel cannot be compressed")
    description, expand = reading_for(source, target)
    first = frame_samples(source, 0, description, expand)
    found = frame_format(first, description, target)
    count = source.frame_count()
    others = (frame_samples(source, index, description, expand)[0] for index in range(1, count))
    frames = chain([first[0]], others)
    if target in UNCOMPRESSED_SYNTAXES:
        total = count * first[0].nbytes
        if total >= UNDEFINED_LENGTH - 1:
            raise NotImplementedInServer("Uncompressed pixel data ends at 4 GB (PS3.5 section 7.1.1)")
        vr = "OB" if found.bits_allocated == 8 and target != IMPLICIT_LITTLE_ENDIAN else "OW"
        changes = image_attributes(description, found, found.photometric)
        value = chain(_native_frames(frames, first[0].nbytes, target), [b"\0" * (total % 2)])
        return _Pixels(vr, total + total % 2, value, changes, frozenset(_EXTENDED_TABLES))
    encoder = encoder_for(target, found)
    encoded = EncodedFrames(options.spool)
    for samples in frames:
        encoded.add(write_frame(encoder, packed(samples, found, target), found, options.quality))
    changes = image_attributes(description, found, encoder.photometric(found))
    sop_uid = ""
    if encoder.method:
        sop_uid = "" if options.keep_sop_uid else generate_uid()
        native = found.rows * found.columns * found.samples * found.bits_allocated // 8 * count
        derivation = Derivation(sop_uid, encoder.method, native / max(1, encoded.size))
        changes += derived_attributes(file.dataset, derivation)
    dropped = frozenset(_EXTENDED_TABLES + (_PALETTE + _SEGMENTED_PALETTE if expand else ()))
    return _Pixels("OB", UNDEFINED_LENGTH, encoded.value(), changes, dropped, sop_uid)


def reading_for(source: PixelSource, target: str) -> tuple[PixelDescription, bool]:
    """How the samples are to be read for ``target``, and whether a palette is to be applied."""
    description = source.description
    if source.transfer_syntax in CONTAINER_SYNTAXES and target in CONTAINER_SYNTAXES:
        allocated = description.bits_allocated
        description = replace(description, bits_stored=allocated, high_bit=allocated - 1, signed=False)
    expand = target in (ts.JPEG_BASELINE, ts.JPEG_EXTENDED) and description.photometric == "PALETTE COLOR"
    return description, expand


def _native_frames(frames: Iterable[Samples], size: int, target: str) -> Iterator[bytes]:
    for samples in frames:
        if samples.nbytes != size:  # the length of all is written already
            raise BadFileFormat("The frames differ in size")
        yield native_bytes(samples, target)


def frame_samples(
    source: PixelSource, index: int, description: PixelDescription, expand: bool
) -> tuple[Samples, str]:
    """A decoded frame and its photometric interpretation; ``expand`` makes colour of a palette."""
    samples, photometric = decode_samples(source, index, description)
    if not expand:
        return samples, photometric
    return apply_palette(source.header, samples), "RGB"


def frame_format(first: tuple[Samples, str], description: PixelDescription, target: str) -> FrameFormat:
    """What frames like ``first`` are, for an encoder of ``target``."""
    samples, photometric = first
    colour = samples.ndim == 3
    if photometric == "YBR_FULL_422":
        photometric = "YBR_FULL"  # decoded to full width
    allocated = samples.dtype.itemsize * 8
    stored = min(description.bits_stored, allocated)
    if colour and description.samples == 1:  # an expanded palette
        stored = allocated
    if target not in CONTAINER_SYNTAXES and stored <= 8:
        allocated = 8
    return FrameFormat(
        description.rows,
        description.columns,
        samples.shape[2] if colour else 1,
        allocated,
        stored,
        description.signed,
        photometric,
    )


def native_bytes(samples: Samples, target: str) -> bytes:
    """A decoded frame as uncompressed pixel data."""
    values = samples.view(f"u{samples.dtype.itemsize}")
    big_endian = encoding_of(target).big_endian
    content: bytes = (
        np.ascontiguousarray(values).astype(values.dtype.newbyteorder(">" if big_endian else "<")).tobytes()
    )
    return content


def packed(samples: Samples, found: FrameFormat, target: str) -> Samples:
    """The samples as encoders want them: the container of ``found``, no bits above the stored ones.

    JPEG 2000 has signs; the other codecs get the two's complement in the stored bits.
    """
    size = found.bits_allocated // 8
    if target in ts.JPEG_2000 and found.signed:
        return samples.astype(f"<i{size}")
    values = samples.view(f"u{samples.dtype.itemsize}")
    if found.bits_stored < samples.dtype.itemsize * 8:
        values = values & np.array((1 << found.bits_stored) - 1, values.dtype)
    return values.astype(f"<u{size}", copy=False)


def _assemble(
    file: DicomFile, target: str, pixels: _Pixels | None, dictionary: TagDictionary
) -> Iterator[bytes]:
    encoding = encoding_of(target)
    changes: DataSet | None = None
    sop_uid = _uid(file.dataset, SOP_INSTANCE_UID)
    dropped: frozenset[int] = frozenset()
    if pixels is not None:
        sop_uid = pixels.sop_uid or sop_uid
        dropped = pixels.dropped
        if pixels.changes:
            changes = parse_dataset(pixels.changes, EXPLICIT_LITTLE_ENDIAN, dictionary)
    before, after = split_at_pixels(merged(file.dataset, changes, dropped))
    parts: Iterator[bytes] = iter((encode(before, encoding),))
    if pixels is not None:
        parts = chain(parts, [head(PIXEL_DATA, pixels.vr, pixels.length, encoding)], pixels.value)
    parts = chain(parts, [encode(after, encoding)])
    yield file_head(_uid(file.dataset, SOP_CLASS_UID), sop_uid, target)
    yield from deflated(parts) if target == DEFLATED_LITTLE_ENDIAN else parts


def _uid(dataset: DataSet, tag: int) -> str:
    return (dataset.raw(tag) or b"").decode("ascii", "ignore").strip(" \0")
