"""C-STORE SCP (PS3.4 annex B): a message becomes a DICOM file, byte for byte, and goes to the ingest."""

from __future__ import annotations

import logging
import threading
from contextlib import AbstractContextManager

from orthanclite.core.buffers import View
from orthanclite.core.constants import Origin, StoreStatus
from orthanclite.core.errors import OrthancError
from orthanclite.dimse.command import StoreRequest
from orthanclite.dimse.options import IncomingFile, Ingest
from orthanclite.dimse.peer import Peer
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
from orthanclite.services.ingest.service import IngestOrigin

LOGGER = logging.getLogger(__name__)

_HEAD_SIZE = 4096
"""Bytes at the beginning of a data set in which its SOP class and instance are looked for."""


class MemoryBudget:
    """Bytes that messages on their way in may hold in memory together."""

    def __init__(self, total: int) -> None:
        self._lock = threading.Lock()
        self._left = total

    def take(self, size: int) -> bool:
        """Reserve ``size`` bytes, or nothing where they are not left."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give_back(self, size: int) -> None:
        with self._lock:
            self._left += size


class StoreService:
    """Stores what C-STORE brings.

    :param slots: entered around each operation; bounds how many run at the same time
    :param spool_from: bytes from which on a data set goes to the storage while it arrives
    :param memory: bytes that all data sets below that size may take while they arrive
    """

    def __init__(
        self,
        ingest: Ingest,
        slots: AbstractContextManager[object],
        spool_from: int = 4 << 20,
        memory: int = 64 << 20,
    ) -> None:
        self._ingest = ingest
        self._slots = slots
        self._spool_from = spool_from
        self._budget = MemoryBudget(memory)

    def begin(self, request: StoreRequest, transfer_syntax: str, peer: Peer) -> IncomingInstance:
        """Start to receive the data set of ``request``."""
        return IncomingInstance(self, request, transfer_syntax, peer)

    def store(self, instance: IncomingInstance) -> tuple[int, str]:
        """Store a complete instance: DIMSE status and comment."""
        origin = IngestOrigin(
            Origin.DICOM_PROTOCOL,
            remote_ip=instance.peer.ip,
            remote_aet=instance.peer.aet,
            called_aet=instance.peer.called_aet,
        )
        try:
            with self._slots:
                result = instance.hand_over(self._ingest, origin)
        except OrthancError as exc:
            LOGGER.warning("Cannot store an instance sent by %s: %s", instance.peer, exc)
            return store_status(exc), error_comment(exc)
        if result is StoreStatus.FAILURE:
            return PROCESSING_FAILURE, ""
        return (OUT_OF_RESOURCES if result is StoreStatus.STORAGE_FULL else SUCCESS), ""

    def wants_spool(self, size: int) -> bool:
        return size > self._spool_from

    def open_spool(self) -> IncomingFile:
        return self._ingest.receive()

    @property
    def budget(self) -> MemoryBudget:
        return self._budget


class IncomingInstance:
    """The data set of one C-STORE while it arrives: in memory while small, else in the storage area."""

    def __init__(
        self, service: StoreService, request: StoreRequest, transfer_syntax: str, peer: Peer
    ) -> None:
        self.request = request
        self.peer = peer
        self._service = service
        self._transfer_syntax = transfer_syntax
        self._parts: list[bytes] = [
            file_head(request.sop_class_uid, request.sop_instance_uid, transfer_syntax)
        ]
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

    def finish(self) -> tuple[int, str]:
        """The whole data set is here: store it; DIMSE status and comment."""
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

    def hand_over(self, ingest: Ingest, origin: IngestOrigin) -> StoreStatus:
        """Give the file to ``ingest``; called once."""
        if self._spool is None:
            return ingest.store(b"".join(self._parts), origin).status
        spool, self._spool = self._spool, None
        return spool.finish(origin).status

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
        found = sop_identity(self._head, self._transfer_syntax)
        if found.conclusive and None in (found.class_uid, found.instance_uid):
            return CANNOT_UNDERSTAND
        if found.class_uid not in (None, self.request.sop_class_uid):
            return DATA_SET_MISMATCH
        if found.instance_uid not in (None, self.request.sop_instance_uid):
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
