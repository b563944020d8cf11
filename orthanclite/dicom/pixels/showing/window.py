"""From stored values to values shown: rescale, modality LUT, window, VOI LUT (PS3.3 C.11.1, C.11.2).

The attributes are looked for in the data set, then in the functional groups of the frame, then in the shared
ones (PS3.3 C.7.6.16).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from orthanclite.dicom.pixels.reading.description import Samples, numbers, text
from orthanclite.dicom.pixels.reading.source import READ_ERRORS

_RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"


@dataclass(frozen=True, slots=True)
class Window:
    """A window of interest, in rescaled values."""

    center: float
    width: float


@dataclass(frozen=True, slots=True)
class Rescale:
    """The modality transform: value = slope * stored + intercept."""

    slope: float = 1.0
    intercept: float = 0.0

    @property
    def is_identity(self) -> bool:
        return self.slope == 1 and self.intercept == 0


@dataclass(frozen=True, slots=True)
class LookupTable:
    """The entries of a modality or VOI LUT."""

    first: int  # the value that the first entry stands for
    bits: int  # of the entries
    entries: Samples  # u2

    def apply(self, values: Samples) -> Samples:
        """The entries of ``values``, the outermost ones beyond the ends."""
        index = np.clip(np.trunc(values).astype(np.int64) - self.first, 0, self.entries.size - 1)
        return self.entries[index]


def window_of(header: Dataset, frame: int) -> Window | None:
    """The first window of a frame."""
    for place in (header, *_groups(header, frame, "FrameVOILUTSequence")):
        center, width = numbers(place, "WindowCenter"), numbers(place, "WindowWidth")
        if center and width:
            return Window(center[0], width[0])
    return None


def rescale_of(header: Dataset, frame: int) -> Rescale:
    """The rescale of a frame; RT doses are shown as stored, like in the reference."""
    if text(header, "SOPClassUID") == _RT_DOSE:
        return Rescale()
    for place in (header, *_groups(header, frame, "PixelValueTransformationSequence")):
        slope, intercept = numbers(place, "RescaleSlope"), numbers(place, "RescaleIntercept")
        if slope and intercept:
            return Rescale(slope[0], intercept[0])
    return Rescale()


def modality_table(header: Dataset) -> LookupTable | None:
    """The modality LUT, which excludes a rescale (PS3.3 C.11.1)."""
    return _table(header, "ModalityLUTSequence")


def voi_table(header: Dataset) -> LookupTable | None:
    """The first VOI LUT."""
    return _table(header, "VOILUTSequence")


def _table(header: Dataset, keyword: str) -> LookupTable | None:
    item = _first_item(header, keyword)
    if item is None:
        return None
    descriptor = numbers(item, "LUTDescriptor")
    try:
        data = item.get("LUTData")
    except READ_ERRORS:
        return None
    if len(descriptor) != 3 or data is None:
        return None
    if isinstance(data, bytes):
        big_endian = item.original_encoding[1] is False
        entries = np.frombuffer(data[: len(data) & ~1], ">u2" if big_endian else "<u2").astype(np.uint16)
    else:
        entries = np.array(data, np.int64).reshape(-1).astype(np.uint16)
    count = int(descriptor[0]) or 65536
    bits = int(descriptor[2])
    if entries.size == 0 or not 1 <= bits <= 16:
        return None
    return LookupTable(int(descriptor[1]), bits, entries[:count])


def _groups(header: Dataset, frame: int, macro: str) -> list[Dataset]:
    """The item of a functional group macro of a frame, then of all frames."""
    found = []
    for keyword, index in (
        ("PerFrameFunctionalGroupsSequence", frame),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        group = _first_item(header, keyword, index)
        item = None if group is None else _first_item(group, macro)
        if item is not None:
            found.append(item)
    return found


def _first_item(place: Dataset, keyword: str, index: int = 0) -> Dataset | None:
    try:
        sequence = place.get(keyword)
        if sequence is None or not 0 <= index < len(sequence):
            return None
        item = sequence[index]
    except READ_ERRORS:
        return None
    return item if isinstance(item, Dataset) else None
