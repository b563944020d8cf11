"""What the header says of the pixels (PS3.3 C.7.6.3, the Image Pixel module)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from orthanclite.core.errors import BadFileFormat, UnsupportedMediaType

GRAYSCALE = frozenset({"MONOCHROME1", "MONOCHROME2"})
MAX_SIDE = 65535  # Rows and Columns are US

Samples = Any
"""A numpy array (rows, columns) or (rows, columns, 3); its item type varies at run time."""


@dataclass(frozen=True, slots=True)
class PixelDescription:
    """The Image Pixel module, checked."""

    rows: int
    columns: int
    samples: int  # per pixel: 1, 3 or 4
    bits_allocated: int  # 1, 8, 16 or 32
    bits_stored: int
    high_bit: int
    signed: bool
    planar: bool  # PlanarConfiguration 1: one plane after the other
    photometric: str
    frames: int  # as declared; at least 1

    @property
    def pixels(self) -> int:
        return self.rows * self.columns

    @property
    def frame_bits(self) -> int:
        """Bits of one native frame; 4:2:2 chroma is stored at half the width (PS3.5 8.1.2)."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.pixels * samples * self.bits_allocated

    @property
    def is_grayscale(self) -> bool:
        return self.photometric in GRAYSCALE


class Attributes(Protocol):
    """The attributes of a data set, by their keywords; pydicom's is one."""

    def get(self, keyword: str, /) -> Any: ...


def describe(header: Attributes) -> PixelDescription:
    """The description of the pixels of a data set.

    :raises UnsupportedMediaType: where it is beyond what can be decoded.
    :raises BadFileFormat: where it is missing or contradictory.
    """
    samples = integer(header, "SamplesPerPixel", 1)
    allocated = integer(header, "BitsAllocated", 0)
    stored = integer(header, "BitsStored", allocated)
    description = PixelDescription(
        rows=integer(header, "Rows", 0),
        columns=integer(header, "Columns", 0),
        samples=samples,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=integer(header, "HighBit", stored - 1),
        signed=integer(header, "PixelRepresentation", 0) == 1,
        planar=integer(header, "PlanarConfiguration", 0) == 1,
        photometric=text(header, "PhotometricInterpretation") or ("RGB" if samples == 3 else "MONOCHROME2"),
        frames=max(1, integer(header, "NumberOfFrames", 1)),
    )
    _check(description)
    return description


def _check(found: PixelDescription) -> None:
    if not (0 < found.rows <= MAX_SIDE and 0 < found.columns <= MAX_SIDE):
        raise BadFileFormat("The image has no size")
    if found.samples not in (1, 3, 4) or found.bits_allocated not in (1, 8, 16, 32):
        raise UnsupportedMediaType("Unsupported number of samples per pixel or of bits")
    if not (0 < found.bits_stored <= found.bits_allocated):
        raise BadFileFormat("BitsStored is not within BitsAllocated")
    if not (found.bits_stored - 1 <= found.high_bit < found.bits_allocated):
        raise BadFileFormat("HighBit does not fit BitsStored and BitsAllocated")
    if found.bits_allocated == 1 and found.samples != 1:
        raise UnsupportedMediaType("Colour images of one bit are not supported")


def integer(header: Attributes, keyword: str, default: int) -> int:
    """The first value of an attribute as a whole number; ``default`` where it is absent or no number."""
    values = numbers(header, keyword)
    return int(values[0]) if values else default


def numbers(header: Attributes, keyword: str) -> list[float]:
    """The values of an attribute as finite numbers; empty where it is absent or one is no number."""
    try:
        value = header.get(keyword)
        if value is None or value == "":
            return []
        parts = list(value) if isinstance(value, list) or hasattr(value, "__iter__") else [value]
        found = [float(part) for part in parts]
    # pydicom converts values when they are first asked for: a broken one raises then
    except (ValueError, TypeError, OverflowError, ArithmeticError, NotImplementedError, LookupError):
        return []
    return found if all(abs(number) < 1e300 for number in found) else []


def text(header: Attributes, keyword: str) -> str:
    """An attribute as text without padding; empty where it is absent or cannot be read."""
    try:
        value = header.get(keyword)
    except (ValueError, TypeError, NotImplementedError, LookupError):
        return ""
    return "" if value is None else str(value).strip(" \0")
