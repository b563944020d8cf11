"""The server itself: what it tells of itself and of all wings, its options at run time, its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orthanclite.app.database_settings import server_identifier
from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.jobs import JobsWing, workers
from orthanclite.app.wiring.keeping.content import ContentWing
from orthanclite.rest.system import system_routes
from orthanclite.rest.tools import log_routes, metrics_routes, runtime_routes, tools_routes
from orthanclite.services.server.system import Monitor, SystemInformation


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """How the life of the server is asked to change; each returns at once."""

    stop: Callable[[], None]
    restart: Callable[[], None]


@dataclass(frozen=True, slots=True)
class ServerWing:
    adds: Additions


def server_wing(
    base: Foundation, content: ContentWing, jobs: JobsWing, lifecycle: Lifecycle, others: Sequence[Additions]
) -> ServerWing:
    built_in = [one for adds in others for one in adds.built_in]
    service_classes = [one for adds in others for one in adds.service_classes]
    monitor = Monitor(base.metrics, base.index.resources, base.index.changes, (jobs.engine.measure,))
    return ServerWing(
        Additions(
            routers=(
                system_routes(_information(base), base.index.resources, built_in),
                tools_routes(lifecycle.stop, lifecycle.restart, content.cache.clear),
                runtime_routes(base.runtime, service_classes),
                log_routes(),
                metrics_routes(monitor),
            )
        )
    )


def _information(base: Foundation) -> SystemInformation:
    """What ``/system`` tells."""
    settings, storage = base.settings, base.settings.storage
    return SystemInformation(
        name=settings.name,
        dicom_aet=settings.dicom.aet,
        dicom_port=settings.dicom.port,
        http_port=settings.http.port,
        is_http_secure=settings.access.secure,
        database_version=base.index.maintenance.database_version(),
        main_tags=base.main_tags.signatures,
        check_revisions=storage.check_revisions,
        database_backend="postgresql-index" if settings.postgresql.enable_index else None,
        database_server_identifier=server_identifier(settings),
        default_retrieve_method=settings.scu.default_retrieve_method,
        ingest_transcoding=settings.transcoding.ingest or "",
        maximum_patients=storage.maximum_patients,
        maximum_storage_mode=storage.maximum_mode.value,
        maximum_storage_mb=storage.maximum_size_mb,
        overwrite_mode=storage.overwrite.value,
        patient_level=settings.data.patient_level,
        performance={
            "ConcurrentJobs": workers(settings),
            "DicomThreadsCount": settings.dicom.threads,
            "HttpThreadsCount": settings.http.threads,
        },
        read_only=storage.read_only,
        storage_compression=storage.compression,
        store_md5=storage.store_md5,
        user_metadata=settings.data.user_metadata,
        capabilities={
            "HasExtendedChanges": True,
            "HasExtendedFind": True,
        },
    )
