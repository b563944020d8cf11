"""What a search asks for, read from the query of its URL (PS3.18 section 8.3.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from orthanclite.core.errors import BadRequest, OrthancError
from orthanclite.core.query import MAXIMUM_VALUE
from orthanclite.core.text.numbers import natural
from orthanclite.dicom.attributes import Attribute
from orthanclite.dicom.dictionary import TagDictionary, is_private_element
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg

QUERY = (
    Arg("includefield", "Further attributes, separated by commas, or all"),
    Arg("limit", "Most matches to answer", "number"),
    Arg("offset", "Matches to skip", "number"),
    Arg("fuzzymatching", "Whether names match by the beginnings of their words", "boolean"),
    Arg("accept", "Media types, in place of the header Accept"),
)
"""The parameters of searches beside the attributes."""

_BOOLEANS = {"true": True, "false": False}
_FLAGS = ("fuzzymatching", "emptyvaluematching", "multiplevaluematching")
_NO_KEYS = frozenset({"", "limit", "offset", "includefield", "accept", "charset", *_FLAGS})
_UTF_8 = re.compile("utf-?8", re.IGNORECASE)
_LIST_VRS = frozenset({"UI", "CS"})
"""The value representations that have no comma in a value: it stands between several."""


@dataclass(slots=True)
class Asked:
    """What a search asks for."""

    keys: dict[int, Attribute] = field(default_factory=dict)
    """The attributes to be answered, with the values that they must have."""
    warnings: list[str] = field(default_factory=list)
    """What of it is not supported."""
    all_fields: bool = False
    fuzzy: bool = False
    limit: int = 0  # matches to answer at most; 0 for no limit
    offset: int = 0  # matches to skip


class QueryReader:
    """Reads queries."""

    def __init__(self, dictionary: TagDictionary) -> None:
        self._dictionary = dictionary

    def read(self, call: Call) -> Asked:
        """What a request asks for.

        :raises BadRequest: for what is no query.
        """
        asked = Asked(limit=_natural(call, "limit"), offset=_natural(call, "offset"))
        for name, value in call.arguments:
            if len(value) > MAXIMUM_VALUE:
                raise BadRequest(f"A value has at most {MAXIMUM_VALUE} characters")
            if name == "includefield":
                self._include(asked, value)
            elif name not in _NO_KEYS:
                self._match(asked, name, value)
        flags = {name: _flag(call, name) for name in _FLAGS}
        asked.fuzzy = flags["fuzzymatching"]
        if flags["emptyvaluematching"]:
            asked.warnings.append("Empty value matching is not supported")
        charset = call.argument("charset")
        if charset and not _UTF_8.fullmatch(charset):
            asked.warnings.append("The character set of all answers is UTF-8")
        return asked

    def universal(self, tag: int) -> Attribute:
        """An attribute that is to be answered, whatever its value."""
        vr = self._dictionary.vr(tag, self._dictionary.creator_of(tag))
        return Attribute("SQ", items=()) if vr == "SQ" else Attribute(vr)

    def _include(self, asked: Asked, value: str) -> None:
        for name in value.split(","):
            if name.strip() == "all":
                asked.all_fields = True
            elif name.strip():
                for tag, attribute in self._keys(name.strip(), "").items():
                    asked.keys.setdefault(tag, attribute)

    def _match(self, asked: Asked, name: str, value: str) -> None:
        for tag, attribute in self._keys(name, value).items():
            present = asked.keys.get(tag)
            if present is not None and present.items and attribute.items:
                # Two paths into one sequence are about the same item (PS3.4 section C.2.2.2.6).
                attribute = Attribute("SQ", items=({**present.items[0], **attribute.items[0]},))
            asked.keys[tag] = attribute

    def _keys(self, name: str, value: str) -> dict[int, Attribute]:
        """The attribute, or path of attributes, that a parameter names, with a value.

        :raises BadRequest: for what names none.
        """
        first, *rest = name.split(".", 1)
        try:
            tag = self._dictionary.parse_tag(first)
        except OrthancError as exc:
            raise BadRequest(f"Unknown parameter: {name}") from exc
        if rest:
            return {tag: Attribute("SQ", items=(self._keys(rest[0], value),))}
        vr = self._dictionary.vr(tag, self._dictionary.creator_of(tag))
        if vr == "SQ":
            return {tag: Attribute("SQ", items=())}
        if vr == "UN":  # a private attribute that the dictionary does not know: most are text
            vr = "LO"
        if vr in _LIST_VRS:
            value = value.replace(",", "\\")
        keys = {tag: Attribute(vr, value)}
        creator = self._dictionary.creator_of(tag)
        if creator and is_private_element(tag):
            keys[tag & 0xFFFF0000 | tag >> 8 & 0xFF] = Attribute("LO", creator)
        return keys


def _natural(call: Call, name: str) -> int:
    text = call.argument(name, "0")
    number = natural(text)
    if number is None:
        raise BadRequest(f"Not a number: {name}={text}")
    return number


def _flag(call: Call, name: str) -> bool:
    text = call.argument(name, "false")
    if text not in _BOOLEANS:
        raise BadRequest(f"Neither true nor false: {name}={text}")
    return _BOOLEANS[text]
