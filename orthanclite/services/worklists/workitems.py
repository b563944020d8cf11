"""Worklists as unified procedure steps (PS3.4 annex CC): what UPS-RS shows of them.

Each scheduled procedure step of a worklist is a workitem, made anew whenever somebody looks at it, unless it
is kept (:mod:`.steps`).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from orthanclite.core.errors import UnknownResource
from orthanclite.core.main_tags import STUDY_INSTANCE_UID
from orthanclite.dicom.attributes import Attribute, Attributes
from orthanclite.services.search.dataset_matching import SCHEDULED_PROCEDURE_STEP_SEQUENCE, IdentifierQuery
from orthanclite.services.search.fuzzy_names import FuzzyName
from orthanclite.services.worklists.service import WorklistService
from orthanclite.services.worklists.steps import Steps

_SOP_CLASS = Attribute("UI", "1.2.840.10008.5.1.4.34.6.1")  # Unified Procedure Step - Push

_SOP_CLASS_UID = 0x00080016
_SOP_INSTANCE_UID = 0x00080018
_MODALITY = 0x00080060
_CODE_VALUE, _CODING_SCHEME, _CODE_MEANING = 0x00080100, 0x00080102, 0x00080104
_STEP_AE_TITLE, _STEP_STATION = 0x00400001, 0x00400010
_STEP_DATE, _STEP_TIME = 0x00400002, 0x00400003
_STEP_DESCRIPTION, _STEP_PROTOCOL = 0x00400007, 0x00400008
_STEP_PERFORMER = 0x00400006
_PROCEDURE_DESCRIPTION, _PROCEDURE_PRIORITY = 0x00321060, 0x00401003

_PERSON_GROUPS = (0x0010, 0x0038)
"""The groups of attributes that are about the patient and his visit: the same in both."""
_OF_REQUEST = (
    0x00080050,  # AccessionNumber
    0x00080051,  # IssuerOfAccessionNumberSequence
    STUDY_INSTANCE_UID,
    0x00321032,  # RequestingPhysician
    0x00321033,  # RequestingService
    _PROCEDURE_DESCRIPTION,
    0x00321064,  # RequestedProcedureCodeSequence
    0x00401001,  # RequestedProcedureID
    0x00401002,  # ReasonForTheRequestedProcedure
    0x00402016,  # PlacerOrderNumberImagingServiceRequest
    0x00402017,  # FillerOrderNumberImagingServiceRequest
)
"""What a worklist says of the request, in the item of ReferencedRequestSequence (PS3.3 table 10-3b)."""
_PRIORITIES = {"STAT": "HIGH", "HIGH": "HIGH", "LOW": "LOW"}
"""Priorities of procedures as those of steps; MEDIUM where there is none."""

SHOWN = (
    _SOP_CLASS_UID,
    _SOP_INSTANCE_UID,
    0x00100010,  # PatientName
    0x00100020,  # PatientID
    0x00100030,  # PatientBirthDate
    0x00100040,  # PatientSex
    STUDY_INSTANCE_UID,
    0x00380010,  # AdmissionID
    0x00404005,  # ScheduledProcedureStepStartDateTime
    0x00404018,  # ScheduledWorkitemCodeSequence
    0x00404021,  # InputInformationSequence
    0x00404025,  # ScheduledStationNameCodeSequence
    0x00404026,  # ScheduledStationClassCodeSequence
    0x00404027,  # ScheduledStationGeographicLocationCodeSequence
    0x00404034,  # ScheduledHumanPerformersSequence
    0x00404041,  # InputReadinessState
    0x0040A370,  # ReferencedRequestSequence
    0x00741000,  # ProcedureStepState
    0x00741200,  # ScheduledProcedureStepPriority
    0x00741202,  # WorklistLabel
    0x00741204,  # ProcedureStepLabel
)
"""What a search answers of a workitem, whatever is asked for (PS3.4 table CC.2.5-3)."""


class Found(NamedTuple):
    """What a search has found."""

    workitems: Sequence[Attributes]
    left: int  # matches that were left out for the limit


class Workitems:
    """Searches and shows workitems. Thread-safe.

    :param steps: those that are kept
    :param case_sensitive_names: the option ``CaseSensitivePN``
    """

    def __init__(self, worklists: WorklistService, steps: Steps, case_sensitive_names: bool = False) -> None:
        self._worklists = worklists
        self._steps = steps
        self._case_sensitive_names = case_sensitive_names

    def search(
        self, keys: Attributes, fuzzy: bool = False, since: int = 0, limit: int = 0, whole: bool = False
    ) -> Found:
        """The workitems that match.

        :param keys: the attributes to be answered, with the values that they must have
        :param fuzzy: whether names match by the beginnings of their words
        :param since: matches to skip
        :param limit: matches to answer at most; 0 for no limit
        :param whole: whether all attributes are answered
        :raises BadRequest: for a query that is too large.
        :raises ParameterOutOfRange: for a wildcard where none may be.
        """
        names = {
            tag: name
            for tag, key in keys.items()
            if fuzzy and key.vr == "PN" and (name := FuzzyName(key.text)).words
        }
        exact = {tag: Attribute("PN") if tag in names else key for tag, key in keys.items()}
        query = IdentifierQuery(exact, self._case_sensitive_names)
        matches = [
            one
            for _, one in self._all()
            if query.matches(one) and all(name.matches(_text(one, tag)) for tag, name in names.items())
        ][since:]
        wanted = matches[:limit] if limit else matches
        return Found([one if whole else query.answer(one) for one in wanted], len(matches) - len(wanted))

    def get(self, uid: str) -> Attributes:
        """The workitem with this SOP Instance UID.

        :raises UnknownResource: where there is none.
        """
        found = self._steps.get(uid) or of_worklists(self._worklists, uid)
        if found is None:
            raise UnknownResource(f"There is no workitem {uid}")
        return found

    def _all(self) -> Iterator[tuple[str, Attributes]]:
        kept = dict(self._steps.all())
        yield from kept.items()
        for uid, workitem in _of_worklists(self._worklists):
            if uid not in kept:
                yield uid, workitem


def of_worklists(worklists: WorklistService, uid: str) -> Attributes | None:
    """The workitem of a step of a worklist; None for an unknown UID."""
    return next((workitem for known, workitem in _of_worklists(worklists) if known == uid), None)


def _of_worklists(worklists: WorklistService) -> Iterator[tuple[str, Attributes]]:
    for id, worklist in worklists.all_attributes():
        sequence = worklist.get(SCHEDULED_PROCEDURE_STEP_SEQUENCE)
        for number, step in enumerate((sequence and sequence.items) or ({},)):
            uid = f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{id}/{number}').int}"
            yield uid, workitem_of(uid, worklist, step)


def workitem_of(uid: str, worklist: Attributes, step: Attributes) -> dict[int, Attribute]:
    """A step of a worklist as a workitem (PS3.3 section B.26.2)."""
    priority = _PRIORITIES.get(_text(worklist, _PROCEDURE_PRIORITY).upper(), "MEDIUM")
    label = _text(step, _STEP_DESCRIPTION) or _text(worklist, _PROCEDURE_DESCRIPTION)
    known = {tag: value for tag, value in worklist.items() if tag >> 16 in _PERSON_GROUPS}
    station, modality = _text(step, _STEP_AE_TITLE), _text(step, _MODALITY)
    performer = _text(step, _STEP_PERFORMER)
    return known | {
        _SOP_CLASS_UID: _SOP_CLASS,
        _SOP_INSTANCE_UID: Attribute("UI", uid),
        STUDY_INSTANCE_UID: worklist.get(STUDY_INSTANCE_UID, Attribute("UI")),
        0x00404005: Attribute("DT", _start(step)),
        0x00404018: step.get(_STEP_PROTOCOL, _items()),
        0x00404021: _items(),
        0x00404025: _items(_code(station, "L", _text(step, _STEP_STATION) or station)),
        0x00404026: _items(_code(modality, "DCM", modality)),
        0x00404027: _items(),
        0x00404034: _items({0x00404037: Attribute("PN", performer)} if performer else {}),
        0x00404041: Attribute("CS", "READY"),
        0x0040A370: _items({tag: worklist[tag] for tag in _OF_REQUEST if tag in worklist}),
        0x00741000: Attribute("CS", "SCHEDULED"),
        0x00741200: Attribute("CS", priority),
        0x00741202: Attribute("LO", "Modality worklist"),
        0x00741204: Attribute("LO", label),
    }


def _start(step: Attributes) -> str:
    """Date and time as one (PS3.5 section 6.2)."""
    date = _text(step, _STEP_DATE).replace(".", "")
    return date + _text(step, _STEP_TIME).replace(":", "") if date else ""


def _text(attributes: Attributes, tag: int) -> str:
    found = attributes.get(tag)
    return "" if found is None else found.text.strip()


def _items(*items: Mapping[int, Attribute]) -> Attribute:
    return Attribute("SQ", items=tuple(item for item in items if item))


def _code(value: str, scheme: str, meaning: str) -> dict[int, Attribute]:
    """An item of a code sequence (PS3.3 section 8); empty without a value."""
    if not value:
        return {}
    return {
        _CODE_VALUE: Attribute("SH", value),
        _CODING_SCHEME: Attribute("SH", scheme),
        _CODE_MEANING: Attribute("LO", meaning),
    }
