"""Keeping index and storage in order: stable events, orphans, changed options, statistics."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.keeping.content import ContentWing
from orthanclite.app.wiring.keeping.ingest import IngestWing
from orthanclite.config import Settings
from orthanclite.index.database.statistics import INTERVAL as STATISTICS_INTERVAL
from orthanclite.logs import LogCounter
from orthanclite.rest.housekeeper import housekeeper_routes
from orthanclite.services.ingest.storing import FileOptions
from orthanclite.services.server.system import ORTHANC_VERSION, BuiltIn
from orthanclite.services.upkeep.duties import Periodic, settle
from orthanclite.services.upkeep.housekeeper import INTERVAL, Housekeeper
from orthanclite.services.upkeep.reconstruct import ReconstructService
from orthanclite.services.upkeep.recycling import INTERVAL as RECYCLING_INTERVAL
from orthanclite.services.upkeep.recycling import Recycling
from orthanclite.services.upkeep.renewal import FileRenewal
from orthanclite.services.upkeep.sweep import OrphanSweep

_SETTLE_INTERVAL = 0.5  # seconds between two looks for resources that have become stable
_SWEEP_DELAY = 300.0  # seconds after the start: the first minutes belong to the clients
_SWEEP_INTERVAL = 86400.0


@dataclass(frozen=True, slots=True)
class UpkeepWing:
    reconstruction: ReconstructService
    adds: Additions


def upkeep_wing(base: Foundation, content: ContentWing, ingest: IngestWing) -> UpkeepWing:
    storage, index = base.settings.storage, base.index
    reconstruction = ReconstructService(
        index.resources,
        base.blobs,
        content.files,
        base.main_tags,
        base.dictionary,
        FileOptions(storage.compression, storage.store_md5),
        ingest.transcoding,
    )
    settler = settle(index.maintenance, storage.stable_age, base.events)
    duties = [base.shared_duty("settler", _SETTLE_INTERVAL, settler), _sweeper(base)]
    tags = Housekeeper(index.maintenance, index.properties, reconstruction, base.main_tags)
    files = FileRenewal(index.maintenance, index.properties, reconstruction, _file_options(base.settings))
    if not storage.read_only:
        duties.append(base.shared_duty("housekeeper", INTERVAL, tags.run, INTERVAL))
        duties.append(base.shared_duty("file housekeeper", INTERVAL, files.run, INTERVAL))
        if storage.maximum_patients or storage.maximum_size_mb:
            duties.append(_recycler(base))
        if not base.membership.is_sole:
            refresh = index.statistics.refresh
            duties.append(base.shared_duty("statistics", STATISTICS_INTERVAL, refresh, 1.0))
    return UpkeepWing(
        reconstruction,
        Additions(
            routers=(housekeeper_routes({"MainDicomTags": tags.status, "Files": files.status}),),
            duties=tuple(duties),
            endings=(LogCounter(base.metrics).close,),
            built_in=(BuiltIn("housekeeper", ORTHANC_VERSION, "Brings what is stored to today's options"),),
        ),
    )


def _file_options(settings: Settings) -> dict[str, object]:
    """The options that rule how files are kept."""
    transcoding = settings.transcoding
    options: dict[str, object] = {"StorageCompression": settings.storage.compression}
    if transcoding.ingest:
        options["IngestTranscoding"] = transcoding.ingest
        options["IngestTranscodingOfUncompressed"] = transcoding.ingest_uncompressed
        options["IngestTranscodingOfCompressed"] = transcoding.ingest_compressed
    return options


def _recycler(base: Foundation) -> Periodic:
    recycling = Recycling(base.index.maintenance, base.blobs, base.events)
    duty = base.shared_duty("recycler", RECYCLING_INTERVAL, lambda: recycling.run(is_over))

    def is_over() -> bool:
        return duty.stopping

    return duty


def _sweeper(base: Foundation) -> Periodic:
    sweep = OrphanSweep(base.blobs, base.index.maintenance, base.index.properties)
    sweep.bind()
    duty = base.shared_duty("sweeper", _SWEEP_INTERVAL, lambda: sweep.run(is_over), _SWEEP_DELAY)

    def is_over() -> bool:
        return duty.stopping

    return duty
