"""The section ``DicomWeb``, as in Orthanc's DICOMweb plugin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orthanclite.config.parsers import parse_dicomweb_servers, parse_root, parse_wado_root
from orthanclite.config.table import Fate, setting
from orthanclite.core.remotes.dicomweb_server import DicomWebServer

_ONE_MODE = "full metadata are kept ready, and are as fast as any part of them"
_THREADS = "the threads of this server are not divided in this way"


@dataclass(frozen=True, slots=True)
class DicomWebSettings:
    """DICOMweb: where it is, and how its answers name this server."""

    enabled: bool = setting("Enable", True, "Serve QIDO-RS, WADO-RS and STOW-RS.")
    root: str = setting("Root", "/dicom-web/", "Path below which DICOMweb is served.", parse=parse_root)
    public_root: str | None = setting(
        "PublicRoot",
        None,
        "Path that URLs in answers begin with, where a proxy has another one than Root. Unset: Root.",
        example="/dicom-web/",
        parse=parse_root,
    )
    wado_enabled: bool = setting("EnableWado", True, "Serve WADO-URI.")
    wado_root: str = setting("WadoRoot", "/wado", "Path of WADO-URI.", parse=parse_wado_root)
    ssl: bool = setting("Ssl", False, "Whether URLs in answers begin with https, unless a proxy says so.")
    host: str = setting(
        "Host",
        "",
        "Host and port of URLs in answers. Empty: as trusted proxies say, or as the server was addressed.",
    )
    case_sensitive: bool | None = setting(
        "QidoCaseSensitive",
        None,
        "Whether case and accents count in QIDO-RS. Unset: as CaseSensitivePN.",
        example=True,
    )
    allow_delete: bool = setting(
        "AllowDelete", False, "Whether DELETE on studies, series and instances removes them."
    )
    allowed_origins: tuple[str, ...] = setting(
        "AllowedOrigins",
        (),
        "Web sites whose pages may use DICOMweb (CORS), such as a viewer at another address. * is any site.",
        example=["https://viewer.example.com"],
    )
    other_binary_mode: str = setting(
        "OtherBinaryMode",
        "BulkDataURI",
        "How metadata show OB, OD, OF, OL, OV and OW beside the pixel data.",
        choices=("BulkDataURI", "InlineBinary", "ArrayOfValues"),
    )
    metadata_cache: bool = setting(
        "EnableMetadataCache",
        True,
        "Keep the metadata of each series, as its attachment 4301, once they have been made; and where the "
        "frames of large files are, as attachment 4302 of the instance.",
    )
    studies_metadata: str = setting(
        "StudiesMetadata",
        "Full",
        "Which metadata a study shows.",
        choices=("Full", "MainDicomTags", "Extrapolate"),
        fate=Fate.INERT,
        why=_ONE_MODE,
    )
    series_metadata: str = setting(
        "SeriesMetadata",
        "Full",
        "Which metadata a series shows.",
        choices=("Full", "MainDicomTags", "Extrapolate"),
        fate=Fate.INERT,
        why=_ONE_MODE,
    )
    studies_extrapolated: tuple[str, ...] = setting(
        "StudiesMetadataExtrapolatedTags", (), "Tags to extrapolate.", fate=Fate.INERT, why=_ONE_MODE
    )
    series_extrapolated: tuple[str, ...] = setting(
        "SeriesMetadataExtrapolatedTags", (), "Tags to extrapolate.", fate=Fate.INERT, why=_ONE_MODE
    )
    metadata_threads: int = setting(
        "MetadataWorkerThreadsCount", 4, "Threads.", minimum=1, fate=Fate.INERT, why=_THREADS
    )
    loader_threads: int = setting(
        "WadoRsLoaderThreadsCount", 0, "Threads.", minimum=0, fate=Fate.INERT, why=_THREADS
    )
    performance_logs: bool = setting(
        "EnablePerformanceLogs",
        False,
        "Log durations.",
        fate=Fate.INERT,
        why="/tools/metrics-prometheus tells durations",
    )
    servers: Mapping[str, DicomWebServer] = setting(
        "Servers",
        {},
        'Remote DICOMweb servers by symbolic name: [ "url" ], [ "url", "user", "password" ] or an object '
        "with Url, Username, Password, HttpHeaders, CertificateFile, CertificateKeyFile, "
        "CertificateKeyPassword, Timeout, HasDelete, ChunkedTransfers and HasWadoRsUniversalTransferSyntax.",
        parse=parse_dicomweb_servers,
        secret=True,
    )
    servers_in_database: bool = setting(
        "ServersInDatabase", False, "Keep these servers in the database; Servers is ignored."
    )

    @property
    def shown_root(self) -> str:
        """What URLs in answers begin with, behind the host."""
        return self.public_root or self.root
