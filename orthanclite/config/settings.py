"""All settings of the server, and the keys that feed none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orthanclite.config.sections.clients import (
    ExtensionSettings,
    HttpClientSettings,
    JobSettings,
    ScuSettings,
    TranscodingSettings,
)
from orthanclite.config.sections.data import DataSettings, FindSettings, WarningSettings
from orthanclite.config.sections.dicom import DicomSettings, DicomTlsSettings
from orthanclite.config.sections.dicomweb import DicomWebSettings
from orthanclite.config.sections.explorer import ExplorerSettings
from orthanclite.config.sections.http import AccessSettings, HttpSettings
from orthanclite.config.sections.storage import PostgreSQLSettings, StorageSettings
from orthanclite.config.sections.worklists import WorklistSettings
from orthanclite.config.table import Fate, Row, group, groups, inert, rows, section, sections, setting


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration in force. ``Settings()`` is the default one."""

    name: str = setting("Name", "MyOrthanc", "Name of this server, shown by /system.")
    storage: StorageSettings = group(StorageSettings())
    http: HttpSettings = group(HttpSettings())
    access: AccessSettings = group(AccessSettings())
    dicom: DicomSettings = group(DicomSettings())
    dicom_tls: DicomTlsSettings = group(DicomTlsSettings())
    data: DataSettings = group(DataSettings())
    find: FindSettings = group(FindSettings())
    jobs: JobSettings = group(JobSettings())
    scu: ScuSettings = group(ScuSettings())
    http_client: HttpClientSettings = group(HttpClientSettings())
    transcoding: TranscodingSettings = group(TranscodingSettings())
    extensions: ExtensionSettings = group(ExtensionSettings())
    warnings: WarningSettings = section(
        "Warnings", WarningSettings(), "Which peculiarities of requests are logged."
    )
    postgresql: PostgreSQLSettings = section(
        "PostgreSQL", PostgreSQLSettings(), "The index in PostgreSQL, as with Orthanc's plugin."
    )
    worklists: WorklistSettings = section(
        "Worklists", WorklistSettings(), "Modality worklists, as with Orthanc's plugin."
    )
    dicomweb: DicomWebSettings = section(
        "DicomWeb", DicomWebSettings(), "DICOMweb, as with Orthanc's plugin."
    )
    explorer: ExplorerSettings = section(
        "OrthancExplorer2", ExplorerSettings(), "The web interface; see OrthancExplorerEnabled."
    )


def _refuse_pkcs11(value: object) -> str | None:
    return "PKCS#11 authentication is not supported, and requests would be sent without it" if value else None


def _refuse_dictionaries(value: object) -> str | None:
    if not value:
        return None
    return "external dictionaries cannot be loaded, and files would be read by another dictionary"


_CACHE = "the cache of the operating system serves this purpose"
_THREADS = "the threads of this server are not divided in this way"

UNUSED: tuple[Row, ...] = (
    inert("MaximumStorageCacheSize", int, 128, _CACHE),
    inert("StorageLoaderThreadsCount", int, 4, _THREADS),
    inert("StorageMemoryCapacity", int, 512, _CACHE),
    inert("ZipLoaderThreads", int, 0, _THREADS),
    inert("TcpNoDelay", bool, True, "Nagle's algorithm is always off, as answers are sent as a whole"),
    inert("MallocArenaMax", int, 5, "it tunes the memory allocator of the C++ server"),
    inert("MaximumConcurrentDcmtkTranscoders", int, 0, "DCMTK is not used"),
    inert("DicomParserThreadsCount", int, 2, _THREADS),
    inert("DicomParserMemoryCapacity", int, 256, _CACHE),
    inert("DicomParserCacheSize", int, 256, _CACHE),
    inert("TranscoderThreadsCount", int, 4, _THREADS),
    inert("TranscoderMemoryCapacity", int, 256, _CACHE),
    inert("TranscoderCacheSize", int, 256, _CACHE),
    inert("SequentialDicomReaderThreadsCount", int, 4, _THREADS, optional=True),
    inert("SequentialDicomReaderWindowSize", int, 4, _THREADS),
    inert("SequentialDicomReaderWindowCapacity", int, 128, _THREADS),
    inert("Locale", str, "en_US.UTF-8", "text is compared by Unicode rules in any locale", optional=True),
    inert("DeidentifyLogs", bool, True, "queries are never written to the log"),
    inert("DeidentifyLogsDicomVersion", str, "2023b", "queries are never written to the log"),
    inert("BuiltinDecoderTranscoderOrder", str, "After", "there are no plugins beside the built-in decoders"),
    inert(
        "Pkcs11",
        Any,
        False,
        "Hardware security modules. Not supported: refused unless false or empty.",
        fate=Fate.REFUSED,
        optional=True,
        refuse=_refuse_pkcs11,
    ),
    inert(
        "ExternalDictionaries",
        tuple[str, ...],
        ["/usr/share/libdcmtk12/dicom.dic", "/usr/share/libdcmtk12/diconde.dic"],
        "Dictionaries of DCMTK. Not supported: refused unless empty. See Dictionary.",
        fate=Fate.REFUSED,
        optional=True,
        refuse=_refuse_dictionaries,
    ),
)
"""Keys that are known and checked, and have no use here."""


def all_rows() -> Iterator[Row]:
    """Every top-level key but the nested sections."""
    yield from rows(Settings)
    for _, settings in groups(Settings):
        yield from rows(settings)
    yield from UNUSED


TITLES: Mapping[str, str] = {
    "": "General",
    "storage": "Storage and index",
    "http": "HTTP server",
    "access": "Access to the HTTP server",
    "dicom": "DICOM server, modalities and peers",
    "dicom_tls": "DICOM over TLS",
    "data": "DICOM data",
    "find": "Searches",
    "jobs": "Jobs and archives",
    "scu": "DICOM client and retrieval",
    "http_client": "HTTP client",
    "transcoding": "Transcoding",
    "extensions": "Scripts, plugins, WebDAV",
}
"""Headings of the groups of top-level keys."""


def chapters() -> Iterator[tuple[str, tuple[Row, ...]]]:
    """The top-level keys under their headings, in the order of the documentation."""
    yield TITLES[""], tuple(rows(Settings))
    for name, settings in groups(Settings):
        yield TITLES[name], tuple(rows(settings))
    for row in sections(Settings):
        yield f"Section {row.key.name}", (row,)
    yield "Known, without effect here", UNUSED
