"""A modality for tests: it answers as it is told, and notes what it is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_context, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    ModalityWorklistInformationFind,
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

_MODELS = (
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
    ModalityWorklistInformationFind,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelMove,
    PatientRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelGet,
)


@dataclass(frozen=True)
class Asked:
    """A request that came in."""

    operation: str
    keys: Dataset
    calling: str
    message_id: int
    destination: str = ""


@dataclass
class Modality:
    """Where it listens, what it answers, and what it was asked."""

    port: int
    answers: list[Dataset] = field(default_factory=list)  # to a C-FIND
    status: int = 0  # the final one of each operation
    files: list[bytes] = field(default_factory=list)  # what a C-MOVE or C-GET sends
    fails: list[int] = field(default_factory=list)  # final statuses that come first, each once
    aborts: int = 0  # operations that end in an abort, counted down
    abort_after: int | None = None  # instances of the next C-GET, after which it aborts
    by_level: dict[str, list[Dataset]] = field(default_factory=dict)  # answers of a level, in place of those
    pause: float = 0.0  # seconds before each instance
    move_to: tuple[str, int] | None = None  # address to which a C-MOVE sends
    asked: list[Asked] = field(default_factory=list)
    cancelled: int = 0

    def reset(self) -> None:
        self.answers, self.status, self.files, self.fails = [], 0, [], []
        self.aborts, self.pause, self.cancelled, self.asked = 0, 0.0, 0, []
        self.abort_after, self.by_level = None, {}

    def asked_for(self, operation: str) -> list[Dataset]:
        return [one.keys for one in self.asked if one.operation == operation]

    # ----------------------------------------------------------------------------------------------

    def _note(self, event: Any, operation: str, destination: str = "") -> None:
        calling = str(event.assoc.requestor.ae_title).strip()
        self.asked.append(Asked(operation, event.identifier, calling, event.request.MessageID, destination))
        if self.aborts:
            self.aborts -= 1
            event.assoc.abort()

    def _find(self, event: Any) -> Iterator[Any]:
        self._note(event, "find")
        level = event.identifier.get("QueryRetrieveLevel", "")
        series = event.identifier.get("SeriesInstanceUID", "")
        for answer in self.by_level.get(level, self.answers):
            if self.by_level and series and answer.get("SeriesInstanceUID") != series:
                continue
            yield 0xFF00, answer
        if self.status:
            yield self.status, None

    def _get(self, event: Any) -> Iterator[Any]:
        self._note(event, "get")
        yield from self._instances(event)

    def _move(self, event: Any) -> Iterator[Any]:
        self._note(event, "move", event.move_destination)
        if self.move_to is None:
            yield None, None
            return
        yield (*self.move_to, {"contexts": [build_context(CTImageStorage, ExplicitVRLittleEndian)]})
        yield from self._instances(event)

    def _instances(self, event: Any) -> Iterator[Any]:
        if self.fails:
            yield 1
            yield self.fails.pop(0), None
            return
        chosen = [one for one in map(_read, self.files) if _is_asked_for(one, event.identifier)]
        yield len(chosen)
        for number, instance in enumerate(chosen):
            if number == self.abort_after:
                self.abort_after = None
                event.assoc.abort()
                return
            if event.is_cancelled:
                self.cancelled += 1
                yield 0xFE00, None
                return
            time.sleep(self.pause)
            yield 0xFF00, instance


def _read(file: bytes) -> Dataset:
    return dcmread(BytesIO(file))


def _is_asked_for(instance: Dataset, keys: Dataset) -> bool:
    """By series and instance; all else is as a test has it."""
    for name in ("SeriesInstanceUID", "SOPInstanceUID"):
        wanted = keys.get(name)
        uids = [wanted] if isinstance(wanted, str) else list(wanted or [])
        if uids and instance[name].value not in uids:
            return False
    return True


@contextmanager
def modality(port: int, aet: str = "PEER") -> Iterator[Modality]:
    """A modality that listens on a port of the loopback interface."""
    peer = Modality(port)
    application = AE(aet)
    for model in _MODELS:
        application.add_supported_context(model, [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
    application.add_supported_context(
        CTImageStorage, [ExplicitVRLittleEndian, ImplicitVRLittleEndian], scu_role=True, scp_role=True
    )
    application.network_timeout = application.dimse_timeout = application.acse_timeout = 30
    handlers = [
        (evt.EVT_C_FIND, peer._find),
        (evt.EVT_C_MOVE, peer._move),
        (evt.EVT_C_GET, peer._get),
    ]
    server = application.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    try:
        yield peer
    finally:
        server.shutdown()
        application.shutdown()
