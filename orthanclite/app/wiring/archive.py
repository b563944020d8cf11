"""Archives and media."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.jobs import JobsWing
from orthanclite.app.wiring.keeping.imaging import ImagingWing
from orthanclite.jobs.kinds.archive import ArchiveKind
from orthanclite.rest.resources.archives import ArchiveKinds, archive_routes
from orthanclite.services.archive.service import ArchiveService


@dataclass(frozen=True, slots=True)
class ArchiveWing:
    archives: ArchiveService
    adds: Additions


def archive_wing(base: Foundation, imaging: ImagingWing, jobs: JobsWing) -> ArchiveWing:
    archives = ArchiveService(
        base.index.resources,
        base.reader,
        imaging.transcoding,
        base.dictionary,
        base.runtime,
        utf8=base.settings.jobs.zip_utf8,
        temporary_folder=base.temporary_folder,
    )
    quality = base.settings.transcoding.lossy_quality
    kinds = ArchiveKinds(
        ArchiveKind("Archive", archives, base.blobs, quality),
        ArchiveKind("Media", archives, base.blobs, quality),
    )
    jobs.engine.register(*kinds)
    routers = (archive_routes(archives, jobs.engine, kinds, base.settings.jobs.stream_zip),)
    return ArchiveWing(archives, Additions(routers, endings=(archives.close,)))
