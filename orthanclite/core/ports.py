"""What the services need of the index and of the storage, as small protocols.

``index.SqlIndex`` and ``storage.FileStorage`` fulfil them; nothing else of those packages is visible above.
Every method is synchronous, thread-safe and atomic: when it returns, its effect is durable.
A resource that does not exist raises :class:`~orthanclite.core.errors.UnknownResource` unless said otherwise.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import BinaryIO, Protocol

from orthanclite.core.constants import ChangeType
from orthanclite.core.errors import OrthancError
from orthanclite.core.levels import Level
from orthanclite.core.model import (
    Attachment,
    ChangesPage,
    Counts,
    DeleteOutcome,
    Export,
    ExportsPage,
    InstanceRecord,
    MetadataValue,
    Parts,
    Resource,
    ResourceRef,
    StoredBlob,
    StoreOutcome,
    TagValues,
)
from orthanclite.core.query import FindRequest


class BlobWriter(Protocol):
    """A blob being written. Invisible and removed on abort; durable once committed."""

    uuid: str

    def write(self, data: bytes | memoryview) -> None: ...

    def commit(self) -> None:
        """Make the bytes durable (fsync, unless ``SyncStorageArea`` is off)."""
        ...

    def abort(self) -> None: ...


class BlobStore(Protocol):
    """The bytes of attachments, under UUID names.

    :raises CorruptedFile: where a blob is missing or shorter than asked for.
    :raises FullStorage: on writing, where the disk is full.
    """

    sync: bool
    """Whether ``put`` and ``commit`` wait for the disk (``SyncStorageArea``)."""

    def create(self) -> BlobWriter: ...

    def put(self, data: bytes | memoryview) -> str:
        """Store ``data`` durably; the new UUID."""
        ...

    def put_hashed(self, data: memoryview, hashed: bool) -> StoredBlob:
        """Store ``data`` durably, and compute its MD5 meanwhile if ``hashed``."""
        ...

    def put_unsynced(self, data: bytes) -> str:
        """Store ``data`` without waiting for the disk; the new UUID."""
        ...

    def put_many(self, contents: Sequence[bytes]) -> list[str | OrthancError]:
        """Store several blobs durably, syncing them together; for each its UUID, or its error."""
        ...

    def make_durable(self, uuids: Sequence[str]) -> None:
        """Make blobs durable that were stored without; unknown ones are passed over."""
        ...

    def restore(self, uuid: str, data: bytes) -> None:
        """Store a blob under a UUID that it had before, unless it is there and the same; not durable."""
        ...

    def read(self, uuid: str, start: int = 0, length: int | None = None) -> bytes: ...

    def read_cached(self, uuid: str, size: int) -> bytearray | None:
        """The first ``size`` bytes of a blob; None where that would wait for the disk, or fail."""
        ...

    def open(self, uuid: str) -> BinaryIO:
        """A seekable reader; the caller closes it."""
        ...

    def path(self, uuid: str) -> Path:
        """The local file, for memory mapping and for worker processes."""
        ...

    def delete(self, uuid: str) -> None:
        """Remove a blob; one that is gone already is not an error."""
        ...

    def get_mark(self) -> str | None:
        """The text that ties this storage area to its index; None for a new one."""
        ...

    def set_mark(self, mark: str) -> None: ...

    def scan(self) -> Iterator[tuple[str, int, float]]:
        """All blobs: UUID, bytes, time of last modification in seconds since the epoch."""
        ...


class BlobHelper(Protocol):
    """Stores large blobs while the caller does something else."""

    def takes(self, data: bytes | mmap.mmap) -> bool:
        """Whether ``data`` lies where the helper can read it."""
        ...

    def store(self, data: bytes | mmap.mmap, hashed: bool) -> Future[StoredBlob]:
        """Begin to store what :meth:`takes` has said yes to; it must not change until the future is done.

        The future fails with the errors of :class:`BlobStore`.

        :param hashed: whether to compute the MD5
        """
        ...


class Ingest(Protocol):
    def store(self, record: InstanceRecord) -> StoreOutcome:
        """Index one instance, group-committed with whatever is being stored at the same time.

        :raises DatabaseUnavailable: when the queue is full.
        :raises FullStorage: in mode Reject, when the limits are reached.
        """
        ...

    def store_many(self, records: Sequence[InstanceRecord]) -> list[StoreOutcome | Exception]:
        """Index instances together; for each its outcome, or the error that :meth:`store` would raise.

        :raises DatabaseUnavailable: when the queue is full.
        """
        ...

    def stored_md5(self, instance_id: str) -> str | None:
        """The MD5 of the DICOM attachment of an instance; None for an unknown instance."""
        ...


class BlobJournal(Protocol):
    """The content of small blobs whose files may not be on the disk yet."""

    def entries(self) -> Iterator[tuple[str, bytes]]:
        """UUID and content of all of them."""
        ...

    def forget(self, uuids: Sequence[str]) -> None:
        """Drop those whose files are durable."""
        ...


class Resources(Protocol):
    """Reading and removing the resources of the four levels."""

    def get(self, level: Level, id: str, parts: Parts = Parts.SHOWN) -> Resource | None: ...

    def get_many(self, level: Level, ids: Sequence[str], parts: Parts = Parts.SHOWN) -> list[Resource]:
        """The known ones among ``ids``, in that order."""
        ...

    def exists(self, level: Level, id: str) -> bool: ...

    def locate(self, id: str) -> Level | None:
        """The level at which an Orthanc ID is stored."""
        ...

    def list_ids(self, level: Level, since: int = 0, limit: int | None = None) -> list[str]:
        """Orthanc IDs of a level in their order."""
        ...

    def ancestor_id(self, level: Level, id: str, target: Level) -> str | None:
        """The Orthanc ID of the ancestor at ``target`` (the resource itself at its own level)."""
        ...

    def descendant_ids(self, level: Level, id: str, target: Level) -> list[str]:
        """Sorted Orthanc IDs below a resource at ``target``; empty for an unknown one."""
        ...

    def counts(self, level: Level | None = None, id: str | None = None) -> Counts:
        """Of the whole server, or below (and at) one resource."""
        ...

    def delete(self, level: Level, id: str) -> DeleteOutcome: ...

    def delete_many(self, refs: Iterable[ResourceRef]) -> DeleteOutcome:
        """Delete in one go; unknown ones are skipped, ``remaining_ancestor`` is None."""
        ...

    def is_protected(self, patient_id: str) -> bool: ...

    def set_protected(self, patient_id: str, protected: bool) -> None: ...

    def modalities_in_study(self, study_id: str) -> tuple[str, ...]: ...

    def sop_classes_in_study(self, study_id: str) -> tuple[str, ...]: ...

    def reconstruct(
        self,
        level: Level,
        id: str,
        tags: TagValues,
        main_sequences: str,
        signature: str,
        patient_tags: TagValues | None = None,
        metadata: Mapping[int, str | None] | None = None,
    ) -> None:
        """Replace the main tags of one resource by ones just read from its file.

        ``main_sequences`` is the metadata MainDicomSequences, empty where there are none;
        ``patient_tags`` is a study's copy of its patient's tags; ``metadata`` are further system metadata to
        replace, None to remove one.
        """
        ...


class Search(Protocol):
    """Searches whose constraints are on main tags of the level or of a parent, and on computed tags."""

    def find_ids(self, request: FindRequest) -> list[str]:
        """The Orthanc IDs of the matches, in order, ``since`` and ``limit`` applied."""
        ...

    def count(self, request: FindRequest) -> int:
        """How many resources match, whatever ``since`` and ``limit``."""
        ...

    def computed_tags(
        self, level: Level, keys: Sequence[int], tags: Iterable[int]
    ) -> dict[int, Mapping[int, str]]:
        """The computed ones among ``tags`` that describe ``level``, by ``Resource.key``."""
        ...


class Annotations(Protocol):
    """Metadata, labels and attachments. Revisions start at 0 and grow by one with each write.

    ``expected``: None for no check, else (revision, MD5 hex) that the present value must have, or
    :class:`RevisionConflict` is raised; ``must_match``: a present value without ``expected`` is a conflict.
    """

    def metadata(self, level: Level, id: str) -> dict[int, MetadataValue]:
        """All metadata of a resource, system ones included (their revision is 0), by number."""
        ...

    def set_metadata(
        self,
        level: Level,
        id: str,
        type: int,
        value: str,
        expected: tuple[int, str] | None = None,
        must_match: bool = False,
    ) -> int:
        """Write a user metadata and log UpdatedMetadata; the new revision."""
        ...

    def delete_metadata(
        self, level: Level, id: str, type: int, expected: tuple[int, str] | None = None
    ) -> None:
        """Remove a user metadata and log UpdatedMetadata.

        :raises UnknownResource: where it is not set.
        """
        ...

    def attachments(self, level: Level, id: str) -> dict[int, Attachment]: ...

    def set_attachment(
        self,
        level: Level,
        id: str,
        attachment: Attachment,
        expected: tuple[int, str] | None = None,
        must_match: bool = False,
        log_change: bool = True,
    ) -> tuple[int, str | None]:
        """Add or replace an attachment; the new revision, and the UUID of the blob to delete, if any."""
        ...

    def delete_attachment(
        self, level: Level, id: str, type: int, expected: tuple[int, str] | None = None
    ) -> str:
        """Remove an attachment and log UpdatedAttachment; the UUID of the blob to delete."""
        ...

    def labels(self, level: Level, id: str) -> list[str]: ...

    def add_label(self, level: Level, id: str, label: str) -> None: ...

    def remove_label(self, level: Level, id: str, label: str) -> None: ...

    def all_labels(self) -> list[str]: ...


class ChangeLog(Protocol):
    def changes(
        self,
        since: int = 0,
        limit: int = 100,
        to: int | None = None,
        types: Sequence[ChangeType] = (),
    ) -> ChangesPage:
        """Changes after ``since`` (exclusive), oldest first; with ``to`` (inclusive), the latest up to it."""
        ...

    def last_change(self) -> ChangesPage: ...

    def clear_changes(self) -> None: ...

    def add_export(self, export: Export) -> None:
        """Log an export; its ``seq`` is given by the index."""
        ...

    def exports(self, since: int = 0, limit: int = 100) -> ExportsPage: ...

    def last_export(self) -> ExportsPage: ...

    def clear_exports(self) -> None: ...


class Properties(Protocol):
    """Named texts that survive a restart (registries, counters)."""

    def get_property(self, name: str) -> str | None: ...

    def set_property(self, name: str, value: str | None) -> None: ...

    def list_properties(self, prefix: str) -> dict[str, str]:
        """All texts whose name begins with ``prefix``, by name."""
        ...

    def increment(self, name: str) -> int:
        """Add one to a persistent counter that starts at 0; the new value."""
        ...


class Maintenance(Protocol):
    """Background duties."""

    def mark_stable(self, older_than: float) -> int:
        """Log the stable event of resources unchanged since ``older_than`` (epoch seconds); how many."""
        ...

    def recycle(self) -> tuple[str, ...]:
        """Remove the oldest unprotected patients while over the limits; the UUIDs of the blobs to delete."""
        ...

    def attachment_catalog(self) -> Iterator[tuple[Level, str, Attachment]]:
        """Every attachment with its owner, streamed."""
        ...

    def known_blobs(self, uuids: Sequence[str]) -> set[str]:
        """Those of ``uuids`` that an attachment refers to."""
        ...

    def drop_attachment(self, uuid: str) -> None:
        """Forget the attachment of a lost blob, and its instance where it was the DICOM file."""
        ...

    def outdated(self, level: Level, signature: str, after: int) -> tuple[list[str], int | None]:
        """Resources that were indexed with another list of main tags than ``signature``.

        Looks at some thousand resources whose internal number is above ``after``; returns the Orthanc IDs of
        the outdated ones among them, and the number to go on after, None at the end.
        """
        ...

    def database_version(self) -> int: ...
