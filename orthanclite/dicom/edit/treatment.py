"""The values that a profile wants in place of those of one file."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from functools import cached_property

from orthanclite.core.main_tags import PATIENT_ID
from orthanclite.dicom.charsets import Charset
from orthanclite.dicom.dictionary import TagDictionary, is_private, is_private_creator
from orthanclite.dicom.edit.cleaning import TEXT_VRS, cleaned, dummy, safe_private, shifted, words_of
from orthanclite.dicom.edit.plan import EditPlan
from orthanclite.dicom.edit.profiles import Action, Profile
from orthanclite.dicom.edit.rewrite import Value
from orthanclite.dicom.reading.dataset import DataSet, DicomFile, Element

_IDENTIFIERS = (PATIENT_ID, 0x00101000, 0x00080050)  # with OtherPatientIDs and AccessionNumber
_TEMPORAL_VRS = frozenset({"DA", "DT", "TM"})
_FORMS = {"CS": re.compile(rb"[A-Z0-9 _\\]*"), "UI": re.compile(rb"[0-9.\\]+\0?")}
"""What values of these VRs look like (PS3.5 section 6.2): others may be anything."""
_NO_SCHEME: Mapping[int, bytes] = {0x00080102: b"99ANON"}
"""CodingSchemeDesignator of a code that says nothing: a private one (PS3.3 section 8.2)."""

_CHARACTERISTICS = 0x00080300  # PrivateDataElementCharacteristicsSequence (PS3.3 C.12.1.1.7)


class DoesNotFit(Exception):
    """A text cannot be expressed in the character set that it would be in."""


class Treatment:
    """Treats the values of one file; ``charset`` is that of its data set."""

    def __init__(self, file: DicomFile, plan: EditPlan, dictionary: TagDictionary, charset: Charset) -> None:
        self._dataset = file.dataset
        self._plan = plan
        self._dictionary = dictionary
        self._charset = charset

    def value(
        self, dataset: DataSet, element: Element, action: Action, charset: Charset, target: Charset
    ) -> Value | None:
        """What becomes of the value of an element that is no sequence; None where it is removed.

        :param charset: of the text in ``dataset``
        :param target: of the text afterwards
        :raises DoesNotFit: where ``target`` cannot express what is left of a text
        """
        vr = self.vr(dataset, element)
        if action is Action.SHIFT:
            if vr not in _TEMPORAL_VRS:
                return Value(vr, dataset.value(element))
            moved = self._moved(dataset.value(element), vr)
            if moved is not None:
                return Value(vr, moved)
        if action is Action.CLEAN and vr in TEXT_VRS:
            text = self._cleaned(charset.decode(dataset.value(element), vr), vr)
            if text and not target.holds(text, vr):
                raise DoesNotFit
            if text:
                return Value(vr, target.encode(text))
        if action in (Action.SHIFT, Action.CLEAN):
            profile = self._plan.profile
            assert profile is not None
            action = profile.otherwise.get(element.tag, Action.CLEAR)
        return self._plain(dataset, element, vr, action)

    def nothing(self, dataset: DataSet, element: Element) -> Value | None:
        """A value that says nothing; None where that of the element may stay: it is a code string, or a UID
        that no table names, such as that of a class; or empty."""
        vr = self.vr(dataset, element)
        form = _FORMS.get(vr)
        if element.start == element.end or (form is not None and form.fullmatch(dataset.value(element))):
            return None
        return Value(vr, _NO_SCHEME.get(element.tag) or dummy(vr, element.end - element.start))

    def vr(self, dataset: DataSet, element: Element) -> str:
        """The VR of an element, by the dictionary where the file does not tell."""
        if element.vr != "UN":
            return element.vr
        return self._dictionary.vr(element.tag, dataset.creator(element.tag))

    def renewed(self, value: bytes) -> bytes:
        """New UIDs for those of a value."""
        plan = self._plan
        texts = (text.strip(" \0") for text in value.decode("latin_1").split("\\"))
        new = (plan.references.get(text) or plan.new_uid(text) if text else "" for text in texts)
        return "\\".join(new).encode("latin_1")

    def safe_private(self, dataset: DataSet, profile: Profile) -> frozenset[int]:
        """The private elements of a data set that are known to be safe, and their creators' elements."""
        if not profile.safe_private:
            return frozenset()
        found: set[int] = set()
        for element in dataset:
            tag = element.tag
            if not is_private(tag) or is_private_creator(tag):
                continue
            if self._is_safe(tag, dataset.creator(tag)):
                found |= {tag, tag & 0xFFFF0000 | tag >> 8 & 0xFF}
        return frozenset(found)

    def _plain(self, dataset: DataSet, element: Element, vr: str, action: Action) -> Value | None:
        if action is Action.REMOVE:
            return None
        if action is Action.RENEW or (action is Action.DUMMY and vr == "UI"):
            return Value(vr, self.renewed(dataset.value(element)))
        length = element.end - element.start
        return Value(vr, dummy(vr, length) if action is Action.DUMMY and length else b"")

    def _moved(self, value: bytes, vr: str) -> bytes | None:
        # A day's shift leaves the time of day: that a study spans midnight can still be told.
        assert self._plan.cleaning.days  # or dates would stay, and nobody notice
        return value if vr == "TM" else shifted(value, self._plan.cleaning.days)

    def _cleaned(self, text: str, vr: str) -> str:
        allowed = self._plan.cleaning.words
        return cleaned(text, vr, allowed, self._names) if allowed else ""

    @cached_property
    def _names(self) -> frozenset[str]:
        """The words of the names of persons, and of identifiers of the patient."""
        found: set[str] = set()
        for element in self._dataset:
            vr = self.vr(self._dataset, element)
            if vr == "PN" or element.tag in _IDENTIFIERS:
                found.update(words_of(self._charset.decode(self._dataset.value(element), vr)))
        return frozenset(found)

    def _is_safe(self, tag: int, creator: str) -> bool:
        if not creator:
            return False
        named = (creator, tag & 0xFFFF00FF)
        return named in safe_private() or named in self._declared or (creator, tag >> 16) in self._safe_blocks

    @cached_property
    def _blocks(self) -> list[tuple[int, str, DataSet]]:
        """Group and creator of the private blocks that the file describes, and the item that does so."""
        sequence = self._dataset.elements.get(_CHARACTERISTICS)
        found: list[tuple[int, str, DataSet]] = []
        for item in (sequence.items or []) if sequence is not None else ():
            group = self._numbers(item, 0x00080301)
            creator = (item.raw(0x00080302) or b"").decode("latin_1").strip(" \0")
            if group and creator:
                found.append((group[0], creator, item))
        return found

    @cached_property
    def _safe_blocks(self) -> frozenset[tuple[str, int]]:
        return frozenset(
            (creator, group)
            for group, creator, item in self._blocks
            if (item.raw(0x00080303) or b"").strip(b" \0") == b"SAFE"
        )

    @cached_property
    def _declared(self) -> frozenset[tuple[str, int]]:
        """The elements that the file calls nonidentifying, as :func:`.safe_private` names them."""
        return frozenset(
            (creator, group << 16 | number & 0xFF)
            for group, creator, item in self._blocks
            for number in self._numbers(item, 0x00080304)
        )

    @staticmethod
    def _numbers(item: DataSet, tag: int) -> list[int]:
        raw = item.raw(tag) or b""
        code = f"{'>' if item.big_endian else '<'}{len(raw) // 2}H"
        return list(struct.unpack_from(code, raw))
