"""The names of folders and files in archives, as the reference forms them (behaviour of 1.13)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from orthanclite.core.levels import Level
from orthanclite.core.main_tags import tag_key
from orthanclite.core.model import TagValues

_PARTS: Mapping[Level, tuple[str, ...]] = {
    Level.PATIENT: (tag_key(0x00100020), tag_key(0x00100010)),  # PatientID, PatientName
    Level.STUDY: (tag_key(0x00080050), tag_key(0x00081030)),  # AccessionNumber, StudyDescription
    Level.SERIES: (tag_key(0x00200011), tag_key(0x00080060), tag_key(0x0008103E)),  # number, modality, text
}
_PATIENT_ID = tag_key(0x00100020)
_MODALITY = tag_key(0x00080060)

# What some file system refuses, and what would lead out of the folder.
_UNWANTED = re.compile(r'[\x00-\x20\x7f-\xa0:*?"<>|/\\\s]+')

_LONGEST = 240
"""Bytes of a folder's name: file systems take 255, and a suffix may follow."""


def clean_name(value: str, utf8: bool) -> str:
    """``value`` fit for a file name; without ``utf8`` what is not ASCII is dropped.

    >>> clean_name(" A<b>  c/d ", utf8=False)
    'A b c d'
    """
    if not utf8:
        value = value.encode("ascii", "ignore").decode("ascii")
    return _UNWANTED.sub(" ", value).strip()


def folder_name(level: Level, tags: TagValues, utf8: bool) -> str:
    """The folder of a patient, study or series.

    The parts of the name are joined by `` - ``. Empty ones are left out, but for the PatientID.
    """
    parts = []
    for key in _PARTS[level]:
        part = clean_name(tags.get(key, ""), utf8)
        if part or key == _PATIENT_ID:
            parts.append(part)
    name = " - ".join(parts).strip()
    # A folder "." or ".." would lead out of the archive when it is unpacked.
    if name in ("", "^") or not name.strip("."):
        return f"Unknown {level.label}"
    return name.encode("utf-8")[:_LONGEST].decode("utf-8", "ignore").rstrip()


def file_name(tags: TagValues, number: int) -> str:
    """The file of an instance: its modality and its number in the series given the tags of that series.

    >>> file_name({"0008,0060": "mr"}, 12)
    'MR000012.dcm'
    """
    modality = clean_name(tags.get(_MODALITY, ""), utf8=False).upper().replace(" ", "").replace(".", "")
    prefix = modality[:2]
    return f"{prefix}{number:0{8 - len(prefix)}d}.dcm"


class Folder:
    """The names taken in one folder: a second use gets the suffix ``-2``, and so on."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def unique(self, name: str) -> str:
        """``name``, with a suffix before its extension where it is taken."""
        stem, dot, extension = name.rpartition(".") if name.endswith(".dcm") else (name, "", "")
        candidate = name
        while candidate in self._taken:
            self._taken[name] += 1
            candidate = f"{stem}-{self._taken[name]}{dot}{extension}"
        self._taken[candidate] = 1
        return candidate
