"""Frames as arrays for numpy (NEP 1, the npy format) and Matlab."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np

from orthanclite.core.errors import BadFileFormat, IncompatibleImageFormat, IncompatibleImageSize
from orthanclite.dicom.encoding import UNCOMPRESSED_SYNTAXES
from orthanclite.dicom.pixels.reading.decode import decode_frame
from orthanclite.dicom.pixels.reading.description import Samples
from orthanclite.dicom.pixels.reading.source import PixelSource
from orthanclite.dicom.pixels.showing.window import Rescale, rescale_of


@dataclass(frozen=True, slots=True)
class ArrayKind:
    """The shape and the type of the frames of an image."""

    frames: int
    rows: int
    columns: int
    channels: int  # 1 or 3
    type: str  # as numpy writes it, such as "<f4"

    @staticmethod
    def of(frame: Samples, frames: int = 1) -> ArrayKind:
        """The kind of ``frames`` arrays like ``frame``, which is (rows, columns, channels)."""
        rows, columns, channels = frame.shape
        return ArrayKind(frames, rows, columns, channels, frame.dtype.str)

    @property
    def size(self) -> int:
        """Bytes of all frames."""
        return self.frames * self.rows * self.columns * self.channels * np.dtype(self.type).itemsize

    def joined(self, other: ArrayKind) -> ArrayKind:
        """The kind of the frames of this one with those of ``other`` behind them.

        :raises IncompatibleImageSize: where they differ in size.
        :raises IncompatibleImageFormat: where they differ in their channels or their type.
        """
        if (self.rows, self.columns) != (other.rows, other.columns):
            raise IncompatibleImageSize("The images differ in size")
        if (self.channels, self.type) != (other.channels, other.type):
            raise IncompatibleImageFormat("The images differ in format")
        return replace(self, frames=self.frames + other.frames)


def frame_array(source: PixelSource, index: int, transform: Rescale | None) -> Samples:
    """One frame as (rows, columns, channels): float32 where grayscale is rescaled, else the stored type.

    :param transform: what grayscale is rescaled by; None to leave it as it is.
    :raises ParameterOutOfRange: for a frame that does not exist.
    :raises UnsupportedMediaType: for an image that cannot be decoded.
    :raises BadFileFormat: for a damaged image.
    """
    frame = decode_frame(source, index)
    if frame.is_colour:
        return frame.samples
    samples = frame.samples[:, :, np.newaxis]
    if transform is None:
        return samples
    values = samples.astype(np.float32)  # single precision throughout, as the reference
    if transform.slope != 1:
        values *= np.float32(transform.slope)
    if transform.intercept != 0:
        values += np.float32(transform.intercept)
    return values


def transform_of(source: PixelSource, index: int, rescale: bool) -> Rescale | None:
    """How :func:`frame_array` is to rescale a frame."""
    return rescale_of(source.header, index) if rescale else None


@dataclass(frozen=True, slots=True)
class NativeFrames:
    """The frames of an uncompressed image that are known to be there, to be read from its file later."""

    source: PixelSource  # without its header, which may be large, and its buffer, which is closed by then
    kind: ArrayKind
    transforms: tuple[Rescale | None, ...]  # of the frames; one where it is the same for all

    def frame(self, buffer: object, index: int) -> Samples:
        """A frame, see :func:`frame_array`. ``buffer`` is the file."""
        transform = self.transforms[index if len(self.transforms) > 1 else 0]
        return frame_array(replace(self.source, buffer=buffer), index, transform)


def native_frames(source: PixelSource, rescale: bool) -> NativeFrames | None:
    """The frames of an uncompressed grayscale or RGB image; None for another one.

    :raises UnsupportedMediaType: for an image that cannot be decoded.
    :raises BadFileFormat: for a damaged one.
    """
    description = source.description
    if source.transfer_syntax not in UNCOMPRESSED_SYNTAXES or description.photometric == "PALETTE COLOR":
        return None
    frames = source.frame_count()
    if source.value_length * 8 < frames * description.frame_bits:
        raise BadFileFormat("The pixel data is shorter than the image")
    transforms = tuple(transform_of(source, index, rescale) for index in range(frames))
    if len(set(transforms)) == 1:
        transforms = transforms[:1]
    kind = _native_kind(source, frames, transforms[0])
    return NativeFrames(replace(source, header=source.header.__class__(), buffer=b""), kind, transforms)


def _native_kind(source: PixelSource, frames: int, transform: Rescale | None) -> ArrayKind:
    """The kind of uncompressed frames; only where it is not plain from the header, one is decoded."""
    description = source.description
    if not description.is_grayscale or description.samples != 1:
        return ArrayKind.of(frame_array(source, 0, transform), frames)
    size = max(1, description.bits_allocated // 8)
    sign = "i" if description.signed and description.bits_allocated > 1 else "u"
    type = np.dtype(f"<{sign}{size}" if transform is None else "<f4").str
    return ArrayKind(frames, description.rows, description.columns, 1, type)


def npy_head(shape: tuple[int, ...], type: str) -> bytes:
    """What precedes the values in an ``.npy`` file."""
    head = BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": type, "fortran_order": False, "shape": shape})
    return head.getvalue()


def to_npy(array: Samples) -> bytes:
    """An array as an ``.npy`` file."""
    content: bytes = npy_head(array.shape, array.dtype.str) + array.tobytes()
    return content


def to_matlab(samples: Samples) -> str:
    """A decoded frame as a Matlab expression: a matrix, or rows x columns x 3."""
    if samples.ndim == 2:
        rows = ("".join(f"{value} " for value in row) for row in samples.tolist())
        return f"double([ {'; '.join(rows)}])"
    height, width, _ = samples.shape
    values = "".join(f"{value} " for value in samples.reshape(-1).tolist())
    return f"double(permute(reshape([ {values}], [ 3 {height} {width} ]), [ 3 2 1 ]))"
