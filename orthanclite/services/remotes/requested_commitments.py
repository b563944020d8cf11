"""What modalities were asked to keep, and what they said (storage commitment, PS3.4 annex J).

Each request is a row that all servers on the index see: whichever of them a modality calls notes its report.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orthanclite.core.errors import BadSequenceOfCalls, InexistentItem, OrthancError
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import SOP_INSTANCE_UID
from orthanclite.core.model import ResourceRef
from orthanclite.core.ports import RegistryRows, Search
from orthanclite.core.query import Constraint, FindRequest, Match
from orthanclite.services.remotes.client import Call, ModalityClient, SopReference

_KIND = "storage-commitment"
"""Of the rows of the registry."""
_BATCH = 500

FAILURE_REASONS = {
    0x0110: "A general failure in processing the operation was encountered",
    0x0112: "One or more of the elements in the Referenced SOP Instance Sequence was not available",
    0x0119: "The SOP Class of an element in the Referenced SOP Instance Sequence did not correspond to the "
    "SOP class registered for this SOP Instance at the SCP",
    0x0122: "Storage Commitment has been requested for a SOP Instance with a SOP Class that is not supported "
    "by the SCP",
    0x0131: "The Transaction UID of the Storage Commitment Request is already in use",
    0x0213: "The SCP does not currently have enough resources to store the requested SOP Instance(s)",
}
"""PS3.3 section C.14.1.1, in the words of the reference."""


@dataclass(frozen=True, slots=True)
class FailedInstance:
    """An instance that a modality does not promise to keep."""

    reference: SopReference
    reason: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The report of a modality."""

    committed: tuple[SopReference, ...]
    failed: tuple[FailedInstance, ...]


@dataclass(frozen=True, slots=True)
class RequestedCommitment:
    """A request, and its answer where it has come."""

    remote_aet: str
    requested: tuple[SopReference, ...]
    answer: Answer | None

    @property
    def status(self) -> str:
        """As clients see it."""
        if self.answer is None:
            return "Pending"
        return "Failure" if self.answer.failed else "Success"


class RequestedCommitments:
    """The requests of this server, the latest ones. Thread-safe.

    :param most: how many are kept (``StorageCommitmentReportsSize``)
    """

    def __init__(self, rows: RegistryRows, search: Search, client: ModalityClient, most: int) -> None:
        self._rows = rows
        self._search = search
        self._client = client
        self._most = most

    def request(self, call: Call, transaction_uid: str, instances: Sequence[SopReference]) -> None:
        """Ask a modality to keep instances. It may report before this returns.

        :param transaction_uid: a new one
        :raises OrthancError: unless it takes the request, of which nothing is kept then
        """
        row = {
            "aet": call.modality.aet,
            "created": time.time(),
            "requested": [[one.class_uid, one.instance_uid] for one in instances],
        }
        self._rows.put(_KIND, transaction_uid, json.dumps(row))
        try:
            self._client.request_commitment(call, transaction_uid, instances)
        except OrthancError:
            self._rows.delete(_KIND, transaction_uid)
            raise
        self._trim()

    def answer(self, transaction_uid: str, answer: Answer) -> bool:
        """Note a report, in place of one before; whether there is such a request."""
        text = self._rows.get(_KIND, transaction_uid)
        if text is None:
            return False
        told = {
            "committed": [[one.class_uid, one.instance_uid] for one in answer.committed],
            "failed": [
                [one.reference.class_uid, one.reference.instance_uid, one.reason] for one in answer.failed
            ],
        }
        self._rows.put(_KIND, transaction_uid, json.dumps(json.loads(text) | {"answer": told}))
        return True

    def get(self, transaction_uid: str) -> RequestedCommitment:
        """:raises InexistentItem: for an unknown one"""
        text = self._rows.get(_KIND, transaction_uid)
        if text is None:
            raise InexistentItem(f"No storage commitment transaction with UID: {transaction_uid}")
        row = json.loads(text)
        requested = tuple(SopReference(*one) for one in row["requested"])
        return RequestedCommitment(row["aet"], requested, _answer(row["answer"]) if "answer" in row else None)

    def committed_resources(self, transaction_uid: str) -> list[ResourceRef]:
        """The stored instances that a modality was asked to keep, and has promised to.

        What it promises besides is of no consequence: it must not have others deleted.

        :raises BadSequenceOfCalls: unless it has promised all that it was asked for
        :raises InexistentItem: for an unknown transaction
        """
        request = self.get(transaction_uid)
        if request.answer is None or request.status != "Success":
            raise BadSequenceOfCalls(
                "Cannot remove DICOM instances after failure in storage commitment transaction: "
                f"{transaction_uid}"
            )
        asked = set(request.requested)
        return self._stored([one for one in request.answer.committed if one in asked])

    def _trim(self) -> None:
        """Forget the oldest requests beyond the limit."""
        rows = self._rows.all(_KIND)
        if len(rows) > self._most:
            created = {uid: json.loads(text)["created"] for uid, text in rows.items()}
            for uid in sorted(created, key=created.__getitem__)[: -self._most]:
                self._rows.delete(_KIND, uid)

    def _stored(self, references: Sequence[SopReference]) -> list[ResourceRef]:
        uids = list(dict.fromkeys(one.instance_uid for one in references))
        found: list[str] = []
        for start in range(0, len(uids), _BATCH):
            wanted = Constraint(SOP_INSTANCE_UID, Match.LIST, tuple(uids[start : start + _BATCH]))
            found += self._search.find_ids(FindRequest(Level.INSTANCE, (wanted,)))
        return [ResourceRef(Level.INSTANCE, id) for id in found]


def _answer(told: dict[str, Any]) -> Answer:
    return Answer(
        tuple(SopReference(*one) for one in told["committed"]),
        tuple(FailedInstance(SopReference(*one[:2]), one[2]) for one in told["failed"]),
    )
