"""From a plan and a parsed file to the elements that change, in whatever sequence they are."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

from orthanclite.core.errors import BadFileFormat, BadRequest, ParameterOutOfRange
from orthanclite.core.main_tags import PIXEL_DATA
from orthanclite.dicom.charsets import Charset
from orthanclite.dicom.dictionary import SIGNED_LIKE_PIXELS, TagDictionary, is_private
from orthanclite.dicom.edit.cleaning import DATE_VRS
from orthanclite.dicom.edit.plan import EditPlan
from orthanclite.dicom.edit.profiles import Action
from orthanclite.dicom.edit.rewrite import Change, Changes, Items, Replacement, Value, items_encoding
from orthanclite.dicom.edit.rules import NOTHING, Rules
from orthanclite.dicom.edit.treatment import DoesNotFit, Treatment
from orthanclite.dicom.encoding import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LE, UNCOMPRESSED_SYNTAXES, Encoding
from orthanclite.dicom.reading.dataset import (
    SPECIFIC_CHARACTER_SET,
    DataSet,
    DicomFile,
    Element,
    item_charset,
)
from orthanclite.dicom.reading.parser import parse_dataset, parse_items
from orthanclite.dicom.writing.from_json import JsonEncoder, parse_data_uri

CHARSET_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""The VRs whose text is in the character set of the data set (PS3.5 section 6.1.2.3)."""

ICON_IMAGE_SEQUENCE = 0x00880200
_CONCEPT_NAME, _CODE_VALUE = 0x0040A043, 0x00080100
_REPEATING = (0x50, 0x60)  # the groups of curves and overlays, by their first digits
_AT_ONCE = frozenset({Action.REMOVE, Action.CLEAR, Action.RENEW})


@dataclass(frozen=True, slots=True)
class Recoding:
    """Another character set for all text of a file."""

    charset: Charset
    term: str  # of SpecificCharacterSet; empty to be without


class Changer:
    """Applies a plan to one file."""

    def __init__(
        self,
        file: DicomFile,
        plan: EditPlan,
        dictionary: TagDictionary,
        charset: Charset,
        recoding: Recoding | None,
    ) -> None:
        """:param charset: that of the file"""
        self._file = file
        self._plan = plan
        self._dictionary = dictionary
        self._recoding = recoding
        self._treatment = Treatment(file, plan, dictionary, charset)
        self._charset = charset
        profile = plan.profile
        implies = profile is not None and (profile.shifts or profile.safe_private)
        self._is_plain = recoding is None and not implies
        """Whether what no rule names stays, but for what refers to others."""
        self._kept = plan.rules.keep
        self._removed: Set[int] = plan.rules.remove if plan.profile else frozenset()

    def changes(self) -> Changes:
        """The changed elements.

        :raises DoesNotFit: where a text does not fit its character set.
        :raises OrthancError: for a value that its VR cannot express, see :class:`.JsonEncoder`.
        """
        file, rules = self._file, self._plan.rules
        return self._dataset(file.dataset, rules, file.encoding, self._charset, nested=False)

    def _dataset(
        self, dataset: DataSet, rules: Rules, encoding: Encoding, charset: Charset, nested: bool
    ) -> dict[int, Change]:
        changes: dict[int, Change] = {}
        plan, profile = self._plan, self._plan.profile
        safe = self._treatment.safe_private(dataset, profile) if profile is not None else frozenset()
        named = rules.remove if nested else rules.remove | plan.renew
        table = {} if profile is None else profile.nested if nested else profile.top
        for tag, element in dataset.elements.items():
            if tag & 0xFFFF == 0:  # a group length: it follows from the rest
                continue
            if self._is_removed(tag, nested) and tag not in safe and not self._is_held(tag, rules, nested):
                if tag not in rules.replace:
                    changes[tag] = None
                continue
            if (
                self._is_plain
                and element.items is None
                and element.vr != "UN"
                and tag not in table
                and tag not in named
                and tag >> 24 not in _REPEATING
                and not (nested and element.vr == "UI")
            ):
                continue  # as nearly all of them
            self._element(dataset, element, rules, encoding, charset, nested, changes)
        for tag, value in rules.replace.items():
            if tag not in rules.keep and self._may_be_written(tag):
                changes[tag] = self._new(dataset, tag, value, charset)
        self._announce(dataset, nested, changes)
        return changes

    def _element(
        self,
        dataset: DataSet,
        element: Element,
        rules: Rules,
        encoding: Encoding,
        charset: Charset,
        nested: bool,
        changes: dict[int, Change],
    ) -> None:
        """Add the change of an element, if there is one, to ``changes``."""
        tag = element.tag
        held = self._is_held(tag, rules, nested)
        action: Action | None = None
        if not held:
            if tag in rules.replace:
                return
            if tag in rules.remove:
                changes[tag] = None
                return
            action = self._action(tag, nested)
            if action in _AT_ONCE:
                changes[tag] = self._at_once(dataset, element, action)
                return
        change: Change
        inner = self._items(dataset, element, encoding)
        if inner is not None:
            if action is Action.DUMMY:
                change = self._emptied(inner, charset)
            else:
                change = self._sequence(tag, inner, rules, charset, held)
        else:
            action = action or (None if held else self._implied(dataset, element, nested))
            if action is not None:
                target = charset if self._recoding is None else self._recoding.charset
                changes[tag] = self._treatment.value(dataset, element, action, charset, target)
                return
            if nested and not held and element.vr == "UI" and self._plan.references:
                change = self._referenced(dataset.value(element))
            else:
                change = self._recoded(dataset, element, charset)
        if change is not None:
            changes[tag] = change

    def _is_held(self, tag: int, rules: Rules, nested: bool) -> bool:
        return tag in rules.keep or (nested and tag in self._kept)

    def _action(self, tag: int, nested: bool) -> Action | None:
        if not nested and tag in self._plan.renew:
            return Action.RENEW
        return None if self._plan.profile is None else self._plan.profile.action(tag, nested)

    def _implied(self, dataset: DataSet, element: Element, nested: bool) -> Action | None:
        """The action for what no table names, but what would tell what the profile hides."""
        profile = self._plan.profile
        if profile is None or not (profile.shifts or profile.safe_private):
            return None
        vr = self._treatment.vr(dataset, element)
        if profile.shifts and vr in DATE_VRS:
            return Action.SHIFT
        if vr == "UI" and is_private(element.tag) and profile.renews_uids:
            return Action.RENEW
        return None

    def _at_once(self, dataset: DataSet, element: Element, action: Action) -> Value | None:
        """The change that needs no look into the element."""
        if action is Action.REMOVE:
            return None
        renewed = action is Action.RENEW
        return Value(element.vr, self._treatment.renewed(dataset.value(element)) if renewed else b"")

    def _is_removed(self, tag: int, nested: bool) -> bool:
        if tag & 0x10000:
            return self._plan.remove_private or (nested and tag in self._removed)
        if nested and tag in self._removed:
            return True
        if tag >> 24 == 0x60:
            return self._plan.remove_overlays and tag >> 16 <= 0x601E
        return tag == ICON_IMAGE_SEQUENCE and self._plan.remove_icons

    def _emptied(self, inner: tuple[list[DataSet], Encoding], charset: Charset) -> Change:
        """One item of a sequence, with values that say nothing: IODs ask for an item, or for none."""
        items, encoding = inner
        if not items:
            return Value("SQ", b"")
        changes = self._nothing(items[0], encoding, item_charset(items[0], charset), frozenset())
        return Items(items[:1], [changes or None], encoding)

    def _nothing(
        self, item: DataSet, encoding: Encoding, charset: Charset, but: frozenset[int]
    ) -> dict[int, Change]:
        """Changes after which an item says nothing, ``but`` by some of its sequences."""
        changes: dict[int, Change] = {}
        for element in item:
            tag = element.tag
            action = self._action(tag, nested=True)
            if self._is_removed(tag, nested=True):
                changes[tag] = None
            elif action in _AT_ONCE:
                changes[tag] = self._at_once(item, element, action)
            elif (inner := self._items(item, element, encoding)) is not None:
                if tag not in but:
                    changes[tag] = self._emptied(inner, charset)
            elif (value := self._treatment.nothing(item, element)) is not None:
                changes[tag] = value
        self._announce(item, True, changes)
        return changes

    def _is_hidden(self, item: DataSet) -> bool:
        """Whether it is a content item about the subject."""
        profile = self._plan.profile
        if profile is None or not profile.hidden_concepts:
            return False
        name = item.elements.get(_CONCEPT_NAME)
        codes = (name.items or []) if name is not None else []
        return any(
            (code.raw(_CODE_VALUE) or b"").decode("latin_1").strip(" \0") in profile.hidden_concepts
            for code in codes
        )

    def _sequence(
        self, tag: int, inner: tuple[list[DataSet], Encoding], rules: Rules, charset: Charset, verbatim: bool
    ) -> Items | None:
        items, encoding = inner
        found: list[Changes | None] = []
        for index, item in enumerate(items):
            own = item_charset(item, charset)
            if verbatim:
                found.append(self._texts(item, encoding, own) or None)
            elif self._is_hidden(item):
                found.append(self._nothing(item, encoding, own, frozenset({_CONCEPT_NAME})) or None)
            else:
                below = rules.below(tag, index)
                found.append(self._dataset(item, below, encoding, own, nested=True) or None)
        return Items(items, found, encoding) if any(found) else None

    def _texts(self, dataset: DataSet, encoding: Encoding, charset: Charset) -> dict[int, Change]:
        """The changes of what is kept as it is: at most its text is in another character set."""
        if self._recoding is None:
            return {}
        changes: dict[int, Change] = {}
        for element in dataset:
            inner = self._items(dataset, element, encoding)
            change: Change
            if inner is None:
                change = self._recoded(dataset, element, charset)
            else:
                change = self._sequence(element.tag, inner, NOTHING, charset, True)
            if change is not None:
                changes[element.tag] = change
        self._announce(dataset, True, changes)
        return changes

    def _items(
        self, dataset: DataSet, element: Element, encoding: Encoding
    ) -> tuple[list[DataSet], Encoding] | None:
        """The items of a sequence and their layout; None where ``element`` is none."""
        if element.items is not None:
            return element.items, items_encoding(dataset, element, encoding)
        if element.vr != "UN" or element.start - element.offset != (12 if encoding.explicit else 8):
            return None
        if self._dictionary.vr(element.tag, dataset.creator(element.tag)) != "SQ":
            return None
        try:  # written by who did not know it: in implicit little endian (PS3.5 section 6.2.2)
            return parse_items(dataset.data, element, IMPLICIT_LE, self._dictionary), IMPLICIT_LE
        except BadFileFormat:
            return None

    def _referenced(self, value: bytes) -> Value | None:
        """The UIDs of edited objects among ``value`` replaced by their new ones."""
        texts = [text.strip(" \0") for text in value.decode("latin_1").split("\\")]
        if not any(text in self._plan.references for text in texts):
            return None
        new = "\\".join(self._plan.references.get(text, text) for text in texts)
        return Value("UI", new.encode("latin_1"))

    def _may_be_written(self, tag: int) -> bool:
        """Whether a data set holds such an element: not command elements, meta information, group lengths.

        :raises ParameterOutOfRange: for the tag of a delimiter.
        :raises BadRequest: for the pixel data of a compressed image.
        """
        if tag >> 16 == 0xFFFE:
            raise ParameterOutOfRange("Not the tag of an element")
        if tag == PIXEL_DATA and self._file.transfer_syntax not in UNCOMPRESSED_SYNTAXES:
            raise BadRequest("The pixel data of a compressed image cannot be replaced")
        return tag >> 16 >= 4 and tag & 0xFFFF != 0

    def _new(self, dataset: DataSet, tag: int, value: Any, charset: Charset) -> Change:
        target = charset if self._recoding is None else self._recoding.charset
        if not all(_fits(text, target) for text in _texts_of(value)):
            raise DoesNotFit
        old = dataset.elements.get(tag)
        encoder = JsonEncoder(self._dictionary, target, self._plan.creator, interpret_text=False)
        vr = old.vr if old is not None and old.vr == "SS" and tag in SIGNED_LIKE_PIXELS else None
        content = encoder.element(tag, value, vr=vr)
        if tag == PIXEL_DATA and value and parse_data_uri(value) is None and len(value.encode()) % 2:
            raise ParameterOutOfRange("A tag with OW VR must have an even number of bytes")
        source = parse_dataset(content, EXPLICIT_LITTLE_ENDIAN, self._dictionary, whole=True)
        return Replacement(source, source.elements[tag])

    def _recoded(self, dataset: DataSet, element: Element, charset: Charset) -> Value | None:
        """A text in the new character set; None where its bytes are the same."""
        if self._recoding is None or element.fragments is not None:
            return None
        vr = element.vr
        if vr == "UN":
            vr = self._dictionary.vr(element.tag, dataset.creator(element.tag))
        if vr not in CHARSET_VRS:
            return None
        raw = dataset.value(element)
        if raw.isascii() and b"\x1b" not in raw:
            return None
        text = charset.decode(raw, vr)
        if not self._recoding.charset.holds(text, vr):
            raise DoesNotFit
        content = self._recoding.charset.encode(text)
        # Of a VR with one-byte padding, whatever VR the file has it in.
        return None if content == raw else Value(element.vr, content + b" " * (len(content) % 2))

    def _announce(self, dataset: DataSet, nested: bool, changes: dict[int, Change]) -> None:
        """Let a data set name its new character set; an item only where it named one before."""
        if self._recoding is None or (nested and SPECIFIC_CHARACTER_SET not in dataset.elements):
            return
        term = self._recoding.term
        if term and dataset.raw(SPECIFIC_CHARACTER_SET) != _padded(term):
            changes[SPECIFIC_CHARACTER_SET] = Value("CS", term.encode("ascii"))
        elif term:
            changes.pop(SPECIFIC_CHARACTER_SET, None)
        elif SPECIFIC_CHARACTER_SET in dataset.elements:
            changes[SPECIFIC_CHARACTER_SET] = None


def _padded(term: str) -> bytes:
    return term.encode("ascii") + b" " * (len(term) % 2)


def _fits(text: str, charset: Charset) -> bool:
    """Whether a new text can be written; without a character set that is named, in ASCII only."""
    return text.isascii() or (bool(charset.terms) and charset.holds(text) and charset.holds(text, "PN"))


def _texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts_of(item)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts_of(inner)
