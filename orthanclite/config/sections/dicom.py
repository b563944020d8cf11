"""Settings of the DICOM server (SCP), of its TLS and of the remote modalities and peers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orthanclite.config.parsers import parse_aet, parse_modalities, parse_peers
from orthanclite.config.table import setting
from orthanclite.core.remotes.registry import Modality, Peer

_FAMILY_HELP = (
    "Accept (true) or refuse (false) these transfer syntaxes, whatever AcceptedTransferSyntaxes says."
)


@dataclass(frozen=True, slots=True)
class DicomSettings:
    """The DICOM server."""

    enabled: bool = setting("DicomServerEnabled", True, "Whether to serve the DICOM protocol.")
    aet: str = setting("DicomAet", "ORTHANC", "Application entity title of this server.", parse=parse_aet)
    port: int = setting("DicomPort", 4242, "TCP port of the DICOM server.", minimum=1, maximum=65535)
    check_called_aet: bool = setting(
        "DicomCheckCalledAet", False, "Refuse associations that call another AET than DicomAet."
    )
    strict_aet: bool = setting("StrictAetComparison", False, "Compare AETs with regard to case.")
    threads: int = setting(
        "DicomThreadsCount",
        4,
        "Operations that the DICOM server works on at the same time. More associations may be open.",
        minimum=1,
        maximum=150,
    )
    scp_timeout: int = setting(
        "DicomScpTimeout",
        30,
        "Seconds without a command after which an association is closed; 0 for never.",
        minimum=0,
    )
    maximum_pdu_length: int = setting(
        "MaximumPduLength", 16384, "Largest protocol data unit in bytes.", minimum=4096, maximum=131072
    )
    accepted_transfer_syntaxes: tuple[str, ...] = setting(
        "AcceptedTransferSyntaxes",
        ("1.2.840.10008.1.*",),
        "Transfer syntaxes accepted for storage; ? and * stand for one and for any characters.",
    )
    deflated_accepted: bool | None = setting(
        "DeflatedTransferSyntaxAccepted", None, f"Deflated explicit VR. {_FAMILY_HELP}", example=True
    )
    jpeg_accepted: bool | None = setting(
        "JpegTransferSyntaxAccepted", None, f"JPEG. {_FAMILY_HELP}", example=True
    )
    jpeg2000_accepted: bool | None = setting(
        "Jpeg2000TransferSyntaxAccepted", None, f"JPEG 2000. {_FAMILY_HELP}", example=True
    )
    jpeg_ls_accepted: bool | None = setting(
        "JpegLosslessTransferSyntaxAccepted", None, f"JPEG-LS. {_FAMILY_HELP}", example=True
    )
    jpip_accepted: bool | None = setting(
        "JpipTransferSyntaxAccepted", None, f"JPIP. {_FAMILY_HELP}", example=True
    )
    mpeg2_accepted: bool | None = setting(
        "Mpeg2TransferSyntaxAccepted", None, f"MPEG-2. {_FAMILY_HELP}", example=True
    )
    mpeg4_accepted: bool | None = setting(
        "Mpeg4TransferSyntaxAccepted", None, f"MPEG-4. {_FAMILY_HELP}", example=True
    )
    h265_accepted: bool | None = setting(
        "H265TransferSyntaxAccepted", None, f"HEVC/H.265. {_FAMILY_HELP}", example=True
    )
    rle_accepted: bool | None = setting(
        "RleTransferSyntaxAccepted", None, f"RLE lossless. {_FAMILY_HELP}", example=True
    )
    unknown_sop_class_accepted: bool = setting(
        "UnknownSopClassAccepted", False, "Store SOP classes that the server does not know."
    )
    accepted_sop_classes: tuple[str, ...] | None = setting(
        "AcceptedSopClasses",
        None,
        "Storage SOP classes to accept; ? and * are wildcards. Unset: all known ones.",
        example=["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"],
    )
    rejected_sop_classes: tuple[str, ...] = setting(
        "RejectedSopClasses", (), "Storage SOP classes to refuse among those; ? and * are wildcards."
    )
    always_allow_echo: bool = setting(
        "DicomAlwaysAllowEcho", True, "C-ECHO from modalities that are not listed in DicomModalities."
    )
    always_allow_store: bool = setting(
        "DicomAlwaysAllowStore", True, "C-STORE from modalities that are not listed."
    )
    always_allow_find: bool = setting(
        "DicomAlwaysAllowFind", False, "C-FIND, worklists aside, from modalities that are not listed."
    )
    always_allow_find_worklist: bool = setting(
        "DicomAlwaysAllowFindWorklist", False, "C-FIND of worklists from modalities that are not listed."
    )
    always_allow_get: bool = setting(
        "DicomAlwaysAllowGet", False, "C-GET from modalities that are not listed."
    )
    always_allow_move: bool = setting(
        "DicomAlwaysAllowMove", False, "C-MOVE from modalities that are not listed."
    )
    check_modality_host: bool = setting(
        "DicomCheckModalityHost", False, "Check the address of a listed modality, not only its AET."
    )
    modalities: Mapping[str, Modality] = setting(
        "DicomModalities",
        {},
        'Remote modalities by symbolic name: [ "AET", "host", port ], [ "AET", "host", port, "maker" ] or '
        "an object with AET, Host, Port, Manufacturer, AllowEcho, AllowFind, AllowFindWorklist, AllowGet, "
        "AllowMove, AllowStore, AllowStorageCommitment, AllowTranscoding, UseDicomTls, LocalAet, Timeout, "
        "RetrieveMethod and ParallelAssociations (over which a job sends at the same time, 1 without it).",
        parse=parse_modalities,
    )
    modalities_in_database: bool = setting(
        "DicomModalitiesInDatabase", False, "Keep the modalities in the database; DicomModalities is ignored."
    )
    peers: Mapping[str, Peer] = setting(
        "OrthancPeers",
        {},
        'Remote Orthanc servers by symbolic name: [ "url" ], [ "url", "user", "password" ] or an object with '
        "Url, Username, Password, HttpHeaders, CertificateFile, CertificateKeyFile, CertificateKeyPassword "
        "and Timeout.",
        parse=parse_peers,
    )
    peers_in_database: bool = setting(
        "OrthancPeersInDatabase", False, "Keep the peers in the database; OrthancPeers is ignored."
    )


@dataclass(frozen=True, slots=True)
class DicomTlsSettings:
    """DICOM over TLS (PS3.15 B.1)."""

    enabled: bool = setting("DicomTlsEnabled", False, "Serve DICOM over TLS instead of plain TCP.")
    certificate: Path | None = setting(
        "DicomTlsCertificate", None, "PEM file of the certificate.", example="orthanc.crt", path=True
    )
    private_key: Path | None = setting(
        "DicomTlsPrivateKey", None, "PEM file of its private key.", example="orthanc.key", path=True
    )
    trusted_certificates: Path | None = setting(
        "DicomTlsTrustedCertificates",
        None,
        "PEM file of the certificates by which modalities are trusted.",
        example="trusted.crt",
        path=True,
    )
    remote_certificate_required: bool = setting(
        "DicomTlsRemoteCertificateRequired", True, "Refuse modalities that show no certificate."
    )
    verify_called: bool = setting(
        "DicomTlsVerifyCalledModalities",
        True,
        "Call modalities over TLS (UseDicomTls) only if DicomTlsTrustedCertificates has their certificates.",
    )
    minimum_version: int = setting(
        "DicomTlsMinimumProtocolVersion",
        0,
        "Oldest protocol: 0 follows the BCP 195 profile (TLS 1.2), 4 is TLS 1.2, 5 is TLS 1.3. Older ones "
        "(1 to 3) are insecure: TLS 1.2 is used instead.",
        minimum=0,
        maximum=5,
    )
    ciphers: tuple[str, ...] | None = setting(
        "DicomTlsCiphersAccepted",
        None,
        "Accepted ciphers of TLS 1.2, by their OpenSSL names. Unset: those of the OpenSSL library.",
        example=["ECDHE-RSA-AES128-GCM-SHA256"],
    )
