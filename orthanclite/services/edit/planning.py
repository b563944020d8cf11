"""From a request to the plan that changes files."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from orthanclite.core.levels import Level
from orthanclite.core.main_tags import IDENTIFIER_OF, PATIENT_ID
from orthanclite.core.ports import Properties
from orthanclite.dicom.edit import EditPlan, TagPath, new_uid
from orthanclite.dicom.edit.profiles import DEFAULT_VERSION, profile
from orthanclite.services.edit.request import ModificationRequest

PATIENT_NAME = 0x00100010
_IDENTITY_REMOVED = 0x00120062
_METHOD = 0x00120063
_COUNTER = "anonymization-sequence"

_PATIENTS = 16
"""Patients whose plans are kept at a time: the instances of a job are in no order of theirs."""

UIDS = {level: tag for level, tag in IDENTIFIER_OF.items() if level is not Level.PATIENT}
"""The identifiers that are UIDs, by level."""


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """What an anonymised patient is called, the same in all of his files."""

    patient_id: str
    patient_name: str
    """Empty where the request says what becomes of the name."""


def draw_name(request: ModificationRequest, properties: Properties) -> str:
    """A new PatientName; it counts up in the server's whole life, as the reference's does. Empty where the
    request says what becomes of the name."""
    if request.replaces(PATIENT_NAME) or request.keeps(PATIENT_NAME) or request.removes(PATIENT_NAME):
        return ""
    return f"Anonymized{properties.increment(_COUNTER)}"


def pseudonym(key: bytes, patient_id: str, name: str) -> Pseudonym:
    """That of the patient with an original PatientID: a key gives always the same to the same."""
    digest = hashlib.blake2b(patient_id.encode("utf-8"), key=key, digest_size=16, person=b"PatientID")
    return Pseudonym(str(uuid.UUID(bytes=digest.digest(), version=4)), name)


def make_plan(
    request: ModificationRequest,
    level: Level,
    key: bytes,
    references: Mapping[str, str],
    pseudonym: Pseudonym | None = None,
    server: str = "",
) -> EditPlan:
    """The plan of a request at a level.

    :param key: of new UIDs: the same key, the same UIDs
    :param references: UIDs that are replaced in sequences by others than the key gives
    :param pseudonym: for an anonymisation
    :param server: name and version, for an anonymisation
    """
    replace: dict[TagPath, Any] = dict(request.replace)
    if pseudonym is not None:
        for tag, value in _anonymous(request, pseudonym, server).items():
            if TagPath(tag) not in request.remove:
                replace.setdefault(TagPath(tag), value)
    return EditPlan(
        keep=request.keep,
        replace=replace,
        remove=request.remove,
        remove_private=not request.private_tags,
        profile=profile(request.version) if request.version is not None else None,
        renew=renewed(request, level),
        new_uid=partial(new_uid, key),
        references=references,
        creator=request.private_creator,
    )


def make_plans(
    request: ModificationRequest,
    level: Level,
    key: bytes,
    references: Mapping[str, str],
    name: str = "",
    server: str = "",
) -> Callable[[Mapping[int, str]], EditPlan]:
    """The plans of a request for instances of any patients, by the identifiers of an instance.

    :param name: of anonymised patients, see :func:`draw_name`
    """

    @lru_cache(maxsize=_PATIENTS)
    def plan(patient_id: str) -> EditPlan:
        patient = pseudonym(key, patient_id, name) if request.is_anonymization else None
        return make_plan(request, level, key, references, patient, server)

    return lambda identifiers: plan(identifiers[PATIENT_ID])


def renewed(request: ModificationRequest, level: Level) -> frozenset[int]:
    """The identifiers that get new UIDs: those at the level and below, all of them in an anonymisation."""
    highest = Level.STUDY if request.is_anonymization else level
    return frozenset(
        tag
        for one, tag in UIDS.items()
        if one >= highest and not request.replaces(tag) and not request.keeps(tag)
    )


def _anonymous(request: ModificationRequest, pseudonym: Pseudonym, server: str) -> dict[int, str]:
    """The attributes that anonymisation sets."""
    version = request.version or DEFAULT_VERSION
    method = server
    if not request.is_customized:
        # PS3.15 calls its table a profile from the edition of 2011 on.
        basic = "" if version == "2008" else " Basic Profile"
        method = f"{server} - PS 3.15-{version} Table E.1-1{basic}"
    values = {PATIENT_ID: pseudonym.patient_id, _IDENTITY_REMOVED: "YES", _METHOD: method}
    if pseudonym.patient_name:
        values[PATIENT_NAME] = pseudonym.patient_name
    return values


def set_references(
    request: ModificationRequest, level: Level, key: bytes, identifiers: Iterable[Mapping[int, str]]
) -> dict[str, str]:
    """What :func:`make_plan` needs to keep the relations within a set of instances that are edited together.

    Anonymisation renews UIDs wherever they are, so that only those that get other values are told here.

    :param identifiers: of each instance, by tag, as they are before
    """
    renew = frozenset() if request.is_anonymization else renewed(request, level)
    new: dict[int, str | None] = {}
    for tag in UIDS.values():
        if request.replaces(tag):
            new[tag] = str(request.replace[TagPath(tag)] or "")
        elif tag in renew or (request.is_anonymization and request.keeps(tag)):
            new[tag] = None  # follows from the original
    found: dict[str, str] = {}
    for one in identifiers if new else ():
        for tag, value in new.items():
            if original := one.get(tag, ""):
                found[original] = value or (new_uid(key, original) if tag in renew else original)
    return found


def changed_levels(plan: EditPlan, identifiers: Mapping[int, str]) -> frozenset[Level]:
    """The levels at which what is made of an instance is another resource than before.

    :param identifiers: of the instance, by tag, as they are before
    """
    changed: set[Level] = set()
    for level, tag in IDENTIFIER_OF.items():
        path = TagPath(tag)
        if path in plan.keep:
            differs = False
        elif path in plan.replace:
            differs = str(plan.replace[path] or "") != identifiers.get(tag, "")
        else:
            differs = tag in plan.renew or path in plan.remove
        if differs:
            changed.update(one for one in Level if one >= level)
    return frozenset(changed)


def fresh_levels(request: ModificationRequest, level: Level) -> frozenset[Level]:
    """The levels at which all that is made is new."""
    renew = renewed(request, level)
    first: Level | None = next((one for one, tag in UIDS.items() if tag in renew), None)
    if request.is_anonymization and not (request.keeps(PATIENT_ID) or request.replaces(PATIENT_ID)):
        first = Level.PATIENT
    return frozenset(one for one in Level if first is not None and one >= first)
