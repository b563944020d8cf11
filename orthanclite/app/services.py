"""All services of one server, made from the settings and wired together."""

from __future__ import annotations

from collections.abc import Callable

from orthanclite.app import options
from orthanclite.app.database import open_index
from orthanclite.app.storage import open_blobs, start_blob_process
from orthanclite.app.worklists import worklist_service
from orthanclite.config import Settings
from orthanclite.core.events import Events
from orthanclite.core.metrics import Metrics
from orthanclite.core.names import NameRegistry
from orthanclite.index.statistics import INTERVAL as STATISTICS_INTERVAL
from orthanclite.services.archive.service import ArchiveService
from orthanclite.services.content.attachments import AttachmentOptions, AttachmentService
from orthanclite.services.content.blobs import BlobReader
from orthanclite.services.content.byte_cache import ByteCache
from orthanclite.services.content.export import FileExport
from orthanclite.services.content.file_tags import FileTags
from orthanclite.services.content.files import InstanceFiles
from orthanclite.services.content.tags import TagService
from orthanclite.services.edit.create import CreateService
from orthanclite.services.imaging.arrays import ArrayService
from orthanclite.services.imaging.images import Images
from orthanclite.services.imaging.slices import SliceService
from orthanclite.services.imaging.transcoding import TranscodingService
from orthanclite.services.imaging.workers import WorkerPool
from orthanclite.services.ingest.journal import JournalKeeper
from orthanclite.services.ingest.service import IngestService
from orthanclite.services.ingest.storing import FileOptions
from orthanclite.services.ingest.upload import UploadService
from orthanclite.services.remotes import registries
from orthanclite.services.resources.annotations import LabelService, MetadataService
from orthanclite.services.resources.bulk import BulkContent
from orthanclite.services.resources.rendering import ResourceRenderer
from orthanclite.services.resources.tree import ResourceService
from orthanclite.services.search.find import FindService
from orthanclite.services.search.requested_tags import RequestedTags
from orthanclite.services.server.membership import BEAT, Membership
from orthanclite.services.server.system import Monitor
from orthanclite.services.upkeep.duties import Periodic, settle
from orthanclite.services.upkeep.housekeeper import INTERVAL, Housekeeper
from orthanclite.services.upkeep.reconstruct import ReconstructService
from orthanclite.services.upkeep.sweep import OrphanSweep
from orthanclite.services.worklists import WorklistService
from orthanclite.storage.shared_memory import SharedMemory

_SETTLE_INTERVAL = 0.5  # seconds between two looks for resources that have become stable
_FLUSH_INTERVAL = 2.0  # seconds for which the journal gathers what is synced together
_SWEEP_DELAY = 300.0  # seconds after the start: the first minutes belong to the clients
_SWEEP_INTERVAL = 86400.0
_REFRESH_INTERVAL = 1.0  # seconds after which what a client has set on one server holds on all


class Services:
    """What the adapters are built upon. ``start`` begins the background duties, ``close`` ends everything."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        storage = settings.storage
        self.metrics = Metrics(settings.http.metrics_enabled)
        self.blobs = open_blobs(settings)
        self.events = Events()
        self.memory = SharedMemory()
        self.index = open_index(settings)
        self.journal = JournalKeeper(self.index.journal, self.blobs)
        self.membership = Membership(
            self.index.servers, self.index.leases, options.server_name(settings), self.journal.adopt
        )
        self.membership.join(self.index.runtime_settings)
        self.journal.recover()
        self.runtime = options.runtime_options(settings, self.index.runtime_settings)
        self.dictionary = options.tag_dictionary(settings)
        self.main_tags = options.main_tags(settings, self.dictionary)
        self.reader = BlobReader(self.blobs)
        self.workers = WorkerPool()
        self.images = Images(self.workers, warn=settings.warnings.decoder_failure)
        self.arrays = ArrayService(self.images, storage.temporary_directory)
        self.transcoding = TranscodingService(
            self.workers, self.index.resources, self.reader, options.transcoding_options(settings)
        )
        self.blob_process = start_blob_process(settings, self.blobs, self.memory)
        self.ingest_transcoding = options.ingest_transcoding(settings, self.transcoding)
        self.ingest = IngestService(
            self.index.ingest,
            self.blobs,
            self.main_tags,
            self.dictionary,
            self.runtime,
            options.ingest_options(settings),
            self.journal,
            self.ingest_transcoding,
            self.blob_process,
            events=self.events,
        )
        temporary = storage.temporary_directory
        self.uploads = UploadService(
            self.ingest,
            settings.http.maximum_archive_member_mb * options.MEGABYTE,
            None if temporary is None else str(temporary),
        )
        self._add_resources()
        properties = self.index.properties
        rows, dicom = self.index.registries, settings.dicom
        self.modalities = registries.modalities(
            dicom.modalities, rows if dicom.modalities_in_database else None
        )
        self.peers = registries.peers(dicom.peers, rows if dicom.peers_in_database else None)
        self.worklists = worklist_service(
            settings, properties, self.search, self.index.resources, self.dictionary, self.runtime
        )
        self.monitor = Monitor(self.metrics, self.index.resources, self.index.changes)
        self._duties = self._background()
        self._endings: list[Callable[[], None]] = []

    def _add_resources(self) -> None:
        """The services of the resource tree."""
        settings, index = self.settings, self.index
        storage, data = settings.storage, settings.data
        metadata_names = NameRegistry.of_metadata(data.user_metadata)
        types = data.user_content_types
        attachment_names = NameRegistry.of_attachments({name: entry.number for name, entry in types.items()})
        self.files = InstanceFiles(index.resources, self.reader, self.dictionary, self.runtime, self.metrics)
        own_folders = (storage.directory, storage.index_folder)
        self.exports = FileExport(self.files, own_folders) if settings.http.write_to_file_system else None
        self.cache = ByteCache()
        self.tags = TagService(self.files, self.reader, self.dictionary, self.cache, self.metrics)
        self.renderer = ResourceRenderer(self.dictionary, metadata_names)
        self.search = index.search(self.main_tags)
        self.file_tags = FileTags(self.files, self.dictionary)
        self.requested_tags = RequestedTags(
            self.search,
            index.resources,
            self.files,
            self.file_tags,
            self.main_tags,
            settings.find.storage_access != "Never",
            options.find_warnings(settings),
        )
        self.find = FindService(
            self.search,
            index.resources,
            self.requested_tags,
            self.main_tags,
            self.dictionary,
            options.find_options(settings),
        )
        self.resources = ResourceService(
            index.resources, self.blobs, self.renderer, self.dictionary, self.requested_tags, self.events
        )
        self.bulk = BulkContent(index.resources, self.resources)
        self.attachments = AttachmentService(
            index.annotations,
            self.blobs,
            attachment_names,
            AttachmentOptions(
                storage.check_revisions,
                storage.compression,
                storage.store_md5,
                {entry.number: entry.mime for entry in types.values()},
            ),
        )
        self.metadata = MetadataService(index.annotations, metadata_names, storage.check_revisions)
        self.labels = LabelService(index.annotations)
        self.slices = SliceService(index.resources)
        temporary = storage.temporary_directory
        self.archives = ArchiveService(
            index.resources,
            self.reader,
            self.transcoding,
            self.dictionary,
            self.runtime,
            utf8=settings.jobs.zip_utf8,
            temporary_folder=None if temporary is None else str(temporary),
        )
        self.creation = CreateService(
            index.resources,
            self.files,
            self.ingest,
            self.workers,
            self.dictionary,
            self.runtime,
            data.default_private_creator,
        )
        self.reconstruction = ReconstructService(
            index.resources,
            index.annotations,
            self.blobs,
            self.files,
            self.main_tags,
            self.dictionary,
            FileOptions(storage.compression, storage.store_md5),
            self.ingest_transcoding,
        )

    def _background(self) -> list[Periodic]:
        settings, index, maintenance = self.settings, self.index, self.index.maintenance
        sweep = OrphanSweep(self.blobs, maintenance, index.properties)
        sweep.bind()
        stable_age = settings.storage.stable_age
        sweeper = self._shared_duty("sweeper", _SWEEP_INTERVAL, lambda: sweep.run(is_over), _SWEEP_DELAY)

        def is_over() -> bool:
            return sweeper.stopping

        settler = settle(maintenance, stable_age, self.events)
        duties = [
            Periodic("journal", _FLUSH_INTERVAL, self.journal.flush, metrics=self.metrics),
            self._shared_duty("settler", _SETTLE_INTERVAL, settler),
            sweeper,
        ]
        if not settings.storage.read_only:
            keeper = Housekeeper(maintenance, index.properties, self.reconstruction, self.main_tags)
            duties.append(self._shared_duty("housekeeper", INTERVAL, keeper.run, INTERVAL))
            if self.worklists is not None:
                duties.append(self._worklists_duty(self.worklists))
        if not self.membership.is_sole:
            duties += [
                Periodic("membership", BEAT, self.membership.beat, metrics=self.metrics),
                Periodic("settings", _REFRESH_INTERVAL, self.runtime.refresh, 1.0, metrics=self.metrics),
            ]
            if not settings.storage.read_only:
                refresh = index.statistics.refresh
                duties.append(self._shared_duty("statistics", STATISTICS_INTERVAL, refresh, 1.0))
        return duties

    def _shared_duty(
        self, name: str, interval: float, function: Callable[[], object], delay: float = 0
    ) -> Periodic:
        """A duty that one server does for all on the same index."""
        allowed = self.membership.holds(name)
        return Periodic(name, interval, function, delay, allowed=allowed, metrics=self.metrics)

    def _worklists_duty(self, worklists: WorklistService) -> Periodic:
        """The removal of worklists in time; a folder of them may be this server's alone."""
        section = self.settings.worklists
        interval = float(section.housekeeping_interval)
        if section.in_database:
            return self._shared_duty("worklists", interval, worklists.housekeep, interval)
        return Periodic("worklists", interval, worklists.housekeep, interval, metrics=self.metrics)

    def start(self) -> None:
        """Begin the background duties."""
        for duty in self._duties:
            duty.start()

    def at_end(self, ending: Callable[[], None]) -> None:
        """Have ``close`` end first what was built upon these services."""
        self._endings.append(ending)

    def close(self) -> None:
        """End everything in the order of dependence; what is acknowledged is durable already."""
        for ending in self._endings:
            ending()
        for duty in self._duties:
            duty.stop()
        if self.blob_process is not None:
            self.blob_process.close()
        self.ingest.close()
        self.archives.close()
        self.workers.close()
        self.journal.flush()
        self.membership.leave()
        self.index.close()
