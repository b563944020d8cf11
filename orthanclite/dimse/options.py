"""What the DICOM server is told when it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from orthanclite.core.remotes.registry import Modality
from orthanclite.dimse.service import Service


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
    maximum_associations: int = 256  # open at the same time; more are rejected for the time being
    maximum_associations_per_host: int = 128  # so that no host locks out all others
    tls: TlsOptions | None = None


@dataclass(frozen=True, slots=True)
class TlsClientOptions:
    """Calling modalities over TLS (PS3.15 B.1); all files are PEM."""

    certificate: Path | None = None  # of this server, where modalities ask for one
    private_key: Path | None = None
    trusted_certificates: Path | None = None
    verify: bool = True  # refuse modalities whose certificate is not trusted
    minimum_version: int = 0  # as in TlsOptions
    ciphers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DicomClientOptions:
    """The settings of associations that this server requests."""

    maximum_pdu_length: int = 16384  # bytes, of what peers may send
    maximum_associations: int = 64  # open at the same time; who wants one more waits
    tls: TlsClientOptions = TlsClientOptions()


ModalitiesLookup = Callable[[], Iterable[Modality]]
"""The modalities as registered at this moment."""
