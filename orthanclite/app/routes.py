"""The routes of the REST API, on top of the services."""

from __future__ import annotations

from collections.abc import Callable

from pydicom.uid import UID

from orthanclite.app.options import http_policy, server_name
from orthanclite.app.services import Services
from orthanclite.core.constants import Origin
from orthanclite.core.principal import Principal
from orthanclite.dimse.scp.find import QUERY_MODELS, WORKLIST_MODELS
from orthanclite.explorer.pages import start_page_routes
from orthanclite.rest.archives import archive_routes
from orthanclite.rest.attachments import attachment_routes
from orthanclite.rest.changes import changes_routes
from orthanclite.rest.create import create_routes
from orthanclite.rest.files import file_routes
from orthanclite.rest.find import find_routes
from orthanclite.rest.images import image_routes
from orthanclite.rest.labels import label_routes
from orthanclite.rest.metadata import metadata_routes
from orthanclite.rest.registries import registry_routes
from orthanclite.rest.resources import resource_routes
from orthanclite.rest.system import system_routes
from orthanclite.rest.tags import tag_routes
from orthanclite.rest.tools import log_routes, metrics_routes, runtime_routes, script_routes, tools_routes
from orthanclite.rest.upload import upload_routes
from orthanclite.rest.worklists import worklist_routes
from orthanclite.services.hooks.lua import LuaScripts
from orthanclite.services.server.conformance import ServiceClasses
from orthanclite.services.server.system import ORTHANC_VERSION, BuiltIn, SystemInformation
from orthanclite.web.application import Application
from orthanclite.web.internal import InternalClient
from orthanclite.web.routing import Router


def rest_application(
    services: Services, stop: Callable[[], None], restart: Callable[[], None]
) -> Application:
    """The REST API.

    :param stop: begins the end of the server (``/tools/shutdown``)
    :param restart: the same, followed by a new start (``/tools/reset``)
    """
    settings = services.settings
    scripts = None
    if settings.http.execute_lua_enabled:
        scripts = LuaScripts(InternalClient(lambda: application.table, Principal(Origin.LUA)))
        services.at_end(scripts.close)
    sections = [*routers(services, stop, restart), script_routes(scripts)]
    if services.worklists is not None:
        sections.append(worklist_routes(services.worklists))
    if settings.http.explorer_enabled:
        sections.append(start_page_routes())
    application = Application(sections, http_policy(settings), services.metrics)
    return application


def routers(services: Services, stop: Callable[[], None], restart: Callable[[], None]) -> list[Router]:
    """The sections of the API but for scripts and pages."""
    index = services.index
    return [
        upload_routes(services.uploads),
        resource_routes(services.resources, services.slices, services.reconstruction),
        find_routes(services.find, services.resources, services.bulk, services.metadata.names),
        tag_routes(services.tags),
        image_routes(services.images, services.arrays, services.files, services.slices),
        metadata_routes(services.metadata),
        attachment_routes(services.attachments),
        label_routes(services.labels),
        file_routes(services.files, services.tags, services.transcoding, services.exports),
        create_routes(services.creation),
        archive_routes(services.archives, services.settings.jobs.stream_zip),
        changes_routes(index.changes),
        system_routes(system_information(services), index.resources, built_in(services)),
        tools_routes(stop, restart, services.cache.clear),
        runtime_routes(services.runtime, other_services(services)),
        log_routes(),
        metrics_routes(services.monitor),
        registry_routes(services.modalities, services.peers),
    ]


def other_services(services: Services) -> list[ServiceClasses]:
    """What the DICOM server offers beside verification and storage, for its conformance statement."""
    offered = [("Find SCP", QUERY_MODELS)]
    if services.worklists is not None:
        offered.append(("Worklist SCP", WORKLIST_MODELS))
    return [
        ServiceClasses(title, "C-Find", "SCP", {UID(uid).keyword: uid for uid in sorted(models)})
        for title, models in offered
    ]


def system_information(services: Services) -> SystemInformation:
    """What ``/system`` tells."""
    settings = services.settings
    storage = settings.storage
    return SystemInformation(
        name=settings.name,
        dicom_aet=settings.dicom.aet,
        dicom_port=settings.dicom.port,
        http_port=settings.http.port,
        is_http_secure=settings.access.secure,
        database_version=services.index.maintenance.database_version(),
        main_tags=services.main_tags.signatures,
        check_revisions=storage.check_revisions,
        database_backend="postgresql-index" if settings.postgresql.enable_index else None,
        database_server_identifier=server_name(settings),
        default_retrieve_method=settings.scu.default_retrieve_method,
        ingest_transcoding=settings.transcoding.ingest or "",
        maximum_patients=storage.maximum_patients,
        maximum_storage_mode=storage.maximum_mode.value,
        maximum_storage_mb=storage.maximum_size_mb,
        overwrite_mode=storage.overwrite.value,
        patient_level=settings.data.patient_level,
        performance={
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


def built_in(services: Services) -> list[BuiltIn]:
    """The capabilities that ``/plugins`` names: each one works. Clients compare versions part by part."""
    found = [BuiltIn("gdcm", ORTHANC_VERSION, "Decoder and encoder of all transfer syntaxes")]
    if services.settings.postgresql.enable_index:
        found.append(BuiltIn("postgresql-index", "10.0.0", "The index in a PostgreSQL database"))
    if services.worklists is not None:
        found.append(BuiltIn("worklists", "0.9.2", "Modality worklists, and a REST API to make them"))
    return found
