"""What the DICOM server is told when it is made: its settings, and the little it needs of the services."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from orthanclite.core.buffers import View
from orthanclite.core.registry import Modality
from orthanclite.services.ingest.service import IngestOrigin
from orthanclite.services.ingest.storing import StoreResult


class Service(Enum):
    """What a peer may ask of this server; each has a permission of its own."""

    ECHO = "echo"
    STORE = "store"
    FIND = "find"
    FIND_WORKLIST = "find-worklist"
    GET = "get"
    MOVE = "move"
    N_ACTION = "n-action"
    N_EVENT_REPORT = "n-event-report"

    def allowed_to(self, modality: Modality) -> bool:
        """Whether the entry of a known modality grants this service."""
        return bool(getattr(modality, _FLAGS[self]))


_FLAGS = {
    Service.ECHO: "allow_echo",
    Service.STORE: "allow_store",
    Service.FIND: "allow_find",
    Service.FIND_WORKLIST: "allow_find_worklist",
    Service.GET: "allow_get",
    Service.MOVE: "allow_move",
    Service.N_ACTION: "allow_n_action",
    Service.N_EVENT_REPORT: "allow_event_report",
}


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """DICOM over TLS (PS3.15 B.1); all files are PEM."""

    certificate: Path
    private_key: Path
    trusted_certificates: Path | None = None
    remote_certificate_required: bool = True
    minimum_version: int = 0  # 0: the BCP 195 profile; up to 4: TLS 1.2; 5: TLS 1.3
    ciphers: tuple[str, ...] = ()  # OpenSSL names, for TLS 1.2; empty for OpenSSL's own choice


@dataclass(frozen=True, slots=True)
class DicomServerOptions:
    """The settings of the DICOM server that stay as they are while it runs."""

    aet: str = "ORTHANC"
    host: str = ""  # address to listen on; empty for all
    port: int = 4242  # 0 for any free one
    check_called_aet: bool = False
    strict_aet: bool = False  # compare AETs with regard to case
    check_modality_host: bool = False
    always_allow: frozenset[Service] = frozenset({Service.ECHO, Service.STORE})
    """The services that every peer may use, known or not."""
    maximum_pdu_length: int = 16384  # bytes, of what peers may send
    scp_timeout: int = 30  # seconds without a message before an association is closed; 0 for never
    threads: int = 4  # operations worked on at the same time
    maximum_associations: int = 256  # open at the same time; more are rejected for the time being
    tls: TlsOptions | None = None


ModalitiesLookup = Callable[[], Iterable[Modality]]
"""The modalities as registered at this moment."""


class IncomingFile(Protocol):
    """A file that is stored while it arrives; see ``services.ingest.service.Reception``."""

    def write(self, data: View) -> None: ...

    def finish(self, origin: IngestOrigin) -> StoreResult: ...

    def abort(self) -> None: ...


class Ingest(Protocol):
    """The part of ``services.ingest.service.IngestService`` that C-STORE uses."""

    def store(self, data: bytes, origin: IngestOrigin) -> StoreResult: ...

    def receive(self) -> IncomingFile: ...
