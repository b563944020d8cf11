"""Stored bytes to sample values: byte order, planes, bit depth and sign (PS3.5 section 8.1)."""

from __future__ import annotations

import numpy as np

from orthanclite.core.errors import BadFileFormat
from orthanclite.dicom.pixels.reading.description import PixelDescription, Samples

_CONTAINERS = {8: "<u1", 16: "<u2", 32: "<u4"}
_SIGNED = {"u1": np.int8, "u2": np.int16, "u4": np.int32}


def decode_native(description: PixelDescription, data: bytes, big_endian: bool, first_bit: int) -> Samples:
    """The sample values of a native frame.

    :param data: the frame in little endian 16-bit words.
    :param big_endian: whether the file is big endian: the high word of 32 bits then comes first.
    :param first_bit: where the frame begins in its first byte, for one bit per pixel.
    :raises BadFileFormat: where there are too few bytes.
    """
    if description.bits_allocated == 1:
        return unpack_bits(description, data, first_bit)
    values = np.frombuffer(data, _CONTAINERS[description.bits_allocated])
    if big_endian and description.bits_allocated == 32:
        values = (values << np.uint32(16)) | (values >> np.uint32(16))
    if description.photometric == "YBR_FULL_422":
        values = full_width(values)
        return stored_values(description, shaped(description, values, planar=False))
    return stored_values(description, shaped(description, values, description.planar))


def full_width(values: Samples) -> Samples:
    """Pixels of Y Y Cb Cr for two, as Y Cb Cr for each (PS3.3 C.7.6.3.1.2)."""
    pairs = values[: values.size // 4 * 4].reshape(-1, 4)
    return pairs[:, (0, 2, 3, 1, 2, 3)].reshape(-1)


def unpack_bits(description: PixelDescription, data: bytes, first_bit: int = 0) -> Samples:
    """A frame of one bit per pixel, first pixel in the lowest bit, as 0 and 255 like the reference."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    bits = bits[first_bit : first_bit + description.pixels]
    if bits.size != description.pixels:
        raise BadFileFormat("The pixel data is shorter than the image")
    return (bits * np.uint8(255)).reshape(description.rows, description.columns)


def swap_words(data: bytes) -> bytes:
    """Bytes stored as OW in big endian lie in swapped pairs (PS3.5 8.2); an odd last byte stays."""
    even = len(data) & ~1
    return np.frombuffer(data[:even], ">u2").astype("<u2").tobytes() + data[even:]


def shaped(description: PixelDescription, values: Samples, planar: bool) -> Samples:
    """Values in file order as (rows, columns) or (rows, columns, samples).

    :raises BadFileFormat: where their number is not that of the image.
    """
    rows, columns, samples = description.rows, description.columns, description.samples
    if values.size < rows * columns * samples:
        raise BadFileFormat("The pixel data is shorter than the image")
    values = values[: rows * columns * samples]
    if samples == 1:
        return values.reshape(rows, columns)
    if planar:
        return values.reshape(samples, rows, columns).transpose(1, 2, 0)
    return values.reshape(rows, columns, samples)


def stored_values(description: PixelDescription, values: Samples) -> Samples:
    """Keep the bits from HighBit down to BitsStored, and extend the sign."""
    size = values.dtype.itemsize
    container = f"u{size}"
    stored = min(description.bits_stored, size * 8)
    shift = description.high_bit + 1 - stored if description.high_bit < size * 8 else 0
    values = values.astype(container, copy=False)
    if shift:
        values = values >> np.array(shift, container)
    if stored < size * 8:
        values = values & np.array((1 << stored) - 1, container)
    if not description.signed:
        return values
    if stored == size * 8:
        return values.view(_SIGNED[container])
    sign = np.array(1 << (stored - 1), container)
    values ^= sign  # a fresh array: the masking above made it
    extended = values.view(_SIGNED[container])
    extended -= _SIGNED[container](1 << (stored - 1))
    return extended
