"""Identifiers: Orthanc's hashed IDs (Orthanc Book, "Orthanc identifiers") and DICOM UIDs (PS3.5 B.2)."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

from orthanclite.core.levels import Level


def orthanc_id(*values: str) -> str:
    """The Orthanc ID of the identifying values joined by ``|``: SHA-1 in five groups of eight hex digits.

    >>> orthanc_id("a")
    '86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8'
    """
    digest = hashlib.sha1("|".join(values).encode("utf-8"), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:16]}-{digest[16:24]}-{digest[24:32]}-{digest[32:]}"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The Orthanc IDs of one instance and of its three ancestors."""

    patient: str
    study: str
    series: str
    instance: str

    def at(self, level: Level) -> str:
        return (self.patient, self.study, self.series, self.instance)[level - 1]


def hierarchy(patient_id: str, study_uid: str, series_uid: str, sop_uid: str) -> Hierarchy:
    """The Orthanc IDs of an instance, from its identifying attributes (already stripped)."""
    return Hierarchy(
        orthanc_id(patient_id),
        orthanc_id(patient_id, study_uid),
        orthanc_id(patient_id, study_uid, series_uid),
        orthanc_id(patient_id, study_uid, series_uid, sop_uid),
    )


def generate_uid() -> str:
    """A fresh UID derived from a random UUID (PS3.5 B.2), at most 44 characters."""
    return f"2.25.{uuid.uuid4().int}"
