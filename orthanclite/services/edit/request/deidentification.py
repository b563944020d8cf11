"""What a request for an anonymisation says beyond Orthanc's API: PS3.15's options, and the key of a project.

``Profile`` names the Basic Profile and its options, ``CleanWords`` the words that may stay in cleaned texts,
and ``DeidentificationKey`` one of the keys of the configuration (``DeidentificationKeys``). Requests hold the
name of a key, never the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orthanclite.core.errors import BadFileFormat, BadRequest, ParameterOutOfRange
from orthanclite.core.main_tags import PATIENT_ID, STUDY_INSTANCE_UID
from orthanclite.core.text.fields import strings_field
from orthanclite.dicom.edit.cleaning import Cleaning, words_of
from orthanclite.dicom.edit.profiles import (
    BASIC_CODE,
    CLEANING,
    DEFAULT_VERSION,
    FULL_DATES,
    MODIFIED_DATES,
    OPTIONS,
    STANDARD,
    VERSIONS,
    Profile,
    profile,
    standard_profile,
)
from orthanclite.dicom.edit.pseudonyms import date_shift

BASIC = "Basic"
CLEAN_PIXELS = "CleanPixelData"
"""The option that is a promise of the client: no identity is left in the pixels once they are masked."""
_CLEAN_PIXELS_CODE = ("113101", "Clean Pixel Data Option")

_METHOD_CODES = 0x00120064  # DeidentificationMethodCodeSequence
_TEMPORAL = 0x00280303  # LongitudinalTemporalInformationModified

_MOST_WORDS = 10_000


@dataclass(frozen=True, slots=True)
class Deidentification:
    """How an anonymisation treats attributes."""

    version: str
    """The edition of the standard."""
    options: frozenset[str] | None
    """Those of PS3.15; None for Orthanc's own profile of the edition."""
    words: frozenset[str] = frozenset()
    key: bytes = field(default=b"", repr=False)
    """The secret key of a project; empty for a random one."""

    @property
    def profile(self) -> Profile:
        if self.options is None:
            return profile(self.version)
        return standard_profile(self.options - {CLEAN_PIXELS})

    @property
    def cleans_pixels(self) -> bool:
        return self.options is not None and CLEAN_PIXELS in self.options

    def cleaning(self, key: bytes, identifiers: Mapping[int, str]) -> Cleaning:
        """How the texts and dates of a patient are cleaned.

        :param key: from which the shift of dates follows
        :param identifiers: of an instance of the patient, by tag, as they are before
        """
        days = date_shift(key, patient_of(identifiers)) if self.profile.shifts else 0
        return Cleaning(self.words, days)

    def attributes(self, is_weakened: bool) -> dict[int, Any]:
        """The attributes that tell what was done (PS3.15 section E.1.1), by tag, in the JSON of the REST API.

        :param is_weakened: whether the client keeps more than the profile allows: then no code claims it
        """
        if self.options is None:
            return {}
        temporal = "UNMODIFIED" if FULL_DATES in self.options else "REMOVED"
        found: dict[int, Any] = {_TEMPORAL: "MODIFIED" if MODIFIED_DATES in self.options else temporal}
        if not is_weakened:
            codes = [BASIC_CODE, *(_CODES[name] for name in sorted(self.options))]
            found[_METHOD_CODES] = [
                {"0008,0100": code, "0008,0102": "DCM", "0008,0104": meaning} for code, meaning in codes
            ]
        return found


_CODES = {**OPTIONS, CLEAN_PIXELS: _CLEAN_PIXELS_CODE}


class DeidentificationReader:
    """Reads these members of requests.

    :param keys: the secret keys of projects, by their names
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = keys

    def read(self, body: Mapping[str, Any]) -> Deidentification:
        """
        :raises BadFileFormat: for members of a wrong type
        :raises ParameterOutOfRange: for an unknown ``DicomVersion``, option or key
        :raises BadRequest: for options that exclude one another, and for what has no effect
        """
        options = _options(body)
        return Deidentification(_version(body, options), options, _words(body, options), self._key(body))

    def _key(self, body: Mapping[str, Any]) -> bytes:
        name = body.get("DeidentificationKey", "")
        if not isinstance(name, str):
            raise BadFileFormat("String value expected in field: DeidentificationKey")
        if not name:
            return b""
        if name not in self._keys:
            raise ParameterOutOfRange(f"Unknown DeidentificationKey: {name}")
        return self._keys[name].encode("utf-8")


def refuse_deidentification(body: Mapping[str, Any]) -> None:
    """Notice what a modification cannot do.

    :raises BadRequest: for members that are for anonymisation only
    """
    for name in ("Profile", "CleanWords", "DeidentificationKey"):
        if name in body:
            raise BadRequest(f"{name} is for anonymization only")


def patient_of(identifiers: Mapping[int, str]) -> str:
    """What a patient is known by: PatientID, or the study where that is empty, so that patients without an
    identifier are not taken for one."""
    patient = identifiers.get(PATIENT_ID, "").strip(" \0")
    return patient or "\0" + identifiers.get(STUDY_INSTANCE_UID, "")


def _options(body: Mapping[str, Any]) -> frozenset[str] | None:
    if "Profile" not in body:
        return None
    given = [body["Profile"]] if isinstance(body["Profile"], str) else strings_field(body, "Profile")
    options = frozenset(given)
    unknown = options - {BASIC, *_CODES}
    if unknown:
        raise ParameterOutOfRange(f"Unknown name in Profile: {min(unknown)}")
    if BASIC not in options:
        raise BadRequest("Profile must name Basic: its options add to it")
    if {FULL_DATES, MODIFIED_DATES} <= options:
        raise BadRequest(f"{FULL_DATES} and {MODIFIED_DATES} exclude one another")
    if CLEAN_PIXELS in options and "MaskPixels" not in body:
        raise BadRequest(f"{CLEAN_PIXELS} needs MaskPixels")
    if body.get("KeepPrivateTags"):
        raise BadRequest("KeepPrivateTags is not for Profile: see RetainSafePrivate")
    return options - {BASIC}


def _version(body: Mapping[str, Any], options: frozenset[str] | None) -> str:
    default = DEFAULT_VERSION if options is None else STANDARD
    version = body.get("DicomVersion", default)
    if not isinstance(version, str):
        raise BadFileFormat("DicomVersion should be a string")
    if version not in (VERSIONS if options is None else (STANDARD,)):
        raise ParameterOutOfRange(f"Unknown specific version of the DICOM standard: {version}")
    return version


def _words(body: Mapping[str, Any], options: frozenset[str] | None) -> frozenset[str]:
    if "CleanWords" not in body:
        return frozenset()
    if not options or options.isdisjoint(CLEANING):
        raise BadRequest(f"CleanWords needs one of {', '.join(sorted(CLEANING))} in Profile")
    words = strings_field(body, "CleanWords")
    if len(words) > _MOST_WORDS:
        raise BadRequest(f"CleanWords has more than {_MOST_WORDS} words")
    return frozenset(word for text in words for word in words_of(text))
