"""What background duties need of the index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from orthanclite.core.levels import Level
from orthanclite.core.model import Attachment, DeleteOutcome, ResourceRef


class Maintenance(Protocol):
    """Background duties."""

    def mark_stable(self, older_than: float) -> tuple[ResourceRef, ...]:
        """Log the stable event of resources unchanged since ``older_than`` (epoch seconds)."""
        ...

    def recycle(self) -> DeleteOutcome | None:
        """Remove the oldest unprotected patient, if what is stored is beyond the limits.

        None where nothing is to be removed, or may be: in mode Reject nothing is.
        """
        ...

    def attachment_catalog(self) -> Iterator[tuple[Level, str, Attachment]]:
        """Every attachment with its owner, streamed."""
        ...

    def known_blobs(self, uuids: Sequence[str]) -> set[str]:
        """Those of ``uuids`` that an attachment or the output of a job refers to."""
        ...

    def drop_attachment(self, uuid: str) -> bool:
        """Forget the attachment of a lost blob, and its instance where it was the DICOM file.

        :return: False where nothing was forgotten: it is not known, or the journal still has its content
        """
        ...

    def outdated(self, level: Level, signature: str, after: int) -> tuple[list[str], int | None]:
        """Resources that were indexed with another list of main tags than ``signature``.

        Looks at some thousand resources whose internal number is above ``after``; returns the Orthanc IDs of
        the outdated ones among them, and the number to go on after, None at the end.
        """
        ...

    def database_version(self) -> int: ...
