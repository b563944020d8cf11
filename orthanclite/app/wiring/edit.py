"""Making and changing data sets."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.jobs import JobsWing
from orthanclite.app.wiring.keeping.content import ContentWing
from orthanclite.app.wiring.keeping.imaging import ImagingWing
from orthanclite.app.wiring.keeping.ingest import IngestWing
from orthanclite.app.wiring.keeping.resources import ResourcesWing
from orthanclite.app.wiring.keeping.upkeep import UpkeepWing
from orthanclite.jobs.kinds.editing import EditTools
from orthanclite.jobs.kinds.modification import ModificationKind
from orthanclite.jobs.kinds.studies import MergeKind, SplitKind
from orthanclite.rest.editing.create import create_routes
from orthanclite.rest.editing.modify import edit_job_routes, instance_edit_routes
from orthanclite.rest.editing.studies import study_edit_routes
from orthanclite.services.edit.aftermath import Aftermath
from orthanclite.services.edit.batch import BatchEditor
from orthanclite.services.edit.create import CreateService
from orthanclite.services.edit.instances import InstanceEditor
from orthanclite.services.edit.keys import JobKeys
from orthanclite.services.edit.preview import Previewer
from orthanclite.services.edit.request.fields import RequestReader
from orthanclite.services.edit.request.identities import IdentityRules
from orthanclite.services.edit.studies import StudyChanges
from orthanclite.services.server.system import ORTHANC_VERSION


@dataclass(frozen=True, slots=True)
class EditWing:
    adds: Additions


def edit_wing(
    base: Foundation,
    content: ContentWing,
    imaging: ImagingWing,
    ingest: IngestWing,
    upkeep: UpkeepWing,
    resources: ResourcesWing,
    jobs: JobsWing,
) -> EditWing:
    index, settings = base.index, base.settings
    creator = settings.data.default_private_creator
    creation = CreateService(
        base.index.resources,
        content.files,
        ingest.ingest,
        imaging.workers,
        base.dictionary,
        base.runtime,
        creator,
    )
    reader = RequestReader(base.dictionary, creator, settings.data.deidentification_keys)
    server = f"Orthanc {ORTHANC_VERSION}"
    previewer = Previewer(content.files, base.dictionary, settings.storage.temporary_directory)
    editor = InstanceEditor(
        content.files,
        imaging.transcoding,
        index.properties,
        base.dictionary,
        reader,
        previewer,
        server,
        settings.storage.temporary_directory,
    )
    batch = BatchEditor(
        content.files,
        ingest.ingest,
        imaging.transcoding,
        base.dictionary,
        max(1, settings.jobs.threads.get(ModificationKind.name, 1)),
        settings.storage.temporary_directory,
    )
    aftermath = Aftermath(upkeep.reconstruction, index.annotations, resources.resources)
    tools, keys = EditTools(index.resources, batch, aftermath, base.blobs), JobKeys(index.properties)
    modification = ModificationKind(
        tools,
        reader,
        IdentityRules(index.resources, base.main_tags, settings.storage.overwrite),
        keys,
        previewer,
        index.properties,
        server,
    )
    changes = StudyChanges(index.resources, content.files, base.dictionary, reader)
    split, merge = SplitKind(tools, changes, keys), MergeKind(tools, changes, keys)
    if not settings.storage.read_only:  # else they wait for a server that may write
        jobs.engine.register(modification, split, merge)
    routers = (
        create_routes(creation),
        instance_edit_routes(editor),
        edit_job_routes(jobs.engine, modification),
        study_edit_routes(jobs.engine, split, merge),
    )
    return EditWing(Additions(routers))
