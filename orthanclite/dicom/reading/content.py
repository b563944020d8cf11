"""The raw content of a file, reached by a path of tags and item indices (route ``/content``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.main_tags import PIXEL_DATA
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.reading.dataset import DataSet, DicomFile, Element
from orthanclite.dicom.reading.parser import parse

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RawValue:
    """A value as stored, padding included: a stretch of ``data``, not copied until asked for."""

    data: Buffer
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def tobytes(self) -> bytes:
        return self.data[self.start : self.end]


Content = list[str] | RawValue
"""What a path leads to: the names of what is below, or a value."""


def open_path(data: Buffer, segments: Sequence[str], dictionary: TagDictionary) -> Content | None:
    """What the path ``segments`` (tag, item index, tag...) leads to; None where nothing is there.

    A data set lists its tags as ``gggg-eeee``, a sequence its items and pixel data its fragments (the basic
    offset table first) as ``"0"``, ``"1"``...

    :raises BadFileFormat: if ``data`` is no DICOM file.
    :raises UnknownDicomTag: if a segment names no tag.
    """
    file = parse(data, dictionary, whole=True)
    return _open(file, [segment for segment in segments if segment], dictionary)


def _open(file: DicomFile, segments: list[str], dictionary: TagDictionary) -> Content | None:
    dataset: DataSet = file.dataset
    for name, segment in zip(segments[::2], segments[1::2], strict=False):
        element = dataset.elements.get(dictionary.parse_tag(name))
        if element is None:
            return None
        if element.items is None:
            is_fragment = element is file.pixel_data and len(segments) == 2
            return _fragment(dataset, element, segment) if is_fragment else None
        item = _at(element.items, segment)
        if item is None:
            return None
        dataset = item
    if len(segments) % 2 == 0:
        return [f"{tag >> 16:04x}-{tag & 0xFFFF:04x}" for tag in sorted(dataset.elements)]
    leaf = dataset.elements.get(dictionary.parse_tag(segments[-1]))
    return None if leaf is None else _leaf(dataset, leaf)


def _leaf(dataset: DataSet, element: Element) -> Content:
    if element.items is not None:
        return [str(index) for index in range(len(element.items))]
    if element.fragments is not None:
        return [str(index) for index in range(len(element.fragments))]
    if element.tag == PIXEL_DATA:
        return ["0"]
    return RawValue(dataset.data, element.start, element.end)


def _fragment(dataset: DataSet, element: Element, segment: str) -> RawValue | None:
    """One fragment of the pixel data; uncompressed pixel data is one fragment."""
    fragments = element.fragments if element.fragments is not None else [(element.start, element.end)]
    found = _at(fragments, segment)
    return None if found is None else RawValue(dataset.data, *found)


def _at(values: Sequence[_T], index: str) -> _T | None:
    """The value at a decimal index, or None."""
    if not (index.isascii() and index.isdigit()) or len(index) > 9 or int(index) >= len(values):
        return None
    return values[int(index)]
