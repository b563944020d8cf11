"""Metadata, labels and attachments of a resource."""

from __future__ import annotations

from typing import Protocol

from orthanclite.core.levels import Level
from orthanclite.core.model import Attachment, MetadataValue


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
        """Add or replace an attachment; the new revision, and the UUID of the blob to delete, if any.

        :param log_change: whether UpdatedAttachment is logged
        """
        ...

    def replace_blob(self, old: str, new: Attachment) -> bool:
        """Have the attachment that refers to the blob ``old`` be ``new``, with the next revision.

        :return: whether there is one; where its resource was overwritten or deleted meanwhile, there is none
        """
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
