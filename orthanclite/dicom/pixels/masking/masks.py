"""Rectangles that are filled in pictures: what they are, and filling them in decoded and in stored frames.

Whole pixel cells are written, bits that are not used included: an overlay that is embedded in them goes with
what it shows (PS3.5 section 8.1.1).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import orjson

from orthanclite.core.errors import BadFileFormat, ParameterOutOfRange, UnsupportedMediaType
from orthanclite.dicom.pixels.reading.description import PixelDescription, Samples
from orthanclite.dicom.pixels.reading.native import swap_words

Rectangle = tuple[int, int, int, int]
"""Left and upper edge, width and height, in pixels from the upper left corner."""


@dataclass(frozen=True, slots=True)
class Mask:
    """Rectangles to be filled."""

    rectangles: tuple[Rectangle, ...]
    frames: frozenset[int] | None = None  # from 0; None for all
    value: tuple[float, ...] | None = None
    """One stored value, or red, green and blue; None for black."""

    def is_of(self, frame: int) -> bool:
        return self.frames is None or frame in self.frames

    def check(self, rows: int, columns: int, frames: int) -> None:
        """:raises ParameterOutOfRange: for a rectangle that is not within such an image, and for a frame that
        it does not have."""
        for left, top, width, height in self.rectangles:
            if min(left, top) < 0 or min(width, height) < 1 or left + width > columns or top + height > rows:
                raise ParameterOutOfRange(
                    f"The rectangle {left},{top},{width},{height} is not within the image of {columns}x{rows}"
                )
        for frame in self.frames or ():
            if not 0 <= frame < frames:
                raise ParameterOutOfRange(f"There is no frame {frame} to be masked")


@dataclass(frozen=True, slots=True)
class MaskedPixels:
    """What is new beside the value of the pixel data itself, which is in a file of its own."""

    tag: int  # of the element with the pixels
    transfer_syntax: str
    vr: str
    is_encapsulated: bool
    attributes: bytes = b""  # that describe the pixels, in explicit little endian
    overlays: tuple[tuple[int, bytes], ...] = ()  # new values, by tag

    def tojson(self) -> bytes:
        overlays = {str(tag): base64.b64encode(value).decode("ascii") for tag, value in self.overlays}
        return orjson.dumps(
            [self.tag, self.transfer_syntax, self.vr, self.is_encapsulated, self.attributes.hex(), overlays]
        )

    @staticmethod
    def of(json: bytes) -> MaskedPixels | None:
        """What :meth:`tojson` has made; None for nothing."""
        if not json:
            return None
        tag, syntax, vr, is_encapsulated, attributes, overlays = orjson.loads(json)
        values = tuple((int(tag), base64.b64decode(value)) for tag, value in overlays.items())
        return MaskedPixels(tag, syntax, vr, is_encapsulated, bytes.fromhex(attributes), values)


@dataclass(frozen=True, slots=True)
class Layout:
    """How frames lie in native pixel data."""

    rows: int
    columns: int
    samples: int
    cell: int  # bytes of a sample; 0 for one bit
    planar: bool = False
    subsampled: bool = False  # Y Y Cb Cr for two pixels
    swapped: bool = False  # bytes lie in swapped pairs (PS3.5 section 8.2)

    @property
    def frame_bits(self) -> int:
        samples = 2 if self.subsampled else self.samples
        return self.rows * self.columns * samples * (self.cell * 8 or 1)


def stored_fill(description: PixelDescription, value: Sequence[float] | None, photometric: str) -> list[int]:
    """The sample values of a pixel that is filled, one for each sample.

    :param photometric: that the samples are in: colour is converted to it
    :raises ParameterOutOfRange: for a value that such pixels cannot have.
    """
    stored = description.bits_stored
    low, high = (
        (-(1 << (stored - 1)), (1 << (stored - 1)) - 1) if description.signed else (0, (1 << stored) - 1)
    )
    if description.samples == 1:
        if value is None:
            return [high if photometric == "MONOCHROME1" else low if description.is_grayscale else 0]
        if len(value) != 1 or value[0] != int(value[0]) or not low <= value[0] <= high:
            raise ParameterOutOfRange(f"The pixels of the image are whole numbers from {low} to {high}")
        return [int(value[0])]
    if description.samples != 3:
        raise UnsupportedMediaType("Images with an alpha channel cannot be masked")
    colour = (0.0, 0.0, 0.0) if value is None else value
    if len(colour) != 3 or any(one != int(one) or not 0 <= one <= (1 << stored) - 1 for one in colour):
        raise ParameterOutOfRange(
            f"The pixels of the image are three whole numbers from 0 to {(1 << stored) - 1}"
        )
    return _to_ybr(colour, stored) if photometric.startswith("YBR_") else [int(one) for one in colour]


def _to_ybr(colour: Sequence[float], bits: int) -> list[int]:
    """Luminance and chrominance of a colour (PS3.3 C.7.6.3.1.2)."""
    red, green, blue = colour
    half, top = 1 << (bits - 1), (1 << bits) - 1
    values = (
        0.299 * red + 0.587 * green + 0.114 * blue,
        -0.168736 * red - 0.331264 * green + 0.5 * blue + half,
        0.5 * red - 0.418688 * green - 0.081312 * blue + half,
    )
    return [min(top, round(one)) for one in values]


def container(description: PixelDescription, value: int) -> int:
    """A stored value as the whole cell that it lies in, the unused bits of which are clear."""
    return (value & ((1 << description.bits_stored) - 1)) << (
        description.high_bit + 1 - description.bits_stored
    )


def fill_samples(samples: Samples, rectangles: Iterable[Rectangle], fill: Sequence[int]) -> None:
    """Fill rectangles of a decoded frame."""
    for left, top, width, height in rectangles:
        samples[top : top + height, left : left + width] = fill if samples.ndim == 3 else fill[0]


def fill_native(
    pixels: Any, layout: Layout, frame: int, rectangles: Iterable[Rectangle], fill: Sequence[bytes]
) -> None:
    """Fill rectangles of a stored frame.

    :param pixels: the value of the pixel data, a writable array of bytes
    :param fill: the bytes of each sample; one byte, 0 or 1, for one bit
    :raises BadFileFormat: where the frame is not there
    """
    first_bit = frame * layout.frame_bits
    start, end = first_bit // 8, (first_bit + layout.frame_bits + 7) // 8
    if end > pixels.size:
        raise BadFileFormat("The pixel data is shorter than the image")
    if not layout.swapped:
        _fill_bytes(pixels[start:end], first_bit % 8, layout, rectangles, fill)
        return
    even, odd = start & ~1, min((end + 1) & ~1, pixels.size)
    words = np.frombuffer(swap_words(pixels[even:odd].tobytes()), np.uint8).copy()
    _fill_bytes(words[start - even : end - even], first_bit % 8, layout, rectangles, fill)
    pixels[even:odd] = np.frombuffer(swap_words(words.tobytes()), np.uint8)


def _fill_bytes(
    data: Any, first_bit: int, layout: Layout, rectangles: Iterable[Rectangle], fill: Sequence[bytes]
) -> None:
    if layout.cell == 0:
        bits = np.unpackbits(data, bitorder="little")
        pixels = bits[first_bit : first_bit + layout.rows * layout.columns]
        picture = pixels.reshape(layout.rows, layout.columns)
        for left, top, width, height in rectangles:
            picture[top : top + height, left : left + width] = fill[0][0]
        data[:] = np.packbits(bits, bitorder="little")
        return
    for left, top, width, height in rectangles:
        rows = slice(top, top + height)
        if layout.subsampled:
            pairs = data.reshape(layout.rows, layout.columns // 2, 4 * layout.cell)
            pattern = np.frombuffer(fill[0] * 2 + fill[1] + fill[2], np.uint8)
            # Two pixels share their colour: the pair goes as one.
            pairs[rows, left // 2 : (left + width + 1) // 2] = pattern
        elif layout.planar:
            planes = data.reshape(layout.samples, layout.rows, layout.columns, layout.cell)
            for sample, content in enumerate(fill):
                planes[sample, rows, left : left + width] = np.frombuffer(content, np.uint8)
        else:
            picture = data.reshape(layout.rows, layout.columns, layout.samples * layout.cell)
            picture[rows, left : left + width] = np.frombuffer(b"".join(fill), np.uint8)


def touched(masks: Iterable[Mask], count: int) -> Iterator[int]:
    """The frames, of ``count``, in which something is filled."""
    chosen = list(masks)
    if any(mask.frames is None for mask in chosen):
        return iter(range(count))
    return iter(sorted(set(chain.from_iterable(mask.frames or () for mask in chosen))))
