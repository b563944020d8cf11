"""Numbers and names that clients see: metadata, attachments, changes, origins."""

from __future__ import annotations

from enum import IntEnum, StrEnum

USER_RANGE = range(1024, 65536)
"""Metadata and attachment types that users may write."""

ORPHAN_GRACE = 3600.0
"""Seconds since the last write to a blob before one that the index does not know may be removed."""


class Metadata(IntEnum):
    """System metadata (Orthanc Book, "Metadata & attachments"); the names are these members' labels."""

    INDEX_IN_SERIES = 1
    RECEPTION_DATE = 2
    REMOTE_AET = 3
    EXPECTED_NUMBER_OF_INSTANCES = 4
    MODIFIED_FROM = 5
    ANONYMIZED_FROM = 6
    LAST_UPDATE = 7
    ORIGIN = 8
    TRANSFER_SYNTAX = 9
    SOP_CLASS_UID = 10
    REMOTE_IP = 11
    CALLED_AET = 12
    HTTP_USERNAME = 13
    PIXEL_DATA_OFFSET = 14
    MAIN_DICOM_TAGS_SIGNATURE = 15
    MAIN_DICOM_SEQUENCES = 16
    PIXEL_DATA_VR = 17


METADATA_NAMES: dict[int, str] = {
    1: "IndexInSeries",
    2: "ReceptionDate",
    3: "RemoteAET",
    4: "ExpectedNumberOfInstances",
    5: "ModifiedFrom",
    6: "AnonymizedFrom",
    7: "LastUpdate",
    8: "Origin",
    9: "TransferSyntax",
    10: "SopClassUid",
    11: "RemoteIP",
    12: "CalledAET",
    13: "HttpUsername",
    14: "PixelDataOffset",
    15: "MainDicomTagsSignature",
    16: "MainDicomSequences",
    17: "PixelDataVR",
}


class AttachmentType(IntEnum):
    """System attachments."""

    DICOM = 1
    DICOM_AS_JSON = 2
    DICOM_UNTIL_PIXEL_DATA = 3


ATTACHMENT_NAMES: dict[int, str] = {1: "dicom", 2: "dicom-as-json", 3: "dicom-until-pixel-data"}


class ChangeType(IntEnum):
    """Kinds of entries in ``/changes``."""

    DELETED = 0  # never logged, but a type that clients may ask for
    COMPLETED_SERIES = 1
    NEW_INSTANCE = 2
    NEW_PATIENT = 3
    NEW_SERIES = 4
    NEW_STUDY = 5
    ANONYMIZED_STUDY = 6
    ANONYMIZED_SERIES = 7
    MODIFIED_STUDY = 8
    MODIFIED_SERIES = 9
    ANONYMIZED_PATIENT = 10
    MODIFIED_PATIENT = 11
    STABLE_PATIENT = 12
    STABLE_STUDY = 13
    STABLE_SERIES = 14
    UPDATED_ATTACHMENT = 15
    UPDATED_METADATA = 16

    @property
    def label(self) -> str:
        """The name in the JSON, e.g. ``NewInstance``."""
        return "".join(part.capitalize() for part in self.name.split("_"))


class Origin(StrEnum):
    """Where an instance came from (metadata ``Origin``)."""

    REST_API = "RestApi"
    DICOM_PROTOCOL = "DicomProtocol"
    LUA = "Lua"
    PLUGINS = "Plugins"
    WEB_DAV = "WebDav"


class StoreStatus(StrEnum):
    """The ``Status`` of an answer to an upload."""

    SUCCESS = "Success"
    ALREADY_STORED = "AlreadyStored"
    FILTERED_OUT = "FilteredOut"
    FAILURE = "Failure"
    STORAGE_FULL = "StorageFull"
