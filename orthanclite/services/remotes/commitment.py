"""Storage commitment (PS3.4 annex J): whether this server has what another one would like to delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from orthanclite.core.constants import AttachmentType, Metadata
from orthanclite.core.errors import CorruptedFile
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import SOP_INSTANCE_UID, tag_key
from orthanclite.core.model import Parts, Resource
from orthanclite.core.ports import Resources, Search
from orthanclite.core.query import Constraint, FindRequest, Match
from orthanclite.core.remotes.registry import Modality
from orthanclite.services.content.blobs import BlobReader
from orthanclite.services.remotes.client import SopReference


class FailureReason(IntEnum):
    """Why an instance is not committed to (PS3.3 C.14.1.1)."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_OBJECT_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """The answer to one request for commitment (PS3.4 table J.3.3-1)."""

    transaction_uid: str
    committed: Sequence[SopReference]
    failed: Sequence[tuple[SopReference, FailureReason]]


class CommitmentReporter(Protocol):
    """Tells who has asked for a commitment; ``dimse/scp`` does it."""

    def report(self, modality: Modality, report: CommitmentReport) -> None:
        """Call a modality, and have it take a report.

        :raises NetworkProtocol: if it cannot be reached, or does not take it
        :raises NoPresentationContext: if it takes no reports at all
        """
        ...


class CommitmentService:
    """Looks for instances. Thread-safe."""

    def __init__(self, search: Search, resources: Resources, reader: BlobReader) -> None:
        self._search = search
        self._resources = resources
        self._reader = reader

    def check(self, references: Sequence[SopReference]) -> list[FailureReason | None]:
        """For each instance why it cannot be committed to; None for one that is safe here.

        It must be in the index with that SOP class, and its file must be there as long as it was written.
        """
        uids = tuple({one.instance_uid for one in references if one.instance_uid})
        found: dict[str, list[Resource]] = {}
        if uids:
            wanted = Constraint(SOP_INSTANCE_UID, Match.LIST, uids)
            ids = self._search.find_ids(FindRequest(Level.INSTANCE, (wanted,)))
            for instance in self._resources.get_many(Level.INSTANCE, ids, Parts.ATTACHMENTS):
                found.setdefault(instance.tags.get(tag_key(SOP_INSTANCE_UID), ""), []).append(instance)
        return [self._judge(one, found.get(one.instance_uid, ())) for one in references]

    def _judge(self, reference: SopReference, found: Sequence[Resource]) -> FailureReason | None:
        """:param found: the instances with that UID: several patients may have the same"""
        if not found:
            return FailureReason.NO_SUCH_OBJECT_INSTANCE
        same = [
            one for one in found if one.system_metadata.get(Metadata.SOP_CLASS_UID) == reference.class_uid
        ]
        if not same:
            return FailureReason.CLASS_INSTANCE_CONFLICT
        return None if any(map(self._has_file, same)) else FailureReason.PROCESSING_FAILURE

    def _has_file(self, instance: Resource) -> bool:
        attachment = instance.attachments.get(AttachmentType.DICOM)
        if attachment is None:
            return False
        try:
            self._reader.stored_reader(attachment)(attachment.stored_size - 1, 1)
        except CorruptedFile:
            return False
        return True
