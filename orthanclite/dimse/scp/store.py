"""C-STORE SCP (PS3.4 annex B): a message becomes a DICOM file, byte for byte, and goes to the ingest."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from orthanclite.core.constants import Origin, StoreStatus
from orthanclite.core.errors import NetworkProtocol, OrthancError
from orthanclite.core.machine.budget import MemoryBudget
from orthanclite.core.machine.buffers import View
from orthanclite.core.principal import Principal
from orthanclite.dimse.command import Command
from orthanclite.dimse.conversation import Conversation, Message
from orthanclite.dimse.scp.part10 import file_head, sop_identity
from orthanclite.dimse.status import (
    CANNOT_UNDERSTAND,
    DATA_SET_MISMATCH,
    OUT_OF_RESOURCES,
    PROCESSING_FAILURE,
    SUCCESS,
    error_comment,
    store_status,
)
from orthanclite.services.ingest.arrival import IngestOrigin, StoreResult

LOGGER = logging.getLogger(__name__)

_HEAD_SIZE = 4096
"""Bytes at the beginning of a data set in which its SOP class and instance are looked for."""


class IncomingFile(Protocol):
    """A file that is stored while it arrives; see ``services.ingest.reception.Reception``."""

    def write(self, data: View) -> None: ...

    def finish(self, origin: IngestOrigin) -> StoreResult: ...

    def abort(self) -> None: ...


class Ingest(Protocol):
    """The part of ``services.ingest.service.IngestService`` that C-STORE uses."""

    def store(self, data: bytes, origin: IngestOrigin) -> StoreResult: ...

    def receive(self) -> IncomingFile: ...


Listener = Callable[[Command, str], None]
"""Told of each instance that is stored, or was before: the request, and its Orthanc ID."""


class StoreScp:
    """Stores what C-STORE brings.

    :param slots: entered around each operation; bounds how many run at the same time
    :param on_stored: told before the sender is
    :param spool_from: bytes from which on a data set goes to the storage while it arrives
    :param memory: bytes that all data sets below that size may take while they arrive
    """

    def __init__(
        self,
        ingest: Ingest,
        slots: AbstractContextManager[object],
        spool_from: int = 4 << 20,
        memory: int = 64 << 20,
        on_stored: Listener | None = None,
    ) -> None:
        self._ingest = ingest
        self._on_stored = on_stored
        self._slots = slots
        self._spool_from = spool_from
        self.budget = MemoryBudget(memory)

    def receive(self, request: Message, conversation: Conversation) -> IncomingInstance:
        """Start to receive the data set of a C-STORE-RQ.

        :raises NetworkProtocol: if it announces none, or does not name its instance.
        """
        if not request.command.has_data_set:
            raise NetworkProtocol("C-STORE without a data set")
        return IncomingInstance(self, request, conversation)

    def store(self, instance: IncomingInstance) -> tuple[int, str]:
        """Store a complete instance: DIMSE status and comment."""
        peer = instance.peer
        principal = Principal(Origin.DICOM_PROTOCOL, name=peer.aet, address=peer.ip)
        origin = IngestOrigin.of(principal, called_aet=peer.called_aet)
        try:
            with self._slots:
                result = instance.hand_over(self._ingest, origin)
        except OrthancError as exc:
            LOGGER.warning("Cannot store an instance sent by %s: %s", instance.peer, exc)
            return store_status(exc), error_comment(exc)
        status = result.status
        if status is StoreStatus.FAILURE:
            return PROCESSING_FAILURE, ""
        if status is StoreStatus.STORAGE_FULL:
            return OUT_OF_RESOURCES, ""
        if self._on_stored is not None and status is not StoreStatus.FILTERED_OUT:
            self._on_stored(instance.command, result.ids.instance)
        return SUCCESS, ""

    def wants_spool(self, size: int) -> bool:
        return size > self._spool_from

    def open_spool(self) -> IncomingFile:
        return self._ingest.receive()


class IncomingInstance:
    """The data set of one C-STORE while it arrives: in memory while small, else in the storage area."""

    def __init__(self, service: StoreScp, request: Message, conversation: Conversation) -> None:
        self.peer = conversation.peer
        self.command = request.command
        self._service = service
        self._conversation = conversation
        self._sop_class = request.command.sop_class_uid
        self._sop_instance = request.command.sop_instance_uid
        self._transfer_syntax = request.context.transfer_syntax
        self._parts: list[bytes] = [file_head(self._sop_class, self._sop_instance, self._transfer_syntax)]
        self._size = 0  # bytes of the data set
        self._reserved = 0  # bytes of the budget
        self._head = b""
        self._spool: IncomingFile | None = None
        self._failure: OrthancError | None = None

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes of the data set. A failure is kept for the answer, what follows is dropped.

        :param fragment: valid during this call only
        """
        size = len(fragment)
        if self._size < _HEAD_SIZE:
            self._head += fragment[: _HEAD_SIZE - self._size]
        self._size += size
        if self._failure is not None:
            return
        if self._spool is None:
            if not self._service.wants_spool(self._size) and self._service.budget.take(size):
                self._reserved += size
                self._parts.append(bytes(fragment))
                return
            self._begin_spool()
        self._write_spool(fragment)

    def finish(self) -> None:
        """The whole data set is here: store it, and tell the peer."""
        status, comment = self._store()
        self._conversation.respond(status, comment=comment)

    def _store(self) -> tuple[int, str]:
        """Store the data set; DIMSE status and comment."""
        try:
            if self._failure is not None:
                LOGGER.warning("Cannot store an instance sent by %s: %s", self.peer, self._failure)
                return store_status(self._failure), error_comment(self._failure)
            if (status := self._check()) != SUCCESS:
                LOGGER.warning("Refused an instance sent by %s: status 0x%04x", self.peer, status)
                return status, ""
            return self._service.store(self)
        finally:
            self.abort()

    def hand_over(self, ingest: Ingest, origin: IngestOrigin) -> StoreResult:
        """Give the file to ``ingest``; called once."""
        if self._spool is None:
            return ingest.store(b"".join(self._parts), origin)
        spool, self._spool = self._spool, None
        return spool.finish(origin)

    def abort(self) -> None:
        """Drop what is held. May be called at any time, also after the end."""
        self._parts.clear()
        self._service.budget.give_back(self._reserved)
        self._reserved = 0
        if self._spool is not None:
            spool, self._spool = self._spool, None
            spool.abort()

    def _check(self) -> int:
        """Whether the data set is what the command announces, as the reference (DCMTK) checks it."""
        if not self._size:
            return CANNOT_UNDERSTAND
        found = sop_identity(self._head, self._transfer_syntax)
        if found.conclusive and None in (found.class_uid, found.instance_uid):
            return CANNOT_UNDERSTAND
        if found.class_uid not in (None, self._sop_class):
            return DATA_SET_MISMATCH
        if found.instance_uid not in (None, self._sop_instance):
            return DATA_SET_MISMATCH
        return SUCCESS

    def _begin_spool(self) -> None:
        try:
            self._spool = self._service.open_spool()
        except OrthancError as exc:
            self._fail(exc)
            return
        for part in self._parts:
            self._write_spool(part)
        self._parts.clear()
        self._service.budget.give_back(self._reserved)
        self._reserved = 0

    def _write_spool(self, data: View) -> None:
        if self._spool is None:
            return
        try:
            self._spool.write(data)
        except OrthancError as exc:
            self._fail(exc)

    def _fail(self, error: OrthancError) -> None:
        self._failure = error
        self.abort()
