"""Changing the transfer syntax of a DICOM file (PS3.5 annex A).

A lossless or uncompressed result has the same pixel values to the bit, and the same SOPInstanceUID. A lossy
one is a derived image with a SOPInstanceUID of its own (PS3.3 C.7.6.1.1.5, C.12.4.1.3).
"""

from __future__ import annotations

import mmap
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from orthanclite.core.errors import BadFileFormat, NotImplementedInServer, ParameterOutOfRange
from orthanclite.core.identifiers import generate_uid
from orthanclite.core.main_tags import PIXEL_DATA, SOP_CLASS_UID, SOP_INSTANCE_UID
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.elements import file_head, item
from orthanclite.dicom.encoding import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    UNCOMPRESSED_SYNTAXES,
    UNDEFINED_LENGTH,
    Encoding,
    encoding_of,
)
from orthanclite.dicom.parser import DataSet, DicomFile, Element, parse, parse_dataset
from orthanclite.dicom.pixels import syntaxes as ts
from orthanclite.dicom.pixels.colour import apply_palette
from orthanclite.dicom.pixels.decode import decode_samples
from orthanclite.dicom.pixels.derived import Derivation, derived_attributes, image_attributes
from orthanclite.dicom.pixels.description import PixelDescription, Samples
from orthanclite.dicom.pixels.encoders import FrameFormat, encoder_for, write_frame
from orthanclite.dicom.pixels.reencode import encode, head, merged, split_at_pixels, swap
from orthanclite.dicom.pixels.source import PixelSource, buffer_of, locate

DEFAULT_QUALITY = 90

_EXTENDED_TABLES = (0x7FE00001, 0x7FE00002)  # ExtendedOffsetTable and its lengths
_PALETTE = (0x00281101, 0x00281102, 0x00281103, 0x00281201, 0x00281202, 0x00281203)
_SEGMENTED_PALETTE = (0x00281221, 0x00281222, 0x00281223)
_CONTAINER_SYNTAXES = UNCOMPRESSED_SYNTAXES | {ts.RLE_LOSSLESS}
"""Those that keep every allocated bit, the unused ones included."""


@dataclass(frozen=True, slots=True)
class TranscodeOptions:
    """How to transcode."""

    quality: int = DEFAULT_QUALITY  # of lossy compression, 1 to 100
    keep_sop_uid: bool = False  # also after lossy compression: for jobs that have chosen it themselves


@dataclass(frozen=True, slots=True)
class _Pixels:
    """The new pixel data and the attributes that describe it."""

    vr: str
    length: int  # UNDEFINED_LENGTH where encapsulated
    value: list[bytes]
    changes: bytes = b""  # elements in explicit little endian
    dropped: frozenset[int] = frozenset()
    sop_uid: str = ""  # a new one


def transcode(
    data: Path | bytes,
    target: str,
    options: TranscodeOptions | None = None,
    dictionary: TagDictionary | None = None,
) -> bytes:
    """The file in the transfer syntax ``target``; byte for byte the same where it has it already.

    :raises ParameterOutOfRange: where ``target`` is no transfer syntax, or for a quality out of range.
    :raises NotImplementedInServer: where such an image cannot be written in it.
    :raises BadFileFormat: for a damaged file.
    :raises UnsupportedMediaType: where the present pixel data cannot be decoded.
    """
    options = options or TranscodeOptions()
    if not ts.is_transfer_syntax(target):
        raise ParameterOutOfRange(f"Unknown transfer syntax: {target}")
    if not 1 <= options.quality <= 100:
        raise ParameterOutOfRange("The quality of lossy compression must be between 1 and 100")
    dictionary = dictionary or TagDictionary.build()
    with buffer_of(data) as buffer:
        file = _parse(buffer, dictionary)
        if file.transfer_syntax == target and file.has_meta:
            return bytes(buffer)
        if file.pixel_data is None:
            pixels = None
            if target not in UNCOMPRESSED_SYNTAXES | ts.ENCODABLE:
                raise NotImplementedInServer(f"Cannot transcode to transfer syntax: {target}")
        elif file.transfer_syntax in UNCOMPRESSED_SYNTAXES and target in UNCOMPRESSED_SYNTAXES:
            pixels = _rewritten(file, file.pixel_data, encoding_of(target))
        else:
            pixels = _recoded(locate(buffer), file, target, options)
        return _assemble(file, target, pixels, dictionary)


def transcode_task(
    data: Path | bytes,
    target: str,
    quality: int,
    entries: tuple[tuple[int, tuple[str, str, str]], ...],
    load_private: bool,
) -> bytes:
    """The same, by plain arguments: the task of worker processes.

    :param entries: see :meth:`TagDictionary.build`
    """
    return transcode(data, target, TranscodeOptions(quality), _dictionary(entries, load_private))


@lru_cache(maxsize=2)
def _dictionary(entries: tuple[tuple[int, tuple[str, str, str]], ...], load_private: bool) -> TagDictionary:
    return TagDictionary.build(dict(entries), load_private)


def _parse(buffer: bytes | mmap.mmap, dictionary: TagDictionary) -> DicomFile:
    try:
        return parse(buffer, dictionary, whole=True)
    except BadFileFormat:
        return parse(buffer, dictionary)  # garbage behind the pixel data


def _rewritten(file: DicomFile, element: Element, target: Encoding) -> _Pixels:
    """Native pixel data in another byte order; nothing is decoded."""
    value = file.dataset.value(element)
    bits = int.from_bytes(
        file.dataset.raw(0x00280100) or b"\x10", "big" if file.encoding.big_endian else "little"
    )
    vr = "OB" if bits <= 8 and element.vr == "OB" and target.explicit else "OW"
    swapped = file.encoding.big_endian != target.big_endian
    if swapped:
        # cells of 32 bits are swapped whole, as pydicom reads them
        kind = "UL" if bits == 32 else element.vr
        value = swap(value, kind)
    return _Pixels(vr, len(value) + len(value) % 2, [value, b"\0" * (len(value) % 2)])


def _recoded(source: PixelSource, file: DicomFile, target: str, options: TranscodeOptions) -> _Pixels:
    """Decode every frame and write it anew."""
    description = source.description
    if description.bits_allocated == 1:
        raise NotImplementedInServer("Images of one bit per pixel cannot be compressed")
    if source.transfer_syntax in _CONTAINER_SYNTAXES and target in _CONTAINER_SYNTAXES:
        allocated = description.bits_allocated
        description = replace(description, bits_stored=allocated, high_bit=allocated - 1, signed=False)
    expand = target in (ts.JPEG_BASELINE, ts.JPEG_EXTENDED) and description.photometric == "PALETTE COLOR"
    first = _samples(source, 0, description, expand)
    found = _format(first, description, target)
    frames: list[bytes] = []
    if target in UNCOMPRESSED_SYNTAXES:
        for index in range(source.frame_count()):
            samples = (first if index == 0 else _samples(source, index, description, expand))[0]
            frames.append(_native(samples, target))
        total = sum(map(len, frames))
        frames.append(b"\0" * (total % 2))
        vr = "OB" if found.bits_allocated == 8 and target != IMPLICIT_LITTLE_ENDIAN else "OW"
        changes = image_attributes(description, found, found.photometric)
        return _Pixels(vr, total + total % 2, frames, changes, frozenset(_EXTENDED_TABLES))
    encoder = encoder_for(target, found)
    for index in range(source.frame_count()):
        samples = (first if index == 0 else _samples(source, index, description, expand))[0]
        frames.append(write_frame(encoder, _packed(samples, found, target), found, options.quality))
    changes = image_attributes(description, found, encoder.photometric(found))
    sop_uid = ""
    if encoder.method:
        sop_uid = "" if options.keep_sop_uid else generate_uid()
        native = found.rows * found.columns * found.samples * found.bits_allocated // 8 * len(frames)
        derivation = Derivation(sop_uid, encoder.method, native / max(1, sum(map(len, frames))))
        changes += derived_attributes(file.dataset, derivation)
    dropped = frozenset(_EXTENDED_TABLES + (_PALETTE + _SEGMENTED_PALETTE if expand else ()))
    return _Pixels("OB", UNDEFINED_LENGTH, _encapsulated(frames), changes, dropped, sop_uid)


def _samples(
    source: PixelSource, index: int, description: PixelDescription, expand: bool
) -> tuple[Samples, str]:
    samples, photometric = decode_samples(source, index, description)
    if not expand:
        return samples, photometric
    return apply_palette(source.header, samples), "RGB"


def _format(first: tuple[Samples, str], description: PixelDescription, target: str) -> FrameFormat:
    samples, photometric = first
    colour = samples.ndim == 3
    if photometric == "YBR_FULL_422":
        photometric = "YBR_FULL"  # decoded to full width
    allocated = samples.dtype.itemsize * 8
    stored = min(description.bits_stored, allocated)
    if colour and description.samples == 1:  # an expanded palette
        stored = allocated
    if target not in _CONTAINER_SYNTAXES and stored <= 8:
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


def _native(samples: Samples, target: str) -> bytes:
    values = samples.view(f"u{samples.dtype.itemsize}")
    big_endian = encoding_of(target).big_endian
    content: bytes = (
        np.ascontiguousarray(values).astype(values.dtype.newbyteorder(">" if big_endian else "<")).tobytes()
    )
    return content


def _packed(samples: Samples, found: FrameFormat, target: str) -> Samples:
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


def _encapsulated(frames: list[bytes]) -> list[bytes]:
    """One fragment per frame behind the offset table, which stays empty where offsets exceed 32 bits."""
    fragments = [item(frame + b"\0" * (len(frame) % 2)) for frame in frames]
    offsets = np.cumsum([0, *map(len, fragments[:-1])], dtype=np.int64)
    table = offsets.astype("<u4").tobytes() if offsets[-1] < UNDEFINED_LENGTH else b""
    return [item(table), *fragments, b"\xfe\xff\xdd\xe0\0\0\0\0"]


def _assemble(file: DicomFile, target: str, pixels: _Pixels | None, dictionary: TagDictionary) -> bytes:
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
    parts = [encode(before, encoding)]
    if pixels is not None:
        parts += [head(PIXEL_DATA, pixels.vr, pixels.length, encoding), *pixels.value]
    parts.append(encode(after, encoding))
    start = file_head(_uid(file.dataset, SOP_CLASS_UID), sop_uid, target)
    if target == DEFLATED_LITTLE_ENDIAN:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        parts = [deflater.compress(part) for part in parts] + [deflater.flush()]
        parts.append(b"\0" * (sum(map(len, parts)) % 2))  # PS3.5 A.5
    return b"".join((start, *parts))


def _uid(dataset: DataSet, tag: int) -> str:
    return (dataset.raw(tag) or b"").decode("ascii", "ignore").strip(" \0")
