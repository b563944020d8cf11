"""The order of the slices of a series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from orthanclite.core.constants import Metadata
from orthanclite.core.errors import CannotOrderSlices, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import Parts, Resource
from orthanclite.core.ports import Resources

_POSITION = "0020,0032"  # ImagePositionPatient
_ORIENTATION = "0020,0037"  # ImageOrientationPatient
_FRAMES = "0028,0008"  # NumberOfFrames

_SAME_PLACE = 1e-6
"""Millimetres under which two positions along the normal are one."""

Vector = tuple[float, ...]


class Ordering(StrEnum):
    """What the slices are ordered by."""

    VOLUME = "Volume"  # their position along the normal of the series
    SEQUENCE = "Sequence"  # their index in the series


@dataclass(frozen=True, slots=True)
class Slice:
    """One instance of an ordered series."""

    instance: str
    frames: int


@dataclass(frozen=True, slots=True)
class OrderedSeries:
    ordering: Ordering
    slices: tuple[Slice, ...]


class SliceService:
    """Orders the instances of a series by what the index knows of them. Thread-safe."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def ordered(self, series_id: str) -> OrderedSeries:
        """The slices of a series: by position where all have a usable and different one, else by index.

        The reference calls a volume only what has two slices, and lets several slices share an index.

        :raises UnknownResource: for an unknown series.
        :raises CannotOrderSlices: where neither gives an order.
        """
        series = self._resources.get(Level.SERIES, series_id, Parts.CHILDREN)
        if series is None:
            raise UnknownResource
        instances = self._resources.get_many(Level.INSTANCE, series.children, Parts.NONE)
        order = _by_position(instances)
        if order is not None:
            return OrderedSeries(Ordering.VOLUME, _slices(order))
        order = _by_index(instances)
        if order is None:
            raise CannotOrderSlices(f"Unable to order the slices of series {series_id}")
        return OrderedSeries(Ordering.SEQUENCE, _slices(order))


def _slices(instances: Sequence[Resource]) -> tuple[Slice, ...]:
    return tuple(Slice(instance.id, _frame_count(instance)) for instance in instances)


def _frame_count(instance: Resource) -> int:
    text = instance.tags.get(_FRAMES, "").strip()
    return int(text) if text.isdecimal() and len(text) < 10 else 1


def _by_position(instances: Sequence[Resource]) -> list[Resource] | None:
    """The instances along the normal of their common plane (PS3.3 section C.7.6.2.1.1)."""
    if len(instances) < 2:
        return None
    normals = [_normal(instance) for instance in instances]
    normal = next((normal for normal in normals if normal is not None), None)
    if normal is None:
        return None
    placed: list[tuple[float, Resource]] = []
    for instance, own in zip(instances, normals, strict=True):
        position = _numbers(instance.tags.get(_POSITION, ""), 3)
        if position is None or (own is not None and abs(_dot(own, normal)) < 1 - 1e-3):
            return None
        placed.append((_dot(position, normal), instance))
    placed.sort(key=lambda one: one[0])
    if any(b - a <= _SAME_PLACE for (a, _), (b, _) in pairwise(placed)):
        return None
    return [instance for _, instance in placed]


def _by_index(instances: Sequence[Resource]) -> list[Resource] | None:
    if len(instances) == 1:
        return list(instances)
    indexed: list[tuple[int, str, Resource]] = []
    for instance in instances:
        text = instance.system_metadata.get(Metadata.INDEX_IN_SERIES, "").strip()
        try:
            indexed.append((int(text), instance.id, instance))
        except ValueError:
            return None
    return [instance for *_, instance in sorted(indexed, key=lambda one: one[:2])]


def _normal(instance: Resource) -> Vector | None:
    """The unit vector perpendicular to the image, or None where its orientation is unusable."""
    cosines = _numbers(instance.tags.get(_ORIENTATION, ""), 6)
    if cosines is None:
        return None
    (a, b, c), (d, e, f) = cosines[:3], cosines[3:]
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    length = math.sqrt(_dot(normal, normal))
    return None if length < 1e-3 else tuple(part / length for part in normal)


def _numbers(text: str, count: int) -> Vector | None:
    parts = text.split("\\")
    if len(parts) != count:
        return None
    try:
        numbers = tuple(map(float, parts))
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _dot(a: Vector, b: Vector) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))
