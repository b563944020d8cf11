"""Pixels: pictures, arrays, transcoded files, and the processes that decode."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation, dictionary_entries
from orthanclite.app.wiring.keeping.content import ContentWing
from orthanclite.rest.resources.files import file_routes
from orthanclite.rest.resources.images import image_routes
from orthanclite.services.content.export import FileExport
from orthanclite.services.imaging.arrays import ArrayService
from orthanclite.services.imaging.images import Images
from orthanclite.services.imaging.slices import SliceService
from orthanclite.services.imaging.transcoding import TranscodingOptions, TranscodingService
from orthanclite.services.imaging.workers import WorkerPool
from orthanclite.services.server.system import ORTHANC_VERSION, BuiltIn


@dataclass(frozen=True, slots=True)
class ImagingWing:
    workers: WorkerPool
    images: Images
    transcoding: TranscodingService
    slices: SliceService
    adds: Additions


def imaging_wing(base: Foundation, content: ContentWing) -> ImagingWing:
    settings, storage = base.settings, base.settings.storage
    workers = WorkerPool(metrics=base.metrics)
    images = Images(workers, warn=settings.warnings.decoder_failure)
    arrays = ArrayService(images, storage.temporary_directory)
    slices = SliceService(base.index.resources)
    options = TranscodingOptions(
        settings.transcoding.lossy_quality,
        dictionary_entries(settings),
        settings.data.load_private_dictionary,
        storage.temporary_directory,
    )
    transcoding = TranscodingService(workers, base.index.resources, base.reader, options)
    own_folders = (storage.directory, storage.index_folder)
    exports = FileExport(content.files, own_folders) if settings.http.write_to_file_system else None
    return ImagingWing(
        workers,
        images,
        transcoding,
        slices,
        Additions(
            routers=(
                image_routes(images, arrays, content.files, slices),
                file_routes(content.files, content.tags, transcoding, exports),
            ),
            endings=(workers.close,),
            built_in=(BuiltIn("gdcm", ORTHANC_VERSION, "Decoder and encoder of all transfer syntaxes"),),
        ),
    )
