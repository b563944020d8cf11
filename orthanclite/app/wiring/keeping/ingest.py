"""The way in: files become instances that are durable and in the index."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.app.storage import start_blob_process
from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.keeping.imaging import ImagingWing
from orthanclite.config import Settings
from orthanclite.core.errors import IncompatibleConfigurations
from orthanclite.dicom.pixels.syntaxes import WRITABLE
from orthanclite.rest.resources.upload import upload_routes
from orthanclite.services.imaging.transcoding import IngestTranscoding, TranscodingService
from orthanclite.services.ingest.service import IngestOptions, IngestService
from orthanclite.services.ingest.upload import UploadService

_FLUSH_INTERVAL = 2.0  # seconds for which the journal gathers what is synced together
_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class IngestWing:
    ingest: IngestService
    uploads: UploadService
    transcoding: IngestTranscoding | None
    adds: Additions


def ingest_wing(base: Foundation, imaging: ImagingWing) -> IngestWing:
    """:raises IncompatibleConfigurations: where ``IngestTranscoding`` names what cannot be written."""
    settings, storage = base.settings, base.settings.storage
    blob_process = start_blob_process(settings, base.blobs, base.memory)
    transcoding = _ingest_transcoding(settings, imaging.transcoding)
    ingest = IngestService(
        base.index.ingest,
        base.blobs,
        base.main_tags,
        base.dictionary,
        base.runtime,
        IngestOptions(
            storage.overwrite,
            storage.compression,
            storage.store_md5,
            storage.store_dicom,
            storage.read_only,
            storage.temporary_directory,
        ),
        base.journal,
        transcoding,
        blob_process,
        events=base.events,
        metrics=base.metrics,
    )
    member_limit = settings.http.maximum_archive_member_mb * _MEGABYTE
    uploads = UploadService(ingest, member_limit, base.temporary_folder)

    def end() -> None:
        if blob_process is not None:
            blob_process.close()
        ingest.close()
        base.journal.flush()

    return IngestWing(
        ingest,
        uploads,
        transcoding,
        Additions(
            routers=(upload_routes(uploads),),
            duties=(base.duty("journal", _FLUSH_INTERVAL, base.journal.flush),),
            endings=(end,),
        ),
    )


def _ingest_transcoding(settings: Settings, service: TranscodingService) -> IngestTranscoding | None:
    """The option ``IngestTranscoding``."""
    transcoding = settings.transcoding
    if not transcoding.ingest:
        return None
    if transcoding.ingest not in WRITABLE:
        raise IncompatibleConfigurations(f"Cannot transcode to IngestTranscoding: {transcoding.ingest}")
    return IngestTranscoding(
        service, transcoding.ingest, transcoding.ingest_uncompressed, transcoding.ingest_compressed
    )
