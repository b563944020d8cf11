"""Settings of what the server does on its own account: jobs, outgoing DICOM and HTTP, transcoding, scripts.

What waits for callbacks of scripts and for WebDAV is checked already, and a value that is not the default is
reported at the start, so that nobody relies on it unknowingly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orthanclite.config.table import Fate, setting

_CALLBACKS = "callbacks of scripts are not implemented yet"
_WEBDAV = "WebDAV is not implemented yet"
THREADED_JOBS = frozenset({"ResourceModification", "OrthancPeerStore"})
"""The job types that ``JobsEngineThreadsCount`` may name."""


@dataclass(frozen=True, slots=True)
class JobSettings:
    """The jobs engine and the archives it makes."""

    concurrent: int = setting(
        "ConcurrentJobs",
        2,
        "Jobs that run at the same time; 0 for one per processor.",
        minimum=0,
    )
    history_size: int = setting("JobsHistorySize", 10, "Completed jobs that are kept.", minimum=0)
    save: bool = setting("SaveJobs", True, "Keep the jobs over a restart.")
    threads: Mapping[str, int] = setting(
        "JobsEngineThreadsCount",
        {"ResourceModification": 1},
        "Threads that work at one job, by its type: `ResourceModification`, which holds for `SplitStudy` "
        "and `MergeStudy`, too, and `OrthancPeerStore` (4 unless given).",
    )
    media_archives: int = setting(
        "MediaArchiveSize",
        1,
        "Archives made by asynchronous jobs that are kept.",
        minimum=1,
    )
    stream_zip: bool = setting(
        "SynchronousZipStream",
        True,
        "Send archives while they are being made.",
    )
    zip_utf8: bool = setting("ZipUseUtf8", False, "Names in archives in UTF-8 instead of ASCII.")
    log_exports: bool = setting(
        "LogExportedResources",
        False,
        "Log in /exports what is sent to modalities and peers.",
    )


@dataclass(frozen=True, slots=True)
class ScuSettings:
    """The DICOM client, and the retrieve services."""

    timeout: int = setting(
        "DicomScuTimeout",
        10,
        "Seconds to wait for the answer of a remote modality; 0 for no limit.",
        minimum=0,
    )
    echo_checks_find: bool = setting("DicomEchoChecksFind", False, "Follow each C-ECHO by a C-FIND.")
    default_retrieve_method: str = setting(
        "DicomDefaultRetrieveMethod",
        "C-MOVE",
        "How resources are fetched from modalities whose RetrieveMethod is SystemDefault.",
        choices=("C-MOVE", "C-GET"),
    )
    preferred_transfer_syntax: str = setting(
        "DicomScuPreferredTransferSyntax",
        "1.2.840.10008.1.2.1",
        "Transfer syntax preferred where a modality does not accept the one of a file.",
    )
    query_retrieve_size: int = setting("QueryRetrieveSize", 100, "Queries kept in /queries.", minimum=1)
    synchronous_move: bool = setting(
        "SynchronousCMove",
        True,
        "Answer C-MOVE requests once everything is sent, rather than at once.",
    )
    storage_commitment_reports: int = setting(
        "StorageCommitmentReportsSize",
        100,
        "Storage commitment reports that are kept.",
        minimum=1,
    )
    association_close_delay: int = setting(
        "DicomAssociationCloseDelay",
        5,
        "Seconds that an association opened by SendToModality of a script stays open for what it sends next; "
        "all others end with what they were opened for.",
        minimum=0,
        fate=Fate.LATER,
        why=_CALLBACKS,
    )


@dataclass(frozen=True, slots=True)
class HttpClientSettings:
    """Outgoing HTTP requests, to peers and from scripts."""

    proxy: str = setting(
        "HttpProxy",
        "",
        'Proxy: "host:port" or "user:password@host:port"; empty for none.',
        secret=True,
    )
    verbose: bool = setting("HttpVerbose", False, "Log outgoing requests.")
    timeout: int = setting("HttpTimeout", 60, "Seconds to wait for an answer.", minimum=0)
    verify_peers: bool = setting("HttpsVerifyPeers", True, "Check the certificates of HTTPS servers.")
    ca_certificates: str = setting(
        "HttpsCACertificates",
        "",
        "PEM file of the authorities by which HTTPS servers are trusted; empty for those of the system.",
    )


@dataclass(frozen=True, slots=True)
class TranscodingSettings:
    """Changes of the transfer syntax."""

    over_dicom: bool = setting(
        "TranscodeDicomProtocol",
        True,
        "Transcode for modalities that do not accept the transfer syntax of a file.",
    )
    ingest: str | None = setting(
        "IngestTranscoding",
        None,
        "Transfer syntax to which files are transcoded before they are stored.",
        example="1.2.840.10008.1.2",
    )
    ingest_uncompressed: bool = setting(
        "IngestTranscodingOfUncompressed",
        True,
        "Whether IngestTranscoding applies to uncompressed files.",
    )
    ingest_compressed: bool = setting(
        "IngestTranscodingOfCompressed",
        True,
        "Whether IngestTranscoding applies to compressed files.",
    )
    lossy_quality: int = setting(
        "DicomLossyTranscodingQuality",
        90,
        "Quality of lossy JPEG.",
        minimum=1,
        maximum=100,
    )


def _refuse_scripts(value: object) -> str | None:
    if not value:
        return None
    return "Lua scripts at the start are not supported, and ignoring them would change what is stored"


def _refuse_plugins(value: object) -> str | None:
    """Refuse what names a native plugin; folders where none is found are as good as absent."""
    assert isinstance(value, list)
    suffixes = {".so", ".dll", ".dylib"}
    for item in map(Path, value):
        found = [item] if item.suffix in suffixes else sorted(item.glob("*")) if item.is_dir() else []
        if any(path.suffix in suffixes for path in found):
            return (
                f'native plugins cannot be loaded ("{item}"): what this server offers itself is listed by '
                "/plugins, and needs no entry here"
            )
    return None


@dataclass(frozen=True, slots=True)
class ExtensionSettings:
    """Scripts, plugins and WebDAV."""

    lua_scripts: tuple[str, ...] = setting(
        "LuaScripts",
        (),
        "Lua scripts to run at the start. Not supported yet: refused unless empty.",
        fate=Fate.REFUSED,
        refuse=_refuse_scripts,
    )
    plugins: tuple[str, ...] = setting(
        "Plugins",
        (),
        "Native plugins of Orthanc. Refused where one is found: they cannot be loaded here.",
        fate=Fate.REFUSED,
        refuse=_refuse_plugins,
    )
    lua_heartbeat: int = setting(
        "LuaHeartBeatPeriod",
        0,
        "Seconds between two calls of the script function OnHeartBeat; 0 for none.",
        minimum=0,
        fate=Fate.LATER,
        why=_CALLBACKS,
    )
    webdav_enabled: bool = setting(
        "WebDavEnabled",
        True,
        "Publish what is stored at /webdav/.",
        fate=Fate.LATER,
        why=_WEBDAV,
    )
    webdav_delete: bool = setting(
        "WebDavDeleteAllowed",
        False,
        "Whether WebDAV may delete.",
        fate=Fate.LATER,
        why=_WEBDAV,
    )
    webdav_upload: bool = setting(
        "WebDavUploadAllowed",
        True,
        "Whether WebDAV may upload.",
        fate=Fate.LATER,
        why=_WEBDAV,
    )
