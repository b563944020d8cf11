"""Names and value representations of tags, as the clients of Orthanc know them.

The facts are pydicom's copy of PS3.6. Orthanc's names are those of DCMTK, which marks retired attributes with
the prefix ``RETIRED_``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom._private_dict import private_dictionaries
from pydicom.datadict import get_entry

from orthanclite.core.errors import UnknownDicomTag

UNKNOWN_NAME = "Unknown Tag & Data"
GENERIC_GROUP_LENGTH = "GenericGroupLength"
PRIVATE_GROUP_LENGTH = "PrivateGroupLength"
PRIVATE_CREATOR = "PrivateCreator"

_UNPREFIXED = frozenset(
    {
        0x00101000,  # OtherPatientIDs: a main tag, which Orthanc names by its keyword
        # Retired by later editions than the one that DCMTK's names follow
        0x00380004,
        0x00701807,
        0x00701808,
        0x30040010,
        0x30040012,
        0x30060085,
        0x30060088,
        0x3008002B,
        0x30100090,
    }
)

# Attributes of ACR-NEMA that pydicom no longer lists.
_OLD_ATTRIBUTES: dict[int, tuple[str, str]] = {
    0x00060001: ("SQ", "CurrentFrameFunctionalGroupsSequence"),
    0x00280410: ("US", "RETIRED_RowsForNthOrderCoefficients"),
    0x00280411: ("US", "RETIRED_ColumnsForNthOrderCoefficients"),
    0x00280412: ("LO", "RETIRED_CoefficientCoding"),
    0x00280413: ("AT", "RETIRED_CoefficientCodingPointers"),
    0x00280800: ("CS", "RETIRED_CodeLabel"),
    0x00280802: ("US", "RETIRED_NumberOfTables"),
    0x00280803: ("AT", "RETIRED_CodeTableLocation"),
    0x00280804: ("US", "RETIRED_BitsForCodeWord"),
    0x00280808: ("AT", "RETIRED_ImageDataLocation"),
    0x10000010: ("US", "RETIRED_EscapeTriplet"),
    0x10000011: ("US", "RETIRED_RunLengthTriplet"),
    0x10000012: ("US", "RETIRED_HuffmanTableSize"),
    0x10000013: ("US", "RETIRED_HuffmanTableTriplet"),
    0x10000014: ("US", "RETIRED_ShiftTableSize"),
    0x10000015: ("US", "RETIRED_ShiftTableTriplet"),
    0x10100004: ("US", "RETIRED_ZonalMap"),
}

# Where PS3.6 allows several VRs: the one that an implicit VR data set is read with (PS3.5 annex A.1).
_AMBIGUOUS = {
    "US or SS": "US",
    "OB or OW": "OW",
    "OB_OW": "OW",  # as pydicom writes one of Toshiba's
    "US or OW": "OW",
    "US or SS or OW": "OW",
    "NONE": "UN",
}

_HEX_TAG = re.compile(r"([0-9a-fA-F]{4})([0-9a-fA-F]{4})|([0-9a-fA-F]{1,4})[,-]([0-9a-fA-F]{1,4})")
_NOT_IN_NAMES = re.compile("[^0-9A-Za-z]+")


def _standard_entry(tag: int) -> tuple[str, str] | None:
    """VR and name of a public attribute, or None."""
    entry: tuple[str, ...] | None = DicomDictionary.get(tag)
    if entry is None:
        if tag in _OLD_ATTRIBUTES:
            return _OLD_ATTRIBUTES[tag]
        try:
            entry = get_entry(tag)
        except KeyError:
            return None
    vr, _, _, retired, keyword = entry
    if not keyword:
        return None
    prefix = "RETIRED_" if retired and tag not in _UNPREFIXED else ""
    return _AMBIGUOUS.get(vr, vr), prefix + keyword


SIGNED_LIKE_PIXELS = frozenset(
    tag for tag, entry in DicomDictionary.items() if entry[0].startswith("US or SS")
)
"""Attributes of VR US or SS, as PixelRepresentation says (PS3.5 annex A.1)."""


@lru_cache(maxsize=16384)
def _public(tag: int) -> tuple[str, str]:
    """VR and name of a tag whose meaning does not depend on a private creator."""
    group, element = tag >> 16, tag & 0xFFFF
    if element == 0 and group > 2:
        return "UL", PRIVATE_GROUP_LENGTH if group % 2 else GENERIC_GROUP_LENGTH
    if group % 2:
        return ("LO", PRIVATE_CREATOR) if 0x10 <= element <= 0xFF else ("UN", UNKNOWN_NAME)
    return _standard_entry(tag) or ("UN", UNKNOWN_NAME)


@lru_cache(maxsize=1)
def _tags_by_name() -> Mapping[str, int]:
    """Public attributes by keyword, and by their name with its prefix."""
    names: dict[str, int] = {}
    repeaters = (int(mask.replace("x", "0"), 16) for mask in RepeatersDictionary)
    for tag in (*_OLD_ATTRIBUTES, *DicomDictionary, *repeaters):
        entry = _standard_entry(tag)
        if entry is not None:
            names.setdefault(entry[1], tag)
            names.setdefault(entry[1].removeprefix("RETIRED_"), tag)
    return names


@lru_cache(maxsize=1)
def _public_sequences() -> frozenset[int]:
    return frozenset(tag for tag in (*DicomDictionary, *_OLD_ATTRIBUTES) if _public(tag)[0] == "SQ")


@dataclass(frozen=True, slots=True)
class PrivateEntry:
    """One private attribute; ``creator`` is empty where the definition binds to no creator."""

    tag: int  # as declared; only group and low byte count where there is a creator
    vr: str
    name: str
    creator: str = ""


@dataclass(frozen=True, slots=True)
class TagDictionary:
    """Public attributes, published private ones and those of the option ``Dictionary``. Immutable."""

    private: Mapping[tuple[str, int], PrivateEntry]
    """By creator and tag without its block number (``gggg00ee``)."""
    declared: Mapping[int, PrivateEntry]
    """The attributes that the configuration declares, by tag."""
    names: Mapping[str, int]
    """Private and declared attributes by name."""
    sequences: frozenset[int]
    """The tags that are sequences whoever is their creator."""

    @staticmethod
    def build(
        entries: Mapping[int, tuple[str, str, str]] | None = None, load_private: bool = True
    ) -> TagDictionary:
        """A dictionary with ``entries`` of the configuration: tag -> VR, name, private creator.

        ``load_private`` adds the private attributes that vendors have published (option
        ``LoadPrivateDictionary``).
        """
        private = dict(_published()) if load_private else {}
        names = {entry.name: entry.tag for entry in private.values()}
        declared = {tag: PrivateEntry(tag, *entry) for tag, entry in (entries or {}).items()}
        for tag, entry in declared.items():
            private[(entry.creator, _without_block(tag) if entry.creator else tag)] = entry
            names[entry.name] = tag
        sequences = {tag for tag, entry in declared.items() if entry.vr == "SQ" and not entry.creator}
        return TagDictionary(private, declared, names, _public_sequences() | sequences)

    def entry(self, tag: int, creator: str = "") -> tuple[str, str]:
        """VR and name of ``tag``; ``creator`` is the private creator of its block."""
        if tag & 0x10000 and tag & 0xFFFF > 0xFF:
            found = self.private.get((creator, tag & 0xFFFF00FF)) if creator else None
            if found is None:
                found = self.private.get(("", tag))
            if found is not None:
                return found.vr, found.name
        elif tag in self.declared:
            return self.declared[tag].vr, self.declared[tag].name
        return _public(tag)

    def vr(self, tag: int, creator: str = "") -> str:
        """The VR of ``tag``, ``UN`` for an unknown one."""
        return self.entry(tag, creator)[0]

    def name(self, tag: int, creator: str = "") -> str:
        """The name under which the REST API shows ``tag``."""
        return self.entry(tag, creator)[1]

    def parse_tag(self, text: str) -> int:
        """The tag that ``text`` means: ``gggg,eeee``, ``gggg-eeee``, ``ggggeeee`` or a name.

        :raises UnknownDicomTag: for any other text.
        """
        match = _HEX_TAG.fullmatch(text)
        if match is not None:
            return int(match[1] or match[3], 16) << 16 | int(match[2] or match[4], 16)
        tag = _tags_by_name().get(text)
        if tag is None:
            tag = self.names.get(text)
        if tag is None:
            raise UnknownDicomTag(text)
        return tag

    def creator_of(self, tag: int) -> str:
        """The private creator under which ``tag`` was declared by the configuration, or empty."""
        entry = self.declared.get(tag)
        return "" if entry is None else entry.creator


@lru_cache(maxsize=1)
def _published() -> Mapping[tuple[str, int], PrivateEntry]:
    """The private attributes that vendors have published."""
    private: dict[tuple[str, int], PrivateEntry] = {}
    for creator, attributes in private_dictionaries.items():
        for mask, (vr, _, name, _) in attributes.items():
            _add_published(private, creator, mask, _AMBIGUOUS.get(vr, vr), name)
    return private


def _without_block(tag: int) -> int:
    return tag & 0xFFFF00FF


def _add_published(
    private: dict[tuple[str, int], PrivateEntry], creator: str, mask: str, vr: str, name: str
) -> None:
    """Add one attribute of pydicom's list, whose tags look like ``0029xx08``; odd ones are left out.

    Names are shown as DCMTK writes them: the words of the description, capitalised and joined.
    """
    digits = mask.replace("xx", "10", 1)
    if not re.fullmatch("[0-9a-fA-F]{8}", digits):
        return
    tag = int(digits, 16)
    vr = _AMBIGUOUS.get(vr, vr)
    words = _NOT_IN_NAMES.split("" if name == "Unknown" else name)
    name = "".join(word[:1].upper() + word[1:] for word in words) or UNKNOWN_NAME
    private[creator, _without_block(tag)] = PrivateEntry(tag, vr if len(vr) == 2 else "UN", name, creator)


def is_private(tag: int) -> bool:
    """Whether the group of ``tag`` is odd (PS3.5 section 7.8)."""
    return bool(tag >> 16 & 1)


def is_private_creator(tag: int) -> bool:
    """Whether ``tag`` reserves a block of private elements."""
    return bool(tag >> 16 & 1) and 0x10 <= tag & 0xFFFF <= 0xFF


def is_private_element(tag: int) -> bool:
    """Whether ``tag`` lies in a block that a private creator reserves."""
    return bool(tag >> 16 & 1) and tag & 0xFFFF > 0xFF
