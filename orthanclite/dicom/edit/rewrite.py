"""The bytes of a file after changes: what is untouched is copied as it stands, or not copied at all.

A result is a list of parts, each new bytes, a stretch of the file that it was made from, or what comes from
elsewhere. Pixel data, of whatever size, is one stretch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from orthanclite.core.machine.buffers import Buffer
from orthanclite.dicom.encoding import (
    IMPLICIT_LE,
    ITEM,
    ITEM_DELIMITER,
    SEQUENCE_DELIMITER,
    UNDEFINED_LENGTH,
    Encoding,
)
from orthanclite.dicom.pixels.writing.reencode import encode, head
from orthanclite.dicom.reading.dataset import DataSet, DicomFile, Element
from orthanclite.dicom.writing.deflation import deflated
from orthanclite.dicom.writing.elements import pad

_PIECE = 1 << 20  # bytes that are given at a time

Stretch = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Content:
    """The value of an element from elsewhere, of whatever size."""

    vr: str
    data: Buffer
    is_encapsulated: bool = False
    """Whether it is in fragments, up to their delimiter (PS3.5 annex A.4)."""


Part = bytes | Stretch | Content


@dataclass(frozen=True, slots=True)
class Value:
    """Another value for an element, in the byte order of its data set; padded where it is written."""

    vr: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Replacement:
    """Another element, from a data set of its own in explicit little endian."""

    source: DataSet
    element: Element


@dataclass(frozen=True, slots=True)
class Items:
    """Changes within a sequence, for each item those of its elements; None where the item stays as it is."""

    items: list[DataSet]
    changes: list[Changes | None]
    encoding: Encoding


Change = Value | Replacement | Items | Content | None
"""What becomes of an element; None removes it."""

Changes = Mapping[int, Change]
"""The changed elements of a data set, and the new ones, by tag."""


@dataclass(frozen=True, slots=True)
class EditedFile:
    """A changed file, as parts of the file that it was made from; valid as long as that is."""

    head: bytes  # preamble and file meta information
    data: Buffer
    parts: list[Part]
    deflated: bool
    sop_instance_uid: str

    def pieces(self) -> Iterator[bytes]:
        """Its bytes, at most a megabyte of the original at a time."""
        yield self.head
        yield from deflated(self._dataset()) if self.deflated else self._dataset()

    def tobytes(self) -> bytes:
        """Its bytes in one piece."""
        return b"".join(self.pieces())

    def _dataset(self) -> Iterator[bytes]:
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
                continue
            data, (start, end) = (
                (part.data, (0, len(part.data))) if isinstance(part, Content) else (self.data, part)
            )
            for first in range(start, end, _PIECE):
                yield data[first : min(first + _PIECE, end)]


def rewrite(file: DicomFile, changes: Changes) -> list[Part]:
    """The data set of ``file`` with ``changes``."""
    return list(_joined(_dataset(file.dataset, changes, file.encoding)))


def items_encoding(dataset: DataSet, element: Element, encoding: Encoding) -> Encoding:
    """The layout of the items of a sequence: one of VR UN is in implicit little endian (PS3.5 6.2.2)."""
    is_unknown = encoding.explicit and dataset.data[element.offset + 4 : element.offset + 6] == b"UN"
    return IMPLICIT_LE if is_unknown else encoding


def _dataset(dataset: DataSet, changes: Changes, encoding: Encoding) -> list[Part]:
    elements, parts = dataset.elements, list[Part]()
    if any(not tag & 0xFFFF for tag in elements):
        changes = _with_lengths(dataset, changes, encoding)
    new = sorted((tag for tag in changes if tag not in elements and changes[tag] is not None), reverse=True)
    first = last = -1  # the stretch of untouched elements that has not been added yet
    for tag, element in elements.items():
        inserts = new and new[-1] < tag
        if inserts or tag in changes:
            if last >= 0:
                parts.append((first, last))
                last = -1
            while new and new[-1] < tag:
                parts += _changed(dataset, None, new.pop(), changes, encoding)
            if tag in changes:
                parts += _changed(dataset, element, tag, changes, encoding)
                continue
        if element.offset != last:
            if last >= 0:
                parts.append((first, last))
            first = element.offset
        last = element.end
    if last >= 0:
        parts.append((first, last))
    while new:
        parts += _changed(dataset, None, new.pop(), changes, encoding)
    return parts


def _with_lengths(dataset: DataSet, changes: Changes, encoding: Encoding) -> dict[int, Change]:
    """The changes, and those of the group lengths that follow from them.

    Group lengths are retired, but wrong ones mislead who believes them.
    """
    touched = {tag >> 16 for tag in changes}
    found = dict(changes)
    for element in dataset:
        group = element.tag >> 16
        if element.tag & 0xFFFF == 0 and group in touched and element.end - element.start == 4:
            length = sum(
                _size(_changed(dataset, dataset.elements.get(tag), tag, changes, encoding))
                if tag in changes
                else dataset.elements[tag].end - dataset.elements[tag].offset
                for tag in sorted({*dataset.elements, *changes})
                if tag >> 16 == group and tag & 0xFFFF
            )
            found[element.tag] = Value("UL", encoding.long_length.pack(length))
    return found


def _changed(
    dataset: DataSet, element: Element | None, tag: int, changes: Changes, encoding: Encoding
) -> list[Part]:
    change = changes[tag]
    if change is None:
        return []
    if isinstance(change, Value):
        content = pad(change.content, change.vr)
        return [head(tag, change.vr, len(content), encoding) + content]
    if isinstance(change, Replacement):
        return [encode([(change.source, change.element)], encoding)]
    if isinstance(change, Content):
        odd = len(change.data) % 2
        length = UNDEFINED_LENGTH if change.is_encapsulated else len(change.data) + odd
        return [head(tag, change.vr, length, encoding), change, b"\0" * odd]
    assert element is not None  # changes within a sequence need one
    return _sequence(dataset, element, change, encoding)


def _sequence(dataset: DataSet, element: Element, change: Items, encoding: Encoding) -> list[Part]:
    parts: list[Part] = []
    for item, changes in zip(change.items, change.changes, strict=True):
        parts += [(item.start - 8, item.end)] if changes is None else _item(item, changes, change.encoding)
    beginning = dataset.data[element.offset : element.start - 4]
    if _is_undefined(dataset, element.start):
        undefined = encoding.long_length.pack(UNDEFINED_LENGTH)
        return [beginning + undefined, *parts, _mark(SEQUENCE_DELIMITER, 0, change.encoding)]
    return [beginning + encoding.long_length.pack(_size(parts)), *parts]


def _item(item: DataSet, changes: Changes, encoding: Encoding) -> list[Part]:
    parts = _dataset(item, changes, encoding)
    if _is_undefined(item, item.start):
        return [_mark(ITEM, UNDEFINED_LENGTH, encoding), *parts, _mark(ITEM_DELIMITER, 0, encoding)]
    return [_mark(ITEM, _size(parts), encoding), *parts]


def _is_undefined(dataset: DataSet, start: int) -> bool:
    """Whether the length before the value at ``start`` is undefined."""
    return dataset.data[start - 4 : start] == b"\xff\xff\xff\xff"


def _mark(tag: int, length: int, encoding: Encoding) -> bytes:
    return encoding.implicit_head.pack(tag >> 16, tag & 0xFFFF, length)


def _size(parts: Iterable[Part]) -> int:
    return sum(_length(part) for part in parts)


def _length(part: Part) -> int:
    if isinstance(part, tuple):
        return part[1] - part[0]
    return len(part) if isinstance(part, bytes) else len(part.data)


def _joined(parts: Iterable[Part]) -> Iterator[Part]:
    """The same bytes in fewer parts: neighbours become one."""
    new: list[bytes] = []
    copied: Stretch | None = None
    for part in parts:
        if isinstance(part, bytes):
            if copied is not None:
                yield copied
                copied = None
            new.append(part)
            continue
        if new:
            yield b"".join(new)
            new.clear()
        if isinstance(part, Content):
            if copied is not None:
                yield copied
                copied = None
            yield part
            continue
        if copied is not None and copied[1] == part[0]:
            copied = (copied[0], part[1])
            continue
        if copied is not None:
            yield copied
        copied = part
    if new:
        yield b"".join(new)
    if copied is not None:
        yield copied
