"""The records that travel between services, index and storage. All frozen: changed by copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Flag, StrEnum, auto
from typing import Any, NamedTuple

from orthanclite.core.constants import ChangeType, StoreStatus
from orthanclite.core.identifiers import Hierarchy
from orthanclite.core.levels import Level

TagValues = Mapping[str, str]
"""Main tags as kept and shown: ``gggg,eeee`` -> UTF-8 text, padding stripped, ``\\`` between values."""

TagSequences = Mapping[str, Sequence[Mapping[str, Any]]]
"""Main tags that are sequences: ``gggg,eeee`` -> items in the full rendering (Name, Type, Value)."""


@dataclass(frozen=True, slots=True)
class DicomSummary:
    """What the server wants to know of one DICOM file before it is stored."""

    patient_id: str  # without padding; a missing PatientID is the empty string
    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class_uid: str | None  # may be the empty string
    transfer_syntax: str
    tags: Mapping[Level, TagValues]
    sequences: Mapping[Level, TagSequences]
    has_pixel_data: bool
    pixel_data_offset: int | None  # bytes from the start of the file to the tag (7fe0,0010)
    pixel_data_vr: str | None  # only where it is not the VR that the transfer syntax implies
    index_in_series: str | None  # InstanceNumber, else ImageIndex; may be the empty string
    expected_instances: int | None  # from the counting attributes of the series
    has_meta: bool  # False for a bare data set without file meta information


class OverwriteMode(StrEnum):
    """The option ``OverwriteInstances``."""

    NEVER = "Never"
    ALWAYS = "Always"
    IF_CHANGED = "IfChanged"


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file that belongs to a resource."""

    type: int
    uuid: str
    size: int  # bytes, as served
    md5: str  # hex; empty when StoreMD5ForAttachments is off
    stored_size: int  # bytes on disk
    stored_md5: str
    compressed: bool = False  # zlib behind an 8-byte little-endian size
    revision: int = 0


class StoredBlob(NamedTuple):
    """A durable blob."""

    uuid: str
    md5: str
    """Hexadecimal; empty where it was not asked for."""


@dataclass(frozen=True, slots=True)
class MetadataValue:
    """A user metadata with the number of times it was written over."""

    value: str
    revision: int = 0


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """All that the index is told of a new instance."""

    ids: Hierarchy
    tags: Mapping[Level, TagValues]
    signatures: Mapping[Level, str]
    metadata: Mapping[Level, Mapping[int, str]]
    """System metadata of each level, given to the resources that are new; the index itself adds LastUpdate,
    MainDicomTagsSignature and ExpectedNumberOfInstances."""
    attachments: tuple[Attachment, ...]
    expected_instances: int | None
    sop_class_uid: str
    overwrite: OverwriteMode = OverwriteMode.NEVER
    journal: tuple[str, bytes] | None = None
    """UUID and content of a blob that is written but not synced: kept until it is."""
    labels: Mapping[Level, Sequence[str]] = field(default_factory=dict)
    """Labels of each level, given to the resources that are new."""


@dataclass(frozen=True, slots=True)
class ResourceRef:
    """A resource, by level and Orthanc ID."""

    level: Level
    id: str

    @property
    def path(self) -> str:
        return f"/{self.level.plural}/{self.id}"


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What the index did with an :class:`InstanceRecord`."""

    status: StoreStatus
    ids: Hierarchy
    created: tuple[Level, ...] = ()  # the levels whose resource is new
    removed_blobs: tuple[str, ...] = ()  # to delete after the commit: replaced or recycled instances
    overwritten: bool = False  # whether the instance was there before
    recycled: tuple[ResourceRef, ...] = ()  # the patients that made room for it


@dataclass(frozen=True, slots=True)
class DeleteOutcome:
    remaining_ancestor: ResourceRef | None
    removed_blobs: tuple[str, ...]
    deleted: tuple[ResourceRef, ...] = ()  # the resource asked for and the parents left empty


class SeriesStatus(StrEnum):
    """How complete a series is, against its expected number of instances."""

    UNKNOWN = "Unknown"
    MISSING = "Missing"
    COMPLETE = "Complete"
    INCONSISTENT = "Inconsistent"


class Parts(Flag):
    """The optional parts of a :class:`Resource`; each costs a statement per batch of resources."""

    NONE = 0
    CHILDREN = auto()
    LABELS = auto()
    METADATA = auto()
    ATTACHMENTS = auto()
    STATUS = auto()
    PARENT = auto()
    SHOWN = CHILDREN | LABELS | ATTACHMENTS | STATUS | PARENT  # all that the resource JSON shows


@dataclass(frozen=True, slots=True)
class Resource:
    """A stored resource as read from the index. Parts that were not asked for are empty."""

    level: Level
    key: int  # the index's own number of the resource within its level
    id: str
    parent_id: str | None
    tags: TagValues
    sequences: TagSequences
    patient_tags: TagValues  # a study's copy of its patient's tags; empty at other levels
    is_stable: bool
    is_protected: bool
    last_update: str  # YYYYMMDDTHHMMSS, UTC; empty for an instance
    signature: str  # of the main tags list in force when the resource was indexed
    system_metadata: Mapping[int, str]  # always read
    children: tuple[str, ...] = ()  # sorted Orthanc IDs
    labels: tuple[str, ...] = ()  # sorted
    metadata: Mapping[int, MetadataValue] = field(default_factory=dict)  # user metadata
    attachments: Mapping[int, Attachment] = field(default_factory=dict)
    status: SeriesStatus = SeriesStatus.UNKNOWN
    expected_instances: int | None = None

    @property
    def ref(self) -> ResourceRef:
        return ResourceRef(self.level, self.id)


@dataclass(frozen=True, slots=True)
class Change:
    seq: int
    type: ChangeType
    level: Level
    id: str
    date: str  # YYYYMMDDTHHMMSS, UTC


@dataclass(frozen=True, slots=True)
class ChangesPage:
    changes: tuple[Change, ...]
    done: bool
    last: int  # of the page; when it is empty, the last number ever given


@dataclass(frozen=True, slots=True)
class Export:
    seq: int
    level: Level
    id: str
    remote_modality: str
    date: str
    patient_id: str
    study_uid: str
    series_uid: str
    sop_uid: str


@dataclass(frozen=True, slots=True)
class ExportsPage:
    exports: tuple[Export, ...]
    done: bool
    last: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Number of resources at each level and bytes of their attachments."""

    patients: int
    studies: int
    series: int
    instances: int
    disk_size: int
    uncompressed_size: int
    dicom_disk_size: int = 0
    dicom_uncompressed_size: int = 0
