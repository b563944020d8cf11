"""Where the frames of a file are, and how that is kept."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Any

import orjson

_FORMAT = 1
_NAME = "frame places"

Run = Sequence[tuple[int, int]]
"""Stretches of a file that make a frame: start and end of each, in bytes."""


def _numbers() -> array[int]:
    return array("Q")


@dataclass(frozen=True, slots=True)
class FramePlaces:
    """Where the frames of a file are."""

    count: int
    start: int = 0
    size: int = 0  # bytes of each frame, where one follows the other from ``start`` on; else 0
    bounds: array[int] = field(default_factory=_numbers)
    """Of encapsulated frames, start and end of each stretch."""
    firsts: array[int] = field(default_factory=_numbers)
    """Of each of these frames, the number of its first stretch; then how many stretches there are."""

    @staticmethod
    def told(found: Mapping[str, Any]) -> FramePlaces:
        """As :func:`orthanclite.dicom.pixels.operations.frame_places` tells them."""
        bounds, firsts = _numbers(), _numbers()
        for run in found.get("runs", ()):
            firsts.append(len(bounds) // 2)
            bounds.extend(chain.from_iterable(run))
        if firsts:
            firsts.append(len(bounds) // 2)
        return FramePlaces(found["frames"], found.get("start", 0), found.get("size", 0), bounds, firsts)

    def pack(self, blob: str) -> bytes:
        """The places as they are kept.

        :param blob: the UUID of the file
        """
        document = {
            "what": _NAME,
            "format": _FORMAT,
            "blob": blob,
            "count": self.count,
            "start": self.start,
            "size": self.size,
            "bounds": self.bounds.tolist(),
            "firsts": self.firsts.tolist(),
        }
        return orjson.dumps(document)

    @property
    def numbers(self) -> int:
        """How many numbers of eight bytes are held, about."""
        return len(self.bounds) + len(self.firsts) + 16

    @property
    def end(self) -> int:
        """The first byte of the file that is in no frame, nor before one."""
        return max(self.start + self.size * self.count, max(self.bounds, default=0))

    def of(self, index: int) -> Run | None:
        """The stretches of one frame; None where they must be read in another way."""
        if self.firsts:
            bounds = self.bounds[2 * self.firsts[index] : 2 * self.firsts[index + 1]]
            return list(zip(bounds[::2], bounds[1::2], strict=True))
        if not self.size:
            return None
        first = self.start + index * self.size
        return ((first, first + self.size),)


@dataclass(frozen=True, slots=True)
class KeptPlaces:
    """Places that were kept."""

    blob: str  # the UUID of the file that they are of
    places: FramePlaces

    @staticmethod
    def unpack(data: bytes) -> KeptPlaces | None:
        """What :meth:`FramePlaces.pack` gave; None for anything else, for whoever may write attachments may
        have written this one."""
        try:
            found = orjson.loads(data)
            if (found["what"], found["format"]) != (_NAME, _FORMAT):
                return None
            bounds, firsts = array("Q", found["bounds"]), array("Q", found["firsts"])
            places = FramePlaces(found["count"], found["start"], found["size"], bounds, firsts)
            return KeptPlaces(found["blob"], places) if _is_sound(places) else None
        except (ValueError, TypeError, LookupError, OverflowError):
            return None


def _is_sound(places: FramePlaces) -> bool:
    """Whether places mean something, be it for another file."""
    counts = (places.count, places.start, places.size)
    if not all(type(one) is int and 0 <= one < 1 << 63 for one in counts) or places.count < 1:
        return False
    bounds, firsts = places.bounds, places.firsts
    if not firsts:
        return not bounds
    starts, ends = bounds[::2], bounds[1::2]
    return (
        len(firsts) == places.count + 1
        and firsts[0] == 0
        and 2 * firsts[-1] == len(bounds)
        and all(before <= after for before, after in pairwise(firsts))
        and all(start <= end for start, end in zip(starts, ends, strict=True))
        and all(before <= after for before, after in pairwise(starts))
    )
