"""DICOMweb, as the section ``DicomWeb`` says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.keeping.content import ContentWing
from orthanclite.app.wiring.keeping.imaging import ImagingWing
from orthanclite.app.wiring.keeping.ingest import IngestWing
from orthanclite.app.wiring.keeping.resources import ResourcesWing
from orthanclite.app.wiring.keeping.search import SearchWing
from orthanclite.core.levels import Level
from orthanclite.core.model import OverwriteMode
from orthanclite.dicom.renderings.dicomweb_metadata import OtherBinary
from orthanclite.dicomweb.addresses import Addresses
from orthanclite.dicomweb.capabilities import capability_routes, information_routes
from orthanclite.dicomweb.deletion import deletion_routes
from orthanclite.dicomweb.retrieve.bulk import BulkAnswers, bulk_routes
from orthanclite.dicomweb.retrieve.frames import FrameAnswers, frame_routes
from orthanclite.dicomweb.retrieve.instances import InstanceAnswers, instance_routes
from orthanclite.dicomweb.retrieve.metadata import MetadataAnswers, metadata_routes, update_routes
from orthanclite.dicomweb.retrieve.rendered import RenderedAnswers, rendered_routes
from orthanclite.dicomweb.retrieve.wado_uri import WadoUri, wado_uri_routes
from orthanclite.dicomweb.search.answers import SearchAnswers, search_routes
from orthanclite.dicomweb.store import StoreAnswers, store_routes
from orthanclite.dicomweb.workitems.changing import WorkitemChanges, change_routes
from orthanclite.dicomweb.workitems.showing import WorkitemAnswers, refused_routes, workitem_routes
from orthanclite.services.archive.service import ArchiveService
from orthanclite.services.content.byte_cache import ByteCache
from orthanclite.services.content.kept import KeptAttachments
from orthanclite.services.content.unpacked import UnpackedFiles
from orthanclite.services.dicomweb.bulk import BulkService
from orthanclite.services.dicomweb.frames import FRAME_PLACES, FrameService
from orthanclite.services.dicomweb.locator import Locator
from orthanclite.services.dicomweb.metadata import METADATA, MetadataService
from orthanclite.services.dicomweb.pictures import PictureService
from orthanclite.services.dicomweb.representatives import Representatives
from orthanclite.services.dicomweb.tags import MetadataTags
from orthanclite.services.dicomweb.warming import MetadataWarming
from orthanclite.services.search.query_retrieve import QueryService
from orthanclite.services.search.requested_tags import FindWarnings, RequestedTags
from orthanclite.services.server.system import BuiltIn
from orthanclite.services.upkeep.duties import Periodic
from orthanclite.services.worklists import Steps, Workitems, WorklistService, of_worklists
from orthanclite.web.routing import Router

_VERSION = "1.24"
"""The version of Orthanc's plugin whose API this is; clients switch features on by it."""

_FORGET_INTERVAL = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class DicomWebWing:
    adds: Additions


def dicomweb_wing(
    base: Foundation,
    content: ContentWing,
    imaging: ImagingWing,
    ingest: IngestWing,
    search: SearchWing,
    tree: ResourcesWing,
    archives: ArchiveService,
    worklists: WorklistService | None,
) -> DicomWebWing:
    section, storage = base.settings.dicomweb, base.settings.storage
    resources = base.index.resources
    keeps = section.metadata_cache and not storage.read_only

    def kept(type: int) -> KeptAttachments:
        return KeptAttachments(base.index.annotations, base.blobs, type, keeps)

    unpacked = UnpackedFiles(base.reader, imaging.transcoding, base.temporary_folder)
    frames = FrameService(
        unpacked,
        base.dictionary,
        imaging.images,
        base.settings.transcoding.lossy_quality,
        kept(FRAME_PLACES),
    )
    pictures = PictureService(imaging.images, content.files, unpacked, frames)
    forgetting = base.duty("unpacked files", _FORGET_INTERVAL, unpacked.forget_unused, _FORGET_INTERVAL)
    wado = WadoUri(search.search, resources, content.files, imaging.transcoding, pictures)
    wado_routers = (wado_uri_routes(section.wado_root, wado),) if section.wado_enabled else ()
    if not section.enabled:
        return DicomWebWing(Additions(routers=wado_routers, duties=(forgetting,)))
    locator = Locator(search.search, resources)
    metadata = MetadataService(
        resources,
        content.files,
        base.dictionary,
        OtherBinary(section.other_binary_mode),
        kept(METADATA),
    )
    addresses = Addresses(
        section.shown_root,
        section.host,
        section.ssl or base.settings.access.ssl_enabled,
        base.settings.access.trusted_proxies,
    )
    searches = SearchAnswers(
        {
            level: _queries(base, content, search, MetadataTags(metadata, resources, level is Level.INSTANCE))
            for level in (Level.STUDY, Level.SERIES, Level.INSTANCE)
        },
        base.main_tags,
        base.dictionary,
        addresses,
        base.settings.find.case_sensitive_pn if section.case_sensitive is None else section.case_sensitive,
    )
    lasting = storage.overwrite is OverwriteMode.NEVER
    root = section.root.rstrip("/")
    answers = MetadataAnswers(metadata, locator, addresses, base.dictionary, ByteCache())
    representatives = Representatives(search.search, resources)
    bulk = BulkService(content.files, base.reader, frames)
    routers: tuple[Router, ...] = (
        search_routes(root, searches),
        instance_routes(
            root, InstanceAnswers(locator, content.files, imaging.transcoding, archives, lasting)
        ),
        metadata_routes(root, answers),
        frame_routes(root, FrameAnswers(locator, frames, addresses, lasting)),
        store_routes(root, StoreAnswers(ingest.uploads, base.dictionary, addresses, base.temporary_folder)),
        bulk_routes(root, BulkAnswers(locator, bulk, lasting)),
        rendered_routes(root, RenderedAnswers(locator, resources, representatives, pictures, lasting)),
        information_routes(root),
        update_routes(metadata, lambda id: resources.descendant_ids(Level.STUDY, id, Level.SERIES)),
    )
    items = WorkitemParts() if worklists is None else _workitems(base, worklists, root, addresses)
    routers = (*routers, *items.routers)
    if section.allow_delete:
        routers = (*routers, deletion_routes(root, locator, tree.resources.delete))
    routers = (*routers, capability_routes(root, routers, addresses), *items.refused, *wado_routers)
    built_in = BuiltIn(
        "dicom-web",
        _VERSION,
        "Implementation of DICOMweb (QIDO-RS, STOW-RS and WADO-RS) and WADO-URI.",
    )
    warming = (MetadataWarming(metadata, base.events),) if keeps else ()
    duties = (forgetting, *warming, *items.duties)
    return DicomWebWing(Additions(routers=routers, duties=duties, built_in=(built_in,)))


@dataclass(frozen=True, slots=True)
class WorkitemParts:
    """What UPS-RS adds."""

    routers: tuple[Router, ...] = ()
    refused: tuple[Router, ...] = ()
    duties: tuple[Periodic, ...] = ()


def _workitems(
    base: Foundation, worklists: WorklistService, root: str, addresses: Addresses
) -> WorkitemParts:
    section, read_only = base.settings.worklists, base.settings.storage.read_only
    steps = Steps(base.index.properties, partial(of_worklists, worklists), section.delete_delay)
    workitems = Workitems(worklists, steps, base.settings.find.case_sensitive_pn)
    answers = WorkitemAnswers(workitems, base.dictionary, addresses)
    interval = float(section.housekeeping_interval)
    care = base.shared_duty("workitems", interval, steps.housekeep, interval)
    return WorkitemParts(
        (workitem_routes(root, answers), change_routes(root, WorkitemChanges(steps, addresses))),
        (refused_routes(root, answers),),
        () if read_only else (care,),
    )


def _queries(base: Foundation, content: ContentWing, search: SearchWing, tags: MetadataTags) -> QueryService:
    """Searches whose answers take what the index does not keep from the metadata."""
    # What is shown in any case is no peculiarity of a request.
    silent = FindWarnings(tags_read_from_storage=False, tag_from_lower_level=False)
    requested_tags = RequestedTags(
        search.search,
        base.index.resources,
        content.files,
        tags,
        base.main_tags,
        base.settings.find.storage_access != "Never",
        silent,
    )
    return search.queries_with(requested_tags)
