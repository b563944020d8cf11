"""The real index, storage and ingest over one folder, without a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from orthanclite.core.constants import Origin
from orthanclite.core.events import Events
from orthanclite.core.main_tags import MainTags
from orthanclite.core.ports import Blobs, Resources
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.index import Limits, SqlIndex
from orthanclite.services.content.blobs import BlobReader
from orthanclite.services.ingest.arrival import IngestOrigin, StoreResult
from orthanclite.services.ingest.journal import JournalKeeper
from orthanclite.services.ingest.prepare import IngestFilter, IngestTranscoder
from orthanclite.services.ingest.service import IngestOptions, IngestService
from orthanclite.services.server.runtime import RuntimeOptions
from orthanclite.storage import FileStorage

ORIGIN = IngestOrigin(Origin.REST_API)


@dataclass(frozen=True)
class Lab:
    """What most services are built of."""

    index: SqlIndex
    blobs: FileStorage  # or the double that a test has given
    ingest: IngestService
    dictionary: TagDictionary
    runtime: RuntimeOptions
    events: Events

    @property
    def resources(self) -> Resources:
        return self.index.resources

    @property
    def reader(self) -> BlobReader:
        return BlobReader(self.blobs)

    def store(self, *files: bytes) -> list[StoreResult]:
        return [self.ingest.store(file, ORIGIN) for file in files]


@contextmanager
def lab(
    folder: Path,
    options: IngestOptions | None = None,
    dictionary: Mapping[int, tuple[str, str, str]] | None = None,
    database: str | None = None,
    transcoder: IngestTranscoder | None = None,
    filters: Sequence[IngestFilter] = (),
    limits: Limits | None = None,
    blobs: Blobs | None = None,
) -> Iterator[Lab]:
    """A lab in ``folder``, without syncing to the disk; on SQLite unless a ``database`` is given."""
    folder.mkdir(exist_ok=True)
    index = SqlIndex(database or f"sqlite:///{folder}/index.db", limits)
    blobs = FileStorage(folder / "blobs", sync=False) if blobs is None else blobs
    events = Events()
    tags = TagDictionary.build(dictionary)
    runtime = RuntimeOptions()
    journal = None if blobs.local is None else JournalKeeper(index.journal, blobs.local)
    ingest = IngestService(
        index.ingest,
        blobs,
        MainTags.build(),
        tags,
        runtime,
        options or IngestOptions(),
        journal,
        transcoder,
        filters=filters,
        events=events,
    )
    try:
        yield Lab(index, cast(FileStorage, blobs), ingest, tags, runtime, events)
    finally:
        ingest.close()
        index.close()
