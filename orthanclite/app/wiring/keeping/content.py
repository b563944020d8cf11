"""What is inside stored files: bytes, tags, attachments, logs of changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.core.metrics import Metrics
from orthanclite.core.names import NameRegistry
from orthanclite.rest.resources.attachments import attachment_routes
from orthanclite.rest.resources.tags import tag_routes
from orthanclite.services.content.attachments import AttachmentOptions, AttachmentService
from orthanclite.services.content.byte_cache import ByteCache
from orthanclite.services.content.file_tags import FileTags
from orthanclite.services.content.files import InstanceFiles
from orthanclite.services.content.tags import TagService

_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class ContentWing:
    files: InstanceFiles
    file_tags: FileTags
    tags: TagService
    cache: ByteCache
    """Of rendered tags."""
    adds: Additions


def _measure(metrics: Metrics, cache: ByteCache) -> None:
    """One cache is there for what the reference has two for, of files and of what was parsed of them."""
    for name in ("storage", "dicom_parser"):
        metrics.set(f"orthanc_{name}_cache_count", len(cache))
        metrics.set(f"orthanc_{name}_cache_size_mb", cache.size / _MEGABYTE)


def content_wing(base: Foundation) -> ContentWing:
    storage, types = base.settings.storage, base.settings.data.user_content_types
    files = InstanceFiles(base.index.resources, base.reader, base.dictionary, base.runtime, base.metrics)
    cache = ByteCache()
    base.metrics.watch(partial(_measure, base.metrics, cache))
    tags = TagService(files, base.reader, base.dictionary, cache, base.metrics)
    attachments = AttachmentService(
        base.index.annotations,
        base.blobs,
        NameRegistry.of_attachments({name: entry.number for name, entry in types.items()}),
        AttachmentOptions(
            storage.check_revisions,
            storage.compression,
            storage.store_md5,
            {entry.number: entry.mime for entry in types.values()},
        ),
    )
    routers = (tag_routes(tags), attachment_routes(attachments))
    return ContentWing(files, FileTags(files, base.dictionary), tags, cache, Additions(routers))
