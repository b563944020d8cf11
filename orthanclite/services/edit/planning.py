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
from orthanclite.dicom.edit.cleaning import Cleaning
from orthanclite.dicom.edit.pseudonyms import patient_pseudonym
from orthanclite.services.edit.request.deidentification import Deidentification, patient_of
from orthanclite.services.edit.request.fields import ModificationRequest
from orthanclite.services.edit.request.identities import UIDS

PATIENT_NAME = 0x00100010
_IDENTITY_REMOVED = 0x00120062
_METHOD = 0x00120063
_COUNTER = "anonymization-sequence"

_PATIENTS = 16
"""Patients whose plans are kept at a time: the instances of a job are in no order of theirs."""


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


def pseudonym(
    request: ModificationRequest, key: bytes, identifiers: Mapping[int, str], name: str
) -> Pseudonym:
    """That of the patient with these original identifiers: a key gives always the same to the same.

    :param name: of :func:`draw_name`; with the key of a project, the patient is called as he is numbered
    """
    if request.key:
        made = patient_pseudonym(request.key, patient_of(identifiers))
        return Pseudonym(made, made if name else "")
    patient_id = identifiers.get(PATIENT_ID, "")
    digest = hashlib.blake2b(patient_id.encode("utf-8"), key=key, digest_size=16, person=b"PatientID")
    return Pseudonym(str(uuid.UUID(bytes=digest.digest(), version=4)), name)


def make_plan(
    request: ModificationRequest,
    level: Level,
    key: bytes,
    references: Mapping[str, str],
    identifiers: Mapping[int, str],
    name: str = "",
    server: str = "",
) -> EditPlan:
    """The plan of a request at a level.

    :param key: of new UIDs: the same key, the same UIDs
    :param references: UIDs that are replaced in sequences by others than the key gives
    :param identifiers: of an instance of the patient, by tag, as they are before
    :param name: of an anonymised patient, see :func:`draw_name`
    :param server: name and version, for an anonymisation
    """
    replace: dict[TagPath, Any] = dict(request.replace)
    deidentification, cleaning = request.deidentification, Cleaning()
    if deidentification is not None:
        cleaning = deidentification.cleaning(key, identifiers)
        patient = pseudonym(request, key, identifiers, name)
        for tag, value in _anonymous(request, deidentification, patient, server).items():
            if TagPath(tag) not in request.remove:
                replace.setdefault(TagPath(tag), value)
    return EditPlan(
        keep=request.keep,
        replace=replace,
        remove=request.remove,
        remove_private=not request.private_tags,
        profile=None if deidentification is None else deidentification.profile,
        renew=renewed(request, level),
        new_uid=partial(new_uid, key),
        references=references,
        creator=request.private_creator,
        cleaning=cleaning,
        remove_overlays=request.pixels.remove_overlays,
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
    def plan(patient_id: str, study: str) -> EditPlan:
        identifiers = {PATIENT_ID: patient_id, UIDS[Level.STUDY]: study}
        return make_plan(request, level, key, references, identifiers, name, server)

    # What has no PatientID is told by its study: see patient_of.
    return lambda identifiers: plan(
        identifiers[PATIENT_ID], "" if identifiers[PATIENT_ID].strip() else identifiers[UIDS[Level.STUDY]]
    )


def renewed(request: ModificationRequest, level: Level) -> frozenset[int]:
    """The identifiers that get new UIDs: those at the level and below, all of them in an anonymisation."""
    if request.deidentification is not None and not request.deidentification.profile.renews_uids:
        return frozenset()
    highest = Level.STUDY if request.is_anonymization else level
    return frozenset(
        tag
        for one, tag in UIDS.items()
        if one >= highest and not request.replaces(tag) and not request.keeps(tag)
    )


def _anonymous(
    request: ModificationRequest, deidentification: Deidentification, pseudonym: Pseudonym, server: str
) -> dict[int, Any]:
    """The attributes that anonymisation sets."""
    version = deidentification.version
    method = server
    if not request.is_customized:
        # PS3.15 calls its table a profile from the edition of 2011 on.
        basic = "" if version == "2008" else " Basic Profile"
        method = f"{server} - PS 3.15-{version} Table E.1-1{basic}"
    values: dict[int, Any] = {PATIENT_ID: pseudonym.patient_id, _IDENTITY_REMOVED: "YES", _METHOD: method}
    values |= deidentification.attributes(bool(request.keep or request.private_tags))
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


def whole_level(request: ModificationRequest, level: Level) -> Level:
    """The level at which a resource must be edited as a whole, for references to it and into it to follow.

    What refers to a study of which a part gets new UIDs may mean either part.
    """
    if request.is_anonymization:
        return Level.INSTANCE  # it renews all references
    renew = renewed(request, level)
    changed = (one for one, tag in UIDS.items() if tag in renew or request.replaces(tag))
    return next(changed, Level.INSTANCE)


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
    if request.key:
        return frozenset()  # the same may have been made before
    renew = renewed(request, level)
    first: Level | None = next((one for one, tag in UIDS.items() if tag in renew), None)
    if request.is_anonymization and not (request.keeps(PATIENT_ID) or request.replaces(PATIENT_ID)):
        first = Level.PATIENT
    return frozenset(one for one in Level if first is not None and one >= first)
