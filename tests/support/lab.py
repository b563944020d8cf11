"""The real index, storage and ingest over one folder, without a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orthanclite.core.constants import Origin
from orthanclite.core.main_tags import MainTags
from orthanclite.core.ports import Resources
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.index import SqlIndex
from orthanclite.services.content.blobs import BlobReader
from orthanclite.services.ingest.journal import JournalKeeper
from orthanclite.services.ingest.service import IngestOptions, IngestOrigin, IngestService, IngestTranscoder
from orthanclite.services.ingest.storing import StoreResult
from orthanclite.services.server.runtime import RuntimeOptions
from orthanclite.storage import FileStorage

ORIGIN = IngestOrigin(Origin.REST_API)


@dataclass(frozen=True)
class Lab:
    """What most services are built of."""

    index: SqlIndex
    blobs: FileStorage
    ingest: IngestService
    dictionary: TagDictionary
    runtime: RuntimeOptions

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
) -> Iterator[Lab]:
    """A lab in ``folder``, without syncing to the disk; on SQLite unless a ``database`` is given."""
    index = SqlIndex(database or f"sqlite:///{folder}/index.db")
    blobs = FileStorage(folder / "blobs", sync=False)
    tags = TagDictionary.build(dictionary)
    runtime = RuntimeOptions()
    journal = JournalKeeper(index.journal, blobs)
    ingest = IngestService(
        index.ingest,
        blobs,
        MainTags.build(),
        tags,
        runtime,
        options or IngestOptions(),
        journal,
        transcoder,
    )
    try:
        yield Lab(index, blobs, ingest, tags, runtime)
    finally:
        ingest.close()
        index.close()
