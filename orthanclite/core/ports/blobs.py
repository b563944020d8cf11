"""The bytes of attachments: what any storage can do, and what a file system adds to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from orthanclite.core.errors import OrthancError
from orthanclite.core.machine.buffers import Buffer, View
from orthanclite.core.model import StoredBlob


class BlobWriter(Protocol):
    """A blob being written. Invisible and removed on abort; durable once committed."""

    uuid: str

    def write(self, data: View) -> None: ...

    def commit(self) -> None:
        """Make the bytes durable (fsync, unless ``SyncStorageArea`` is off)."""
        ...

    def abort(self) -> None: ...


class Blobs(Protocol):
    """The bytes of attachments, under UUID names. An object store can fulfil it.

    :raises CorruptedFile: where a blob is missing or shorter than asked for.
    :raises FullStorage: on writing, where no room is left.
    :raises CannotWriteFile: on writing, where that fails otherwise.
    """

    @property
    def local(self) -> LocalBlobs | None:
        """The same blobs as files of this machine; None where they are elsewhere."""
        ...

    def create(self) -> BlobWriter: ...

    def put(self, data: View) -> str:
        """Store ``data`` durably; the new UUID."""
        ...

    def read(self, uuid: str, start: int = 0, length: int | None = None) -> bytes:
        """``length`` bytes from ``start``, all that follow where it is None."""
        ...

    def open(self, uuid: str) -> BinaryIO:
        """A seekable reader; the caller closes it."""
        ...

    def delete(self, uuid: str) -> None:
        """Remove a blob; one that is gone already is not an error."""
        ...

    def scan(self) -> Iterator[tuple[str, int, float]]:
        """All blobs: UUID, bytes, time of last modification in seconds since the epoch."""
        ...

    def now(self) -> float:
        """The time that a blob would bear that were written now: by the storage's clock, in seconds."""
        ...

    def touch(self, uuid: str) -> None:
        """Have a blob bear the time of now; one that is gone is not an error."""
        ...

    def get_mark(self) -> str | None:
        """The text that ties this storage area to its index; None for a new one."""
        ...

    def set_mark(self, mark: str) -> None: ...


class LocalBlobs(Blobs, Protocol):
    """Blobs that are files: they have paths, can be mapped, and need not be synced at once.

    Who asks for one says with it that it does not work, or not as well, where blobs are elsewhere.
    """

    sync: bool
    """Whether ``put`` and ``commit`` wait for the disk (``SyncStorageArea``)."""

    def path(self, uuid: str) -> Path:
        """The file, for worker processes."""
        ...

    def map(self, uuid: str) -> AbstractContextManager[Buffer]:
        """The whole blob as a buffer that is read where it is looked at."""
        ...

    def read_cached(self, uuid: str, size: int) -> bytearray | None:
        """The first ``size`` bytes of a blob; None where that would wait for the disk, or fail."""
        ...

    def put_hashed(self, data: memoryview, hashed: bool) -> StoredBlob:
        """Store ``data`` durably, and compute its MD5 meanwhile if ``hashed``."""
        ...

    def put_many(self, contents: Sequence[bytes]) -> list[str | OrthancError]:
        """Store several blobs durably, syncing them together; for each its UUID, or its error."""
        ...

    def put_unsynced(self, data: bytes) -> str:
        """Store ``data`` without waiting for the disk; the new UUID."""
        ...

    def make_durable(self, uuids: Sequence[str]) -> None:
        """Make blobs durable that were stored without; unknown ones are passed over.

        Where that fails, any blob that was stored without may be lost, though the next call succeeds: only
        :meth:`restore` makes them durable then.
        """
        ...

    def restore(self, blobs: Mapping[str, bytes]) -> None:
        """Store blobs durably under UUIDs that they had before, whether they seem to be there or not."""
        ...


class BlobHelper(Protocol):
    """Stores large blobs while the caller does something else."""

    def takes(self, data: Buffer) -> bool:
        """Whether ``data`` lies where the helper can read it."""
        ...

    def store(self, data: Buffer, hashed: bool) -> Future[StoredBlob]:
        """Begin to store what :meth:`takes` has said yes to; it must not change until the future is done.

        The future fails with the errors of :class:`Blobs`.

        :param hashed: whether to compute the MD5
        """
        ...
