"""The JSON renderings of a data set: full, short and simplified (Orthanc Book, "REST API")."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any

from orthanclite.core.main_tags import tag_key
from orthanclite.dicom.charsets import Charset, charset_of
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import TEXT_VRS
from orthanclite.dicom.reading.dataset import DataSet, Element, item_charset
from orthanclite.dicom.values import (
    BINARY_VRS,
    SURELY_SHORT,
    decode_text,
    is_surely_too_long,
    is_too_long,
    text_value,
)


class Style(StrEnum):
    """The three forms in which tags are shown."""

    FULL = "full"  # gggg,eeee -> Name, Type, Value
    SIMPLE = "simplify"  # name -> value
    SHORT = "short"  # gggg,eeee -> value


_TRAILING_PADDING = ("fffc,fffc", "DataSetTrailingPadding")
"""Carries no information (PS3.10 section 7.2); the reference leaves it out, but not in items."""

_META_CHARSET = charset_of("ISO_IR 6")
_SIMPLE, _SHORT = Style.SIMPLE, Style.SHORT  # members looked up once: renderings are hot

_key = lru_cache(maxsize=16384)(tag_key)


class Renderer:
    """Renders data sets; one per request."""

    __slots__ = ("_dictionary", "_ignore_length", "_style")

    def __init__(self, dictionary: TagDictionary, style: Style, ignore_length: Collection[int] = ()) -> None:
        self._dictionary = dictionary
        self._style = style
        self._ignore_length = frozenset(ignore_length)

    def dataset(self, dataset: DataSet, charset: Charset) -> dict[str, Any]:
        """``dataset``, which is no item of a sequence, as an object; ``charset`` is its own."""
        result = self._elements(dataset, charset)
        for padding in _TRAILING_PADDING:
            result.pop(padding, None)
        return result

    def _elements(self, dataset: DataSet, charset: Charset) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for element in dataset:
            self._put(result, dataset, element, charset)
        return result

    def header(self, meta: DataSet) -> dict[str, Any]:
        """The file meta information as an object; binary elements are left out."""
        result: dict[str, Any] = {}
        for element in meta:
            if element.vr not in BINARY_VRS:
                self._put(result, meta, element, _META_CHARSET)
        return result

    def items(self, items: Sequence[DataSet], charset: Charset) -> list[dict[str, Any]]:
        """The items of a sequence inside a data set of ``charset``."""
        return [self._elements(item, item_charset(item, charset)) for item in items]

    def _put(self, result: dict[str, Any], dataset: DataSet, element: Element, charset: Charset) -> None:
        tag, style = element.tag, self._style
        creator = dataset.creator(tag) if tag & 0x10000 else ""
        kind, value = self._value(dataset, element, creator, charset)
        if style is _SHORT:
            result[_key(tag)] = value
            return
        name = self._dictionary.entry(tag, creator)[1]
        if style is _SIMPLE:
            result[name] = value
            return
        entry = {"Name": name, "Type": kind, "Value": value}
        if creator and kind != "Sequence":
            entry["PrivateCreator"] = creator
        result[_key(tag)] = entry

    def _value(self, dataset: DataSet, element: Element, creator: str, charset: Charset) -> tuple[str, Any]:
        """Type and Value of one element."""
        if element.items is not None:
            return "Sequence", self.items(element.items, charset)
        vr = element.vr
        if vr == "UN":
            # Passed on by a writer that did not know the tag (PS3.5 section 6.2.2): we may.
            vr = self._dictionary.vr(element.tag, creator)
        if vr in BINARY_VRS or vr == "SQ":
            return "Null", None
        length = element.end - element.start
        if length <= SURELY_SHORT and vr in TEXT_VRS:
            return "String", decode_text(dataset.data[element.start : element.end], vr, charset)
        limited = element.tag not in self._ignore_length
        if limited and is_surely_too_long(length, vr):
            return "TooLong", None
        text = text_value(dataset.data[element.start : element.end], vr, dataset.big_endian, charset)
        if text is None:
            return "Null", None
        if limited and is_too_long(text):
            return "TooLong", None
        return "String", text


def format_tags(
    tags: Mapping[str, str],
    sequences: Mapping[str, Sequence[Mapping[str, Any]]],
    style: Style,
    dictionary: TagDictionary,
) -> dict[str, Any]:
    """Main tags of the index (``gggg,eeee`` -> text, and those that are sequences) in one of the three forms.

    Items of sequences are kept in the full form and brought into the wanted one.
    """
    result: dict[str, Any] = {}
    for key, text in tags.items():
        _put_key(result, key, "String", text, style, dictionary)
    for key, items in sequences.items():
        shown: Any = items if style is Style.FULL else [_restyle(item, style) for item in items]
        _put_key(result, key, "Sequence", shown, style, dictionary)
    return result


def _put_key(
    result: dict[str, Any], key: str, kind: str, value: Any, style: Style, dictionary: TagDictionary
) -> None:
    if style is Style.SHORT:
        result[key] = value
        return
    tag = int(key[:4] + key[5:], 16)
    name = dictionary.name(tag, dictionary.creator_of(tag) if tag & 0x10000 else "")
    result[key if style is Style.FULL else name] = (
        {"Name": name, "Type": kind, "Value": value} if style is Style.FULL else value
    )


def _restyle(item: Mapping[str, Any], style: Style) -> dict[str, Any]:
    """An object in the full form, in the short or simplified one."""
    result: dict[str, Any] = {}
    for key, entry in item.items():
        value = entry["Value"]
        if entry["Type"] == "Sequence":
            value = [_restyle(child, style) for child in value]
        result[key if style is Style.SHORT else entry["Name"]] = value
    return result


def restyle(tags: Mapping[str, Any], style: Style) -> dict[str, Any]:
    """A data set in the full rendering, in the wanted one."""
    return dict(tags) if style is Style.FULL else _restyle(tags, style)


def shared_tags(renderings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What several data sets, in the full rendering, have in common: equal texts of the same tag."""
    iterator = iter(renderings)
    shared = {key: entry for key, entry in next(iterator, {}).items() if entry["Type"] == "String"}
    for rendering in iterator:
        for key in [key for key, entry in shared.items() if not _same_text(entry, rendering.get(key))]:
            del shared[key]
    return shared


def _same_text(entry: Mapping[str, Any], other: Mapping[str, Any] | None) -> bool:
    return other is not None and other["Type"] == "String" and other["Value"] == entry["Value"]
