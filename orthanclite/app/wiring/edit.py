"""Making and changing data sets."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.content import ContentWing
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.imaging import ImagingWing
from orthanclite.app.wiring.ingest import IngestWing
from orthanclite.rest.create import create_routes
from orthanclite.rest.modify import instance_edit_routes
from orthanclite.services.edit.create import CreateService
from orthanclite.services.edit.instances import InstanceEditor
from orthanclite.services.edit.request import RequestReader
from orthanclite.services.server.system import ORTHANC_VERSION


@dataclass(frozen=True, slots=True)
class EditWing:
    adds: Additions


def edit_wing(base: Foundation, content: ContentWing, imaging: ImagingWing, ingest: IngestWing) -> EditWing:
    creator = base.settings.data.default_private_creator
    creation = CreateService(
        base.index.resources,
        content.files,
        ingest.ingest,
        imaging.workers,
        base.dictionary,
        base.runtime,
        creator,
    )
    editor = InstanceEditor(
        content.files,
        imaging.transcoding,
        base.index.properties,
        base.dictionary,
        RequestReader(base.dictionary, creator),
        f"Orthanc {ORTHANC_VERSION}",
        base.settings.storage.temporary_directory,
    )
    return EditWing(Additions(routers=(create_routes(creation), instance_edit_routes(editor))))
