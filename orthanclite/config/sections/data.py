"""Settings of how DICOM data are read, shown and searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orthanclite.config.parsers import (
    ContentType,
    DictionaryEntry,
    parse_dictionary,
    parse_extra_main_tags,
    parse_user_content_types,
    parse_user_metadata,
)
from orthanclite.config.table import setting
from orthanclite.core.levels import Level

ENCODINGS = (
    "Ascii",
    "Utf8",
    "Latin1",
    "Latin2",
    "Latin3",
    "Latin4",
    "Latin5",
    "Cyrillic",
    "Windows1251",
    "Arabic",
    "Greek",
    "Hebrew",
    "Thai",
    "Japanese",
    "Chinese",
    "JapaneseKanji",
    "Korean",
    "SimplifiedChinese",
)


@dataclass(frozen=True, slots=True)
class WarningSettings:
    """The section ``Warnings``: which peculiarities are worth a line in the log."""

    tags_read_from_storage: bool = setting(
        "W001_TagsBeingReadFromStorage", True, "A tag had to be read from a file, which is slow."
    )
    inconsistent_tags: bool = setting(
        "W002_InconsistentDicomTagsInDb", True, "A resource was indexed with another list of main tags."
    )
    decoder_failure: bool = setting("W003_DecoderFailure", True, "An image could not be decoded.")
    no_signature: bool = setting(
        "W004_NoMainDicomTagsSignature", True, "A resource does not tell with which main tags it was indexed."
    )
    tag_from_lower_level: bool = setting(
        "W005_RequestingTagFromLowerResourceLevel", True, "A tag of a lower level was asked for."
    )
    tag_from_meta_header: bool = setting(
        "W006_RequestingTagFromMetaHeader", True, "A tag of the file meta information was asked for."
    )
    missing_tags_not_read: bool = setting(
        "W007_MissingRequestedTagsNotReadFromDisk", True, "A tag was not shown, to spare reading a file."
    )


_SHORTEST_KEY = 16  # characters


def _refuse_weak_keys(value: object) -> str | None:
    assert isinstance(value, dict)
    for name, key in value.items():
        if not name or len(key) < _SHORTEST_KEY:
            return f'each key needs a name and at least {_SHORTEST_KEY} characters, unlike that of "{name}"'
    return None


@dataclass(frozen=True, slots=True)
class DataSettings:
    """Character sets, dictionaries, main tags and names."""

    default_encoding: str = setting(
        "DefaultEncoding",
        "Latin1",
        "Character set of files without SpecificCharacterSet, and of C-FIND answers.",
        choices=ENCODINGS,
    )
    extra_main_tags: Mapping[Level, tuple[str, ...]] = setting(
        "ExtraMainDicomTags",
        {},
        "Further tags that the index keeps, by level (Patient, Study, Series, Instance), by name or number. "
        "What was stored before a change is indexed anew in the background.",
        parse=parse_extra_main_tags,
    )
    dictionary: tuple[DictionaryEntry, ...] = setting(
        "Dictionary",
        (),
        'Further DICOM tags: "gggg,eeee" : [ "VR", "name", minimum and maximum multiplicity, "private '
        'creator" ]. Of the element of a private tag, only the lower two digits are given.',
        example={},
        parse=parse_dictionary,
    )
    default_private_creator: str = setting(
        "DefaultPrivateCreator", "", "Private creator assumed where a request names a private tag without."
    )
    deidentification_keys: Mapping[str, str] = setting(
        "DeidentificationKeys",
        {},
        "Secret keys of projects by their names, each of at least 16 characters. A request that names one "
        "(DeidentificationKey) gives the same pseudonyms, UIDs and shifts of dates to the same originals, "
        "always and on every server that has the key. Who loses a key cannot make them again; who gets hold "
        "of it can tell which patient is behind a pseudonym, if the patient's identifier can be guessed.",
        secret=True,
        refuse=_refuse_weak_keys,
    )
    load_private_dictionary: bool = setting(
        "LoadPrivateDictionary", True, "Know the private tags of the usual manufacturers."
    )
    user_metadata: Mapping[str, int] = setting(
        "UserMetadata",
        {},
        "Names of user metadata, each with a number of its own between 1024 and 65535.",
        parse=parse_user_metadata,
    )
    user_content_types: Mapping[str, ContentType] = setting(
        "UserContentType",
        {},
        "Names of user attachments: a number between 1024 and 65535, or [ number, MIME type ].",
        parse=parse_user_content_types,
    )
    patient_level: bool = setting(
        "PatientLevelEnabled",
        True,
        "Whether user interfaces show the level of patients.",
    )


@dataclass(frozen=True, slots=True)
class FindSettings:
    """Searches, over REST and DICOM."""

    limit_results: int = setting(
        "LimitFindResults",
        0,
        "Most answers to a search for patients, studies or series; 0 for no limit.",
        minimum=0,
    )
    limit_instances: int = setting(
        "LimitFindInstances",
        0,
        "Most answers to a search for instances; 0 for no limit.",
        minimum=0,
    )
    case_sensitive_pn: bool = setting(
        "CaseSensitivePN",
        False,
        "Match names of persons with regard to case.",
    )
    storage_access: str = setting(
        "StorageAccessOnFind",
        "Always",
        "Whether searches may read files for tags that the index does not keep: Always, Never, or Answers "
        "(to show them, not to filter).",
        choices=("Always", "Never", "Answers"),
    )
