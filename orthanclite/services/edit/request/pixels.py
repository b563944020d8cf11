"""What a request says of pixels: ``MaskPixels``, ``RemoveOverlays``, and which images it leaves out.

``MaskPixels`` is a list of objects: ``Rectangles``, each ``[left, top, width, height]`` in pixels; ``Frames``
(from 0) if not all; ``Value``, a number or three for red, green and blue, if not black; ``Resources``, the
Orthanc identifiers of instances, series or studies, if not all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from orthanclite.core.errors import BadFileFormat, BadRequest
from orthanclite.core.main_tags import SOP_CLASS_UID
from orthanclite.core.text.fields import boolean_field, strings_field
from orthanclite.dicom.pixels.masking.masks import Mask, Rectangle
from orthanclite.dicom.reading.dataset import DataSet

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""Secondary Capture Image Storage; those with frames have a number behind it (PS3.4 section B.5)."""
_BURNED_IN = 0x00280301

_MOST_RECTANGLES = 1000
_MEMBERS = frozenset({"Rectangles", "Frames", "Value", "Resources"})


@dataclass(frozen=True, slots=True)
class MaskRule:
    """Where a mask goes."""

    mask: Mask
    resources: frozenset[str] | None  # Orthanc identifiers; None for all


@dataclass(frozen=True, slots=True)
class PixelRules:
    """What becomes of pixels, overlays and whole images."""

    masks: tuple[MaskRule, ...] = ()
    remove_overlays: bool = False
    drop_secondary_captures: bool = False
    drop_burned_in: bool = False

    @property
    def drops(self) -> bool:
        return self.drop_secondary_captures or self.drop_burned_in

    @property
    def resources(self) -> frozenset[str]:
        """The resources that masks name."""
        return frozenset().union(*(rule.resources or () for rule in self.masks))

    def masks_of(self, ids: Collection[str]) -> tuple[Mask, ...]:
        """The masks of an instance; ``ids`` are its Orthanc identifiers at all levels."""
        return tuple(
            rule.mask for rule in self.masks if rule.resources is None or not rule.resources.isdisjoint(ids)
        )

    def why_dropped(self, dataset: DataSet) -> str:
        """Why an instance is left out; empty where it is not."""
        if self.drop_secondary_captures:
            sop_class = _text(dataset, SOP_CLASS_UID)
            if sop_class == _SECONDARY_CAPTURE or sop_class.startswith(f"{_SECONDARY_CAPTURE}."):
                return "It is a secondary capture"
        if self.drop_burned_in and _text(dataset, _BURNED_IN) == "YES":
            return "It has burned in annotation"
        return ""


def read_pixel_rules(body: Mapping[str, Any]) -> PixelRules:
    """
    :raises BadFileFormat: for members of a wrong type
    :raises BadRequest: for masks that say nothing, and too many
    """
    listed = body.get("MaskPixels", [])
    if not isinstance(listed, list):
        raise BadFileFormat("List of objects expected in field: MaskPixels")
    masks = tuple(_rule(one) for one in listed)
    if "MaskPixels" in body and not masks:
        raise BadRequest("MaskPixels is empty")
    if sum(len(rule.mask.rectangles) for rule in masks) > _MOST_RECTANGLES:
        raise BadRequest(f"MaskPixels has more than {_MOST_RECTANGLES} rectangles")
    return PixelRules(
        masks,
        boolean_field(body, "RemoveOverlays"),
        boolean_field(body, "DropSecondaryCaptures"),
        boolean_field(body, "DropBurnedInAnnotation"),
    )


def _rule(one: Any) -> MaskRule:
    if not isinstance(one, dict):
        raise BadFileFormat("List of objects expected in field: MaskPixels")
    if unknown := set(one) - _MEMBERS:
        raise BadRequest(f"Unknown member of MaskPixels: {min(unknown)}")
    rectangles = one.get("Rectangles")
    if not isinstance(rectangles, list) or not rectangles:
        raise BadFileFormat("List of rectangles expected in field: Rectangles")
    resources = frozenset(strings_field(one, "Resources")) if "Resources" in one else None
    if resources is not None and not resources:
        raise BadRequest("Resources of MaskPixels is empty")
    return MaskRule(Mask(tuple(map(_rectangle, rectangles)), _frames(one), _value(one)), resources)


def _rectangle(one: Any) -> Rectangle:
    if not isinstance(one, list) or len(one) != 4 or not all(map(_is_integer, one)):
        raise BadFileFormat("A rectangle is [left, top, width, height], in whole pixels")
    left, top, width, height = one
    return left, top, width, height


def _frames(one: Mapping[str, Any]) -> frozenset[int] | None:
    if "Frames" not in one:
        return None
    frames = one["Frames"]
    if not isinstance(frames, list) or not frames or not all(map(_is_integer, frames)):
        raise BadFileFormat("List of integers expected in field: Frames")
    return frozenset(frames)


def _value(one: Mapping[str, Any]) -> tuple[float, ...] | None:
    if "Value" not in one:
        return None
    values = one["Value"] if isinstance(one["Value"], list) else [one["Value"]]
    if len(values) not in (1, 3) or not all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    ):
        raise BadFileFormat("A number, or three of them, expected in field: Value")
    return tuple(values)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(dataset: DataSet, tag: int) -> str:
    return (dataset.raw(tag) or b"").decode("latin_1").strip(" \0")
