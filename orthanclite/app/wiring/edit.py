"""Making and changing data sets."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.content import ContentWing
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.imaging import ImagingWing
from orthanclite.app.wiring.ingest import IngestWing
from orthanclite.rest.create import create_routes
from orthanclite.services.edit.create import CreateService


@dataclass(frozen=True, slots=True)
class EditWing:
    adds: Additions


def edit_wing(base: Foundation, content: ContentWing, imaging: ImagingWing, ingest: IngestWing) -> EditWing:
    creation = CreateService(
        base.index.resources,
        content.files,
        ingest.ingest,
        imaging.workers,
        base.dictionary,
        base.runtime,
        base.settings.data.default_private_creator,
    )
    return EditWing(Additions(routers=(create_routes(creation),)))
