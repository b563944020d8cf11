"""Frames as arrays for numpy (NEP 1, the npy format) and Matlab."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from io import BytesIO
from struct import pack

import numpy as np
from isal import isal_zlib

from orthanclite.core.errors import IncompatibleImageFormat, IncompatibleImageSize, UnsupportedMediaType
from orthanclite.dicom.pixels.decode import decode_frame
from orthanclite.dicom.pixels.description import Samples
from orthanclite.dicom.pixels.source import PixelSource
from orthanclite.dicom.pixels.window import rescale_of

MAX_VOLUME = 1 << 31
"""Bytes of one array answer."""


def frame_array(source: PixelSource, index: int, rescale: bool) -> Samples:
    """One frame as (rows, columns, channels): float32 where grayscale is rescaled, else the stored type.

    :raises ParameterOutOfRange: for a frame that does not exist.
    :raises UnsupportedMediaType: for an image that cannot be decoded.
    :raises BadFileFormat: for a damaged image.
    """
    frame = decode_frame(source, index)
    if frame.is_colour:
        return frame.samples
    samples = frame.samples[:, :, np.newaxis]
    if not rescale:
        return samples
    transform = rescale_of(source.header, index)
    values = samples.astype(np.float32)  # single precision throughout, as the reference
    if transform.slope != 1:
        values *= np.float32(transform.slope)
    if transform.intercept != 0:
        values += np.float32(transform.intercept)
    return values


def instance_array(source: PixelSource, rescale: bool) -> Samples:
    """All frames as (frames, rows, columns, channels).

    :raises UnsupportedMediaType: where a frame cannot be decoded, or the array would be too large.
    """
    count = source.frame_count()
    first = frame_array(source, 0, rescale)
    _check_volume(count * first.nbytes)
    volume = np.empty((count, *first.shape), first.dtype)
    volume[0] = first
    for index in range(1, count):
        _place(volume, index, frame_array(source, index, rescale))
    return volume


def _place(volume: Samples, index: int, frame: Samples) -> None:
    _check_alike(volume[0], frame)
    volume[index] = frame


def _check_alike(first: Samples, other: Samples) -> None:
    """That two arrays of (rows, columns, channels) can be parts of one.

    :raises IncompatibleImageSize: where their sizes differ.
    :raises IncompatibleImageFormat: where their channels or types differ.
    """
    if first.shape[-3:-1] != other.shape[-3:-1]:
        raise IncompatibleImageSize("The images differ in size")
    if (first.shape[-1], first.dtype) != (other.shape[-1], other.dtype):
        raise IncompatibleImageFormat("The images differ in format")


def _check_volume(size: int) -> None:
    if size > MAX_VOLUME:
        raise UnsupportedMediaType("The array is too large")


def to_npy(parts: Sequence[Samples]) -> bytearray:
    """Arrays, one after the other along their first axis, as one ``.npy`` file.

    :raises IncompatibleImageSize: where their sizes differ.
    :raises IncompatibleImageFormat: where their channels or types differ.
    :raises UnsupportedMediaType: where the result would be too large.
    """
    shape, kind = parts[0].shape[1:], parts[0].dtype
    for part in parts[1:]:
        _check_alike(parts[0], part)
    _check_volume(sum(part.nbytes for part in parts))
    count = sum(part.shape[0] for part in parts)
    header = BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": kind.str, "fortran_order": False, "shape": (count, *shape)}
    )
    head = header.getvalue()
    content = bytearray(len(head) + count * math.prod(shape) * kind.itemsize)
    content[: len(head)] = head
    # joined in place: a series is too large to be copied once more
    np.concatenate(parts, out=np.frombuffer(content, kind, offset=len(head)).reshape(count, *shape))
    return content


def to_npz(parts: Sequence[Samples]) -> bytes:
    """The same as member ``arr_0`` of a compressed ``.npz`` archive.

    Written here because numpy compresses with zlib, ten times slower than ISA-L.
    """
    name, content = b"arr_0.npy", to_npy(parts)
    packed = isal_zlib.compress(content, 2, wbits=-15)
    # version 2.0, no flags, deflate, 1980-01-01 (APPNOTE.TXT 4.4)
    common = pack(
        "<HHHHHIIIHH", 20, 0, 8, 0, 0x21, zlib.crc32(content), len(packed), len(content), len(name), 0
    )
    local = b"PK\x03\x04" + common + name
    central = b"PK\x01\x02" + pack("<H", 20) + common + pack("<HHHII", 0, 0, 0, 0, 0) + name
    end = b"PK\x05\x06" + pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(packed), 0)
    return b"".join((local, packed, central, end))


def to_matlab(samples: Samples) -> str:
    """A decoded frame as a Matlab expression: a matrix, or rows x columns x 3."""
    if samples.ndim == 2:
        rows = ("".join(f"{value} " for value in row) for row in samples.tolist())
        return f"double([ {'; '.join(rows)}])"
    height, width, _ = samples.shape
    values = "".join(f"{value} " for value in samples.reshape(-1).tolist())
    return f"double(permute(reshape([ {values}], [ 3 {height} {width} ]), [ 3 2 1 ]))"
