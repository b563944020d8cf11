"""The UIDs of a file, out of its first bytes."""

from __future__ import annotations

from dataclasses import dataclass
from struct import error as StructError

from orthanclite.core.errors import BadFileFormat
from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.main_tags import (
    SERIES_INSTANCE_UID,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
)
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import DEFLATED_LITTLE_ENDIAN, UNDEFINED_LENGTH, encoding_of
from orthanclite.dicom.reading.header import read_head, read_header
from orthanclite.dicom.reading.parser import parse

_WANTED = (SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID)


@dataclass(frozen=True, slots=True)
class Identity:
    """UIDs; empty where they are missing."""

    sop_class: str = ""
    instance: str = ""
    study: str = ""
    series: str = ""


def identify(data: Buffer, dictionary: TagDictionary) -> Identity:
    """The UIDs of the DICOM file that begins with ``data``: those that are there, for a file that is cut off.

    :raises BadFileFormat: where it is no DICOM file.
    """
    header = read_header(data)
    if header.transfer_syntax == DEFLATED_LITTLE_ENDIAN:
        dataset = parse(data, dictionary).dataset
        return _identity({tag: dataset.raw(tag) or b"" for tag in _WANTED})
    encoding = encoding_of(header.transfer_syntax)
    found: dict[int, bytes] = {}
    position, end = header.start, len(data)
    try:
        while position + 8 <= end:
            tag, _, length, start = read_head(data, position, encoding)
            if tag > SERIES_INSTANCE_UID:
                break
            if length == UNDEFINED_LENGTH:
                dataset = parse(data, dictionary).dataset
                return _identity({tag: dataset.raw(tag) or b"" for tag in _WANTED})
            if tag in _WANTED:
                found[tag] = bytes(data[start : start + length])
            position = start + length
    except (StructError, BadFileFormat):
        pass  # cut off: what stands before is known
    return _identity(found)


def _identity(found: dict[int, bytes]) -> Identity:
    return Identity(*(found.get(tag, b"").decode("ascii", "replace").strip(" \0") for tag in _WANTED))
