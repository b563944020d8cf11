"""What differs between a file and another one that was made from it, element by element."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orthanclite.core.main_tags import PIXEL_DATA, tag_key
from orthanclite.dicom.charsets import Charset
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.reading.dataset import DataSet, Element, dataset_charset, item_charset
from orthanclite.dicom.values import text_value

_LONGEST = 256
"""Characters of a value that are shown."""
_TOO_LARGE = 1 << 20
"""Bytes beyond which values are compared by their length only."""


class Comparison:
    """Compares data sets."""

    def __init__(self, dictionary: TagDictionary, default_encoding: str) -> None:
        self._dictionary = dictionary
        self._default_encoding = default_encoding

    def differences(self, before: DataSet, after: DataSet) -> Iterator[dict[str, Any]]:
        """Each element that differs: its ``Path`` and ``Name``, its value ``Before`` and ``After`` as text,
        and ``Action``: Added, Removed, Emptied or Replaced. Pixel data is left out.
        """
        charsets = (
            dataset_charset(before, self._default_encoding),
            dataset_charset(after, self._default_encoding),
        )
        return self._compare(before, after, charsets, "")

    def _compare(
        self, before: DataSet, after: DataSet, charsets: tuple[Charset, Charset], path: str
    ) -> Iterator[dict[str, Any]]:
        for tag in sorted({*before.elements, *after.elements}):
            old, new = before.elements.get(tag), after.elements.get(tag)
            if tag & 0xFFFF == 0 or (tag == PIXEL_DATA and not path):
                continue
            here = f"{path}{tag_key(tag)}"
            if old is None or new is None or not self._are_equal(before, old, after, new):
                source = before if old is not None else after
                difference = {
                    "Path": here,
                    "Name": self._dictionary.name(tag, source.creator(tag)),
                    "Action": _action(old, new),
                }
                if old is not None:
                    difference["Before"] = self._shown(before, old, charsets[0])
                if new is not None:
                    difference["After"] = self._shown(after, new, charsets[1])
                yield difference
            if old is not None and new is not None and old.items is not None and new.items is not None:
                for index, (one, other) in enumerate(zip(old.items, new.items, strict=False)):
                    inner = (item_charset(one, charsets[0]), item_charset(other, charsets[1]))
                    yield from self._compare(one, other, inner, f"{here}[{index}].")

    def _are_equal(self, before: DataSet, old: Element, after: DataSet, new: Element) -> bool:
        if old.items is not None and new.items is not None:
            return len(old.items) == len(new.items)
        size = old.end - old.start
        if size != new.end - new.start:
            return False
        return size > _TOO_LARGE or before.value(old) == after.value(new)

    def _shown(self, dataset: DataSet, element: Element, charset: Charset) -> str:
        if element.items is not None:
            return f"{len(element.items)} items"
        size = element.end - element.start
        vr = element.vr
        if vr == "UN":
            vr = self._dictionary.vr(element.tag, dataset.creator(element.tag))
        text = None
        if size <= _TOO_LARGE:
            text = text_value(dataset.value(element), vr, dataset.big_endian, charset)
        if text is None:
            return f"{size} bytes"
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _action(old: Element | None, new: Element | None) -> str:
    if old is None:
        return "Added"
    if new is None:
        return "Removed"
    return "Emptied" if new.start == new.end or new.items == [] else "Replaced"
