"""What the services need of the index and of the storage, as small protocols.

``index.SqlIndex`` and ``storage.FileStorage`` fulfil them; nothing else of those packages is visible above.
Every method is synchronous, thread-safe and atomic: when it returns, its effect is durable.
A resource that does not exist raises :class:`~orthanclite.core.errors.UnknownResource` unless said otherwise.
"""

from __future__ import annotations

from orthanclite.core.ports.annotations import Annotations
from orthanclite.core.ports.blobs import BlobHelper, Blobs, BlobWriter, LocalBlobs
from orthanclite.core.ports.http import Answer, HttpClient, StreamedAnswer, Upload
from orthanclite.core.ports.ingest import BlobJournal, Ingest
from orthanclite.core.ports.jobs import Jobs
from orthanclite.core.ports.log import ChangeLog
from orthanclite.core.ports.maintenance import Maintenance
from orthanclite.core.ports.properties import Properties
from orthanclite.core.ports.registries import (
    MemoryRegistryRows,
    MemoryRuntimeSettings,
    RegistryRows,
    RuntimeSettings,
)
from orthanclite.core.ports.remote_queries import RemoteQueries
from orthanclite.core.ports.resources import Resources, Search
from orthanclite.core.ports.servers import Leases, Servers

__all__ = [
    "Annotations",
    "Answer",
    "BlobHelper",
    "BlobJournal",
    "BlobWriter",
    "Blobs",
    "ChangeLog",
    "HttpClient",
    "Ingest",
    "Jobs",
    "Leases",
    "LocalBlobs",
    "Maintenance",
    "MemoryRegistryRows",
    "MemoryRuntimeSettings",
    "Properties",
    "RegistryRows",
    "RemoteQueries",
    "Resources",
    "RuntimeSettings",
    "Search",
    "Servers",
    "StreamedAnswer",
    "Upload",
]
