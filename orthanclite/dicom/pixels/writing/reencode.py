"""Writing the elements of a parsed data set in another encoding (PS3.5 section 7), values untouched.

Text keeps its bytes whatever its character set; only numbers and words change their byte order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from orthanclite.core.main_tags import PIXEL_DATA
from orthanclite.dicom.encoding import ITEM, SHORT_VRS, UNDEFINED_LENGTH, Encoding
from orthanclite.dicom.reading.dataset import DataSet, Element

_WORDS = {
    **dict.fromkeys(("US", "SS", "OW", "AT"), "u2"),
    **dict.fromkeys(("UL", "SL", "FL", "OL", "OF"), "u4"),
    **dict.fromkeys(("FD", "OD", "SV", "UV", "OV"), "u8"),
}
"""The size of what is swapped between byte orders; an AT is two words of 16 bits."""

Located = tuple[DataSet, Element]
"""An element and the data set that its value lies in."""


def merged(dataset: DataSet, changes: DataSet | None, dropped: frozenset[int]) -> Iterator[Located]:
    """The elements of ``dataset`` with those of ``changes`` in their place, by tag, without ``dropped``.

    Group lengths are left out: they would be wrong (retired, PS3.5 section 7.2).
    """
    found: dict[int, Located] = {}
    for source in (dataset, changes):
        if source is not None:
            found.update((element.tag, (source, element)) for element in source)
    for tag in sorted(found):
        if tag not in dropped and tag & 0xFFFF != 0:
            yield found[tag]


def encode(elements: Iterable[Located], target: Encoding) -> bytes:
    """The elements in the encoding ``target``."""
    return b"".join(part for source, element in elements for part in _element(source, element, target))


def head(tag: int, vr: str, length: int, target: Encoding) -> bytes:
    """The head of an element."""
    group, number = tag >> 16, tag & 0xFFFF
    if not target.explicit:
        return target.implicit_head.pack(group, number, length)
    code = vr.encode("ascii")
    if code in SHORT_VRS:
        if length <= 0xFFFF:
            return target.explicit_head.pack(group, number, code, length)
        code = b"UN"  # too long for the short form (PS3.5 section 6.2.2)
    return target.explicit_head.pack(group, number, code, 0) + target.long_length.pack(length)


def swap(value: bytes, vr: str) -> bytes:
    """A value in the other byte order; an incomplete last word stays as it is."""
    kind = _WORDS.get(vr)
    if kind is None:
        return value
    whole = len(value) - len(value) % np.dtype(kind).itemsize
    return np.frombuffer(value[:whole], kind).byteswap().tobytes() + value[whole:]


def _element(source: DataSet, element: Element, target: Encoding) -> Iterator[bytes]:
    if element.items is not None:
        content = b"".join(_item(item, target) for item in element.items)
        yield head(element.tag, "SQ", len(content), target)
        yield content
    elif element.fragments is not None:  # an icon: encapsulated, as it was
        yield head(element.tag, "OB", UNDEFINED_LENGTH, target)
        yield source.value(element)
    else:
        value = source.value(element)
        yield head(element.tag, element.vr, len(value), target)
        yield swap(value, element.vr) if source.big_endian != target.big_endian else value


def _item(item: DataSet, target: Encoding) -> bytes:
    content = encode(merged(item, None, frozenset()), target)
    return target.implicit_head.pack(ITEM >> 16, ITEM & 0xFFFF, len(content)) + content


def split_at_pixels(elements: Iterable[Located]) -> tuple[list[Located], list[Located]]:
    """The elements before and after the pixel data, which is in neither."""
    before: list[Located] = []
    after: list[Located] = []
    for located in elements:
        if located[1].tag != PIXEL_DATA:
            (before if located[1].tag < PIXEL_DATA else after).append(located)
    return before, after
