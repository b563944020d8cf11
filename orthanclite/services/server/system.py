"""What the server tells of itself: ``/system``, ``/statistics``, ``/plugins`` and the metrics."""

from __future__ import annotations

import sqlite3
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from orthanclite.core.levels import Level
from orthanclite.core.metrics import Metrics
from orthanclite.core.model import Counts
from orthanclite.core.ports import ChangeLog, Resources

API_VERSION = 31
ORTHANC_VERSION = "1.13.0"
"""The version of Orthanc whose REST API this is; clients switch features on by it."""

_MEGABYTE = 1024 * 1024

_LIBRARIES = (
    "fastapi",
    "httptools",
    "numpy",
    "pillow",
    "psycopg",
    "pydicom",
    "pyjpegls",
    "pylibjpeg-openjpeg",
    "python-gdcm",
    "sqlalchemy",
    "uvicorn",
)


@dataclass(frozen=True, slots=True)
class SystemInformation:
    """The facts behind ``/system``, fixed from start to stop."""

    name: str
    dicom_aet: str
    dicom_port: int
    http_port: int
    is_http_secure: bool
    database_version: int
    main_tags: Mapping[Level, str]  # signatures
    check_revisions: bool = False
    database_backend: str | None = None  # None for the embedded SQLite
    database_server_identifier: str = ""
    default_retrieve_method: str = "C-MOVE"
    ingest_transcoding: str = ""  # UID; empty for none
    maximum_patients: int = 0
    maximum_storage_mode: str = "Recycle"
    maximum_storage_mb: int = 0
    overwrite_mode: str = "Never"  # Never, Always or IfChanged
    patient_level: bool = True
    performance: Mapping[str, int] = field(default_factory=dict)  # HttpThreadsCount...
    read_only: bool = False
    storage_compression: bool = False
    store_md5: bool = True
    user_metadata: Mapping[str, int] = field(default_factory=dict)
    capabilities: Mapping[str, bool] = field(default_factory=dict)  # HasExtendedFind...

    def to_json(self) -> dict[str, Any]:
        return {
            "ApiVersion": API_VERSION,
            "Capabilities": dict(self.capabilities),
            "CheckRevisions": self.check_revisions,
            "DatabaseBackendPlugin": self.database_backend,
            "DatabaseServerIdentifier": self.database_server_identifier,
            "DatabaseVersion": self.database_version,
            "DicomAet": self.dicom_aet,
            "DicomDefaultRetrieveMethod": self.default_retrieve_method,
            "DicomPort": self.dicom_port,
            "HasLabels": True,
            "HttpPort": self.http_port,
            "IngestTranscoding": self.ingest_transcoding,
            "IsHttpServerSecure": self.is_http_secure,
            "MainDicomTags": {level.label: text for level, text in self.main_tags.items()},
            "MaximumPatientCount": self.maximum_patients,
            "MaximumStorageMode": self.maximum_storage_mode,
            "MaximumStorageSize": self.maximum_storage_mb,
            "Name": self.name,
            "OverwriteInstances": self.overwrite_mode != "Never",
            "OverwriteInstancesMode": self.overwrite_mode,
            "PatientLevelEnabled": self.patient_level,
            "Performance": dict(self.performance),
            "PluginsEnabled": True,
            "ReadOnly": self.read_only,
            "StorageAreaPlugin": None,
            "StorageCompression": self.storage_compression,
            "StoreMD5ForAttachments": self.store_md5,
            "ThirdPartyPatches": [],
            "ThirdPartyVersions": third_party_versions(),
            "UserMetadata": dict(self.user_metadata),
            "Version": ORTHANC_VERSION,
        }


def third_party_versions() -> dict[str, str]:
    """The versions of the libraries that files and clients get to feel."""
    versions = {name: version(name) for name in _LIBRARIES}
    return {**versions, "openssl": ssl.OPENSSL_VERSION.split()[1], "sqlite": sqlite3.sqlite_version}


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A capability that Orthanc has as a plugin and this server has built in.

    Clients look for the plugin's name before they use the feature.
    """

    id: str
    version: str
    description: str
    root_uri: str | None = None

    def to_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "Description": self.description,
            "ExtendsOrthancExplorer": False,
            "ID": self.id,
            "Version": self.version,
        }
        if self.root_uri is not None:
            shown["RootUri"] = self.root_uri
        return shown


def statistics_json(counts: Counts) -> dict[str, Any]:
    """The body of ``/statistics``: sizes in bytes are strings, as they may exceed 2^53."""
    return {
        "CountInstances": counts.instances,
        "CountPatients": counts.patients,
        "CountSeries": counts.series,
        "CountStudies": counts.studies,
        "TotalDiskSize": str(counts.disk_size),
        "TotalDiskSizeMB": counts.disk_size // _MEGABYTE,
        "TotalUncompressedSize": str(counts.uncompressed_size),
        "TotalUncompressedSizeMB": counts.uncompressed_size // _MEGABYTE,
    }


class Monitor:
    """Completes the metrics with what is only looked up when somebody asks."""

    def __init__(
        self,
        metrics: Metrics,
        resources: Resources,
        changes: ChangeLog,
        further: Iterable[Callable[[], object]] = (),
    ) -> None:
        """:param further: set metrics of other parts of the server"""
        self.metrics = metrics
        self._resources = resources
        self._changes = changes
        self._further = tuple(further)
        self._started = time.monotonic()

    def render(self) -> str:
        """The text of ``/tools/metrics-prometheus``; empty while metrics are off."""
        if not self.metrics.enabled:
            return ""
        counts = self._resources.counts()
        for name, value in _gauges(counts):
            self.metrics.set(name, value)
        self.metrics.set("orthanc_last_change", self._changes.last_change().last)
        for measure in self._further:
            measure()
        self.metrics.set("orthanc_up_time_s", int(time.monotonic() - self._started))
        return self.metrics.render()


def _gauges(counts: Counts) -> Iterable[tuple[str, float]]:
    return (
        ("orthanc_count_instances", counts.instances),
        ("orthanc_count_patients", counts.patients),
        ("orthanc_count_series", counts.series),
        ("orthanc_count_studies", counts.studies),
        ("orthanc_disk_size_mb", counts.disk_size / _MEGABYTE),
        ("orthanc_uncompressed_size_mb", counts.uncompressed_size / _MEGABYTE),
    )
