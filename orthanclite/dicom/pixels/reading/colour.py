"""Colour: palettes (PS3.3 C.7.6.3.1.5, C.7.9.2) and YBR (PS3.3 C.7.6.3.1.2)."""

from __future__ import annotations

from struct import unpack_from

import numpy as np
from pydicom.dataset import Dataset

from orthanclite.core.errors import BadFileFormat, UnsupportedMediaType
from orthanclite.dicom.pixels.reading.description import Samples, integer, numbers

_CHANNELS = ("Red", "Green", "Blue")
_MAX_ENTRIES = 65536


def apply_palette(header: Dataset, samples: Samples) -> Samples:
    """The RGB image of the indexes of a PALETTE COLOR image: 8 bits for 8-bit indexes, else 16.

    :raises BadFileFormat: where the tables are missing or broken.
    """
    channels = []
    wide = samples.dtype.itemsize > 1
    for channel in _CHANNELS:
        table, first, bits = _table(header, channel)
        # a table of 16 bits per entry for 8-bit pixels shows its high bytes
        if not wide:
            table = (table >> 8).astype(np.uint8) if bits == 16 else table.astype(np.uint8)
        index = np.clip(samples.astype(np.int64) - first, 0, table.size - 1)
        channels.append(table[index])
    return np.stack(channels, axis=-1)


def _table(header: Dataset, channel: str) -> tuple[Samples, int, int]:
    """The entries of one lookup table, the first pixel value it maps, and the bits of its entries."""
    descriptor = numbers(header, f"{channel}PaletteColorLookupTableDescriptor")
    if len(descriptor) != 3:
        raise BadFileFormat("The palette has no descriptor")
    entries, first, bits = int(descriptor[0]) or _MAX_ENTRIES, int(descriptor[1]), int(descriptor[2])
    signed = integer(header, "PixelRepresentation", 0) == 1
    if not signed and first < 0:
        first += 65536  # the descriptor was read as SS
    order = "<" if header.original_encoding[1] is not False else ">"
    data = header.get(f"{channel}PaletteColorLookupTableData")
    if isinstance(data, bytes) and data:
        return _plain(data, entries, bits, order), first, bits
    segmented = header.get(f"Segmented{channel}PaletteColorLookupTableData")
    if isinstance(segmented, bytes) and segmented:
        return _expand(segmented, entries, bits, order), first, bits
    raise BadFileFormat("The palette has no data")


def _plain(data: bytes, entries: int, bits: int, order: str) -> Samples:
    if bits == 8 and len(data) < 2 * entries:  # packed, two entries to a word
        if order == ">":
            data = np.frombuffer(data[: len(data) & ~1], ">u2").astype("<u2").tobytes()
        table = np.frombuffer(data, np.uint8)
    else:
        table = np.frombuffer(data[: len(data) & ~1], order + "u2")
    if table.size < min(entries, 1):
        raise BadFileFormat("The palette is empty")
    return table[:entries].astype(np.uint16)


def _expand(data: bytes, entries: int, bits: int, order: str) -> Samples:
    """Expand a segmented table: discrete, linear and indirect segments (PS3.3 C.7.9.2)."""
    code = "B" if bits == 8 else "H"
    size = 1 if bits == 8 else 2
    words = unpack_from(f"{order}{len(data) // size}{code}", data)
    table = _segments(words, 0, len(words), 16 // bits if bits == 8 else 2, entries, [], depth=0)
    if len(table) < entries:
        raise BadFileFormat("The segmented palette is too short")
    return np.array(table[:entries], np.uint16)


def _segments(
    words: tuple[int, ...], position: int, count: int, halves: int, limit: int, table: list[int], depth: int
) -> list[int]:
    """Run up to ``count`` segments from ``position``; ``halves`` words make the offset of an indirect one."""
    for _ in range(count):
        if position + 2 > len(words) or len(table) >= limit:
            break
        opcode, length = words[position], words[position + 1]
        if opcode == 0:
            table.extend(words[position + 2 : position + 2 + length])
            position += 2 + length
        elif opcode == 1 and position + 2 < len(words) and table:
            step = (words[position + 2] - table[-1]) / max(1, length)
            start = table[-1]
            table.extend(round(start + step * (number + 1)) for number in range(length))
            position += 3
        elif opcode == 2 and depth == 0 and position + 2 + halves <= len(words):
            low_high = words[position + 2 : position + 2 + halves]
            width = 16 if halves == 2 and max(words) > 255 else 8
            offset = sum(word << (width * number) for number, word in enumerate(low_high))
            _segments(words, offset, length, halves, limit, table, depth=1)
            position += 2 + halves
        else:
            raise BadFileFormat("The segmented palette is damaged")
    return table


def ybr_to_rgb(samples: Samples, photometric: str) -> Samples:
    """RGB of YBR_FULL or YBR_FULL_422 samples (already at full width), 8 bits.

    :raises UnsupportedMediaType: for other YBR models, and for more than 8 bits.
    """
    if photometric not in ("YBR_FULL", "YBR_FULL_422") or samples.dtype != np.uint8:
        raise UnsupportedMediaType(f"Unsupported photometric interpretation {photometric}")
    # 16-bit fixed point as in JPEG decoders (ITU-T T.871 section 7), so that all paths agree to the bit
    luma = samples[..., 0].astype(np.int32)
    blue = samples[..., 1].astype(np.int32) - 128
    red = samples[..., 2].astype(np.int32) - 128
    rgb = np.stack(
        [
            luma + ((91881 * red + 32768) >> 16),
            luma + ((-22554 * blue - 46802 * red + 32768) >> 16),
            luma + ((116130 * blue + 32768) >> 16),
        ],
        axis=-1,
    )
    return np.clip(rgb, 0, 255).astype(np.uint8)
