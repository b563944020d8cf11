"""What anonymisation does to each attribute: by edition as the reference does, or by PS3.15 with its options.

``profiles.tsv`` has a row for each attribute that one of the editions treats (PS3.15 table E.1-1, Basic
Application Level Confidentiality Profile, as the reference has read it), with a letter for each of
:data:`VERSIONS`: K keeps it, X removes it, Z empties it, U gives it a new UID. The last column holds, where
they differ, the letters that apply in the items of sequences.

``confidentiality.tsv`` is table E.1-1 of the edition :data:`STANDARD` with its own codes, those of the Basic
Profile and, by the names of :data:`OPTIONS`, those of the options.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from importlib.resources import files


class Action(Enum):
    """What becomes of an attribute."""

    REMOVE = "X"
    CLEAR = "Z"
    RENEW = "U"
    DUMMY = "D"
    """Another value of the same VR that says nothing."""
    CLEAN = "C"
    """Only words that are allowed stay; the items of a sequence are treated element by element."""
    SHIFT = "S"
    """Dates are moved by as many days as all dates of the patient."""


VERSIONS = ("2008", "2017c", "2021b", "2023b")
"""The editions, in the order of the letters."""

DEFAULT_VERSION = "2023b"

STANDARD = "2024b"
"""The edition of the profile with options."""

FULL_DATES = "RetainLongitudinalFullDates"
MODIFIED_DATES = "RetainLongitudinalModifiedDates"
CLEAN_GRAPHICS = "CleanGraphics"
CLEAN_CONTENT = "CleanStructuredContent"
CLEAN_DESCRIPTORS = "CleanDescriptors"
RETAIN_CHARACTERISTICS = "RetainPatientCharacteristics"
RETAIN_DEVICE = "RetainDeviceIdentity"
RETAIN_SAFE_PRIVATE = "RetainSafePrivate"
RETAIN_UIDS = "RetainUIDs"

CLEANING = frozenset(
    {CLEAN_GRAPHICS, CLEAN_CONTENT, CLEAN_DESCRIPTORS, RETAIN_CHARACTERISTICS, RETAIN_DEVICE}
)
"""The options that clean texts, some of the last two only few."""

BASIC_CODE = ("113100", "Basic Application Confidentiality Profile")
OPTIONS: Mapping[str, tuple[str, str]] = {
    CLEAN_GRAPHICS: ("113103", "Clean Graphics Option"),
    CLEAN_CONTENT: ("113104", "Clean Structured Content Option"),
    CLEAN_DESCRIPTORS: ("113105", "Clean Descriptors Option"),
    FULL_DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    MODIFIED_DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    RETAIN_CHARACTERISTICS: ("113108", "Retain Patient Characteristics Option"),
    RETAIN_DEVICE: ("113109", "Retain Device Identity Option"),
    RETAIN_UIDS: ("113110", "Retain UIDs Option"),
    RETAIN_SAFE_PRIVATE: ("113111", "Retain Safe Private Option"),
    "RetainInstitutionIdentity": ("113112", "Retain Institution Identity Option"),
}
"""The options (PS3.15 section E.3) and their codes (PS3.16 CID 7050, coding scheme DCM)."""

_RESOLVED = {"X/Z": "Z", "X/D": "D", "Z/D": "D", "X/Z/D": "D", "X/Z/U*": "K"}
"""Where the IOD decides: the action that no IOD forbids. It says as little as removal does. Of ``U*`` the
sequence stays, and the UIDs in it are new ones."""

_FREE_TEXTS = {0x0040A160: Action.DUMMY, 0x00700006: Action.DUMMY, 0x00700289: Action.REMOVE}
"""TextValue, UnformattedTextValue and TickLabel: table E.1-1 treats them by the sequences that they are in,
which cleaning keeps. With what becomes of them if no word is left."""

_DOCUMENT_LENGTH = 0x00420015
"""EncapsulatedDocumentLength: it would be wrong, as the document is not there any more."""

SUBJECT = frozenset({"121029", "121030", "121031"})
"""Content items with the name, the identifier and the birth date of the subject (PS3.16 TID 1007)."""
_CHARACTERISTICS = frozenset({"121032", "121033"})
"""Those with sex and age."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is done, by tag; None where an attribute is kept."""

    top: Mapping[int, Action]
    nested: Mapping[int, Action]
    """In the items of sequences."""
    masked: tuple[tuple[int, int, Action], ...]
    """What repeats over groups: the bits of the tag that count, their value, and the action."""
    otherwise: Mapping[int, Action] = field(default_factory=dict)
    """What becomes of an attribute of which cleaning leaves nothing, or whose date is none."""
    shifts: bool = False
    """Whether dates are moved: then also those that no table names, or they would betray by how much."""
    hidden_concepts: frozenset[str] = frozenset()
    """The content items that get values that say nothing, by the code of their concept (scheme DCM)."""
    renews_uids: bool = True
    safe_private: bool = False
    """Whether private elements that are known to be safe stay (PS3.15 section E.3.10)."""

    def action(self, tag: int, nested: bool) -> Action | None:
        """What becomes of ``tag``; None where it is kept."""
        found = (self.nested if nested else self.top).get(tag)
        if found is None and tag >> 24 in (0x50, 0x60):
            return next((action for mask, value, action in self.masked if tag & mask == value), None)
        return found


@lru_cache(maxsize=len(VERSIONS))
def profile(version: str) -> Profile:
    """The profile of one of :data:`VERSIONS`."""
    column = VERSIONS.index(version)
    top: dict[int, Action] = {}
    nested: dict[int, Action] = {}
    masked: list[tuple[int, int, Action]] = []
    for tag, _, actions, *in_items in rows("profiles.tsv"):
        for table, letters in ((top, actions), (nested, in_items[0] if in_items else actions)):
            if letters[column] == "K":
                continue
            action = Action(letters[column])
            if "x" not in tag:
                table[_tag(tag)] = action
            elif table is top:
                masked.append((*_mask(tag), action))
    return Profile(top, nested, tuple(masked))


@lru_cache(maxsize=64)
def standard_profile(options: frozenset[str]) -> Profile:
    """The Basic Profile of PS3.15 with some of its :data:`OPTIONS`.

    Where options disagree, moving dates goes before keeping them, and keeping before cleaning.
    """
    table: dict[int, Action] = {}
    otherwise: dict[int, Action] = {}
    masked: list[tuple[int, int, Action]] = []
    for tag, _, basic, *rest in rows("confidentiality.tsv"):
        codes = dict(pair.split("=") for pair in (rest[0].split() if rest else ()))
        fallback = _action(_RESOLVED.get(basic, basic))
        action = _chosen(fallback, {name: code for name, code in codes.items() if name in options})
        if "x" in tag:
            # Whether a bitmap shows text nobody can tell: curves and overlays are not cleaned, but removed.
            masked.append((*_mask(tag), Action.REMOVE))
            continue
        if action is not None:
            table[_tag(tag)] = action
        if fallback is not None:
            otherwise[_tag(tag)] = fallback
    table[_DOCUMENT_LENGTH] = Action.REMOVE
    nested = dict(table)
    if options & {CLEAN_CONTENT, CLEAN_GRAPHICS}:
        nested.update(dict.fromkeys(_FREE_TEXTS, Action.CLEAN))
        otherwise.update(_FREE_TEXTS)
    hidden = SUBJECT if RETAIN_CHARACTERISTICS in options else SUBJECT | _CHARACTERISTICS
    return Profile(
        table,
        nested,
        tuple(masked),
        otherwise,
        shifts=MODIFIED_DATES in options,
        hidden_concepts=hidden if CLEAN_CONTENT in options else frozenset(),
        renews_uids=RETAIN_UIDS not in options,
        safe_private=RETAIN_SAFE_PRIVATE in options,
    )


def _chosen(basic: Action | None, codes: Mapping[str, str]) -> Action | None:
    """The action for an attribute with the codes of the options that are wanted."""
    if MODIFIED_DATES in codes:
        return Action.SHIFT
    if "K" in codes.values():
        return None
    return Action.CLEAN if codes else basic


def _action(code: str) -> Action | None:
    return None if code == "K" else Action(code)


def rows(name: str) -> Iterator[list[str]]:
    """The rows of a table beside this module, as cells."""
    text = files(__package__).joinpath(name).read_text("ascii")
    return (line.split("\t") for line in text.splitlines()[1:])


def _tag(text: str) -> int:
    return int(text.replace(",", ""), 16)


def _mask(text: str) -> tuple[int, int]:
    """The bits of a tag like ``60xx,3000`` that count, and their value."""
    digits = text.replace(",", "")
    # Of what is written as 50xx,xxxx every element is meant.
    mask = int("".join("0" if digit == "x" else "f" for digit in digits), 16)
    return mask, int(digits.replace("x", "0"), 16)
