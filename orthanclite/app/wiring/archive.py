"""Archives and media."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.imaging import ImagingWing
from orthanclite.rest.archives import archive_routes
from orthanclite.services.archive.service import ArchiveService


@dataclass(frozen=True, slots=True)
class ArchiveWing:
    archives: ArchiveService
    adds: Additions


def archive_wing(base: Foundation, imaging: ImagingWing) -> ArchiveWing:
    archives = ArchiveService(
        base.index.resources,
        base.reader,
        imaging.transcoding,
        base.dictionary,
        base.runtime,
        utf8=base.settings.jobs.zip_utf8,
        temporary_folder=base.temporary_folder,
    )
    routers = (archive_routes(archives, base.settings.jobs.stream_zip),)
    return ArchiveWing(archives, Additions(routers, endings=(archives.close,)))
