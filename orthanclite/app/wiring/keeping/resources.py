"""The tree of resources: shown, found over REST, annotated, deleted, and the logs of what happened to it."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.keeping.imaging import ImagingWing
from orthanclite.app.wiring.keeping.search import SearchWing
from orthanclite.app.wiring.keeping.upkeep import UpkeepWing
from orthanclite.core.names import NameRegistry
from orthanclite.rest.resources.changes import changes_routes
from orthanclite.rest.resources.labels import label_routes
from orthanclite.rest.resources.metadata import metadata_routes
from orthanclite.rest.resources.tree import resource_routes
from orthanclite.rest.search.find import find_routes
from orthanclite.services.resources.annotations import LabelService, MetadataService
from orthanclite.services.resources.bulk import BulkContent
from orthanclite.services.resources.rendering import ResourceRenderer
from orthanclite.services.resources.tree import ResourceService


@dataclass(frozen=True, slots=True)
class ResourcesWing:
    resources: ResourceService
    adds: Additions


def resources_wing(
    base: Foundation, imaging: ImagingWing, search: SearchWing, upkeep: UpkeepWing
) -> ResourcesWing:
    index = base.index
    metadata_names = NameRegistry.of_metadata(base.settings.data.user_metadata)
    renderer = ResourceRenderer(base.dictionary, metadata_names)
    resources = ResourceService(
        index.resources, base.blobs, renderer, base.dictionary, search.requested_tags, base.events
    )
    metadata = MetadataService(index.annotations, metadata_names, base.settings.storage.check_revisions)
    bulk = BulkContent(index.resources, resources)
    return ResourcesWing(
        resources,
        Additions(
            routers=(
                resource_routes(resources, imaging.slices, upkeep.reconstruction),
                find_routes(search.find, resources, bulk, metadata_names),
                metadata_routes(metadata),
                label_routes(LabelService(index.annotations)),
                changes_routes(index.changes),
            ),
        ),
    )
