"""How instances enter the index, and the journal of those whose files are not on the disk yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from orthanclite.core.model import InstanceRecord, StoreOutcome


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
    """The content of small blobs whose files may not be on the disk yet, as far as they are this server's."""

    def entries(self) -> Iterator[tuple[str, bytes]]:
        """UUID and content of all of them."""
        ...

    def forget(self, uuids: Sequence[str]) -> None:
        """Drop those whose files are durable."""
        ...
