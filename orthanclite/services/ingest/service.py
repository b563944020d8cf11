"""The line that every DICOM file takes: see the package."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from orthanclite.core.errors import ReadOnly
from orthanclite.core.events import Events
from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.main_tags import MainTags
from orthanclite.core.metrics import Metrics
from orthanclite.core.model import OverwriteMode, StoredBlob
from orthanclite.core.ports import BlobHelper, Blobs, Ingest
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.services.content.blobs import HashedWriter, remove_blobs
from orthanclite.services.ingest.arrival import Arrival, IngestOrigin, StoreResult, WrittenBlob
from orthanclite.services.ingest.commit import Committer, Submission
from orthanclite.services.ingest.journal import JournalKeeper
from orthanclite.services.ingest.prepare import LOOK_FIRST, IngestFilter, IngestTranscoder, Preparation
from orthanclite.services.ingest.reception import Reception
from orthanclite.services.ingest.storing import File, FileOptions, Strategy, strategies
from orthanclite.services.server.runtime import RuntimeOptions

_DURATION = "orthanc_store_dicom_duration_ms"


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """The settings that rule what is kept of an instance."""

    overwrite: OverwriteMode = OverwriteMode.NEVER
    compress: bool = False  # StorageCompression
    store_md5: bool = True  # StoreMD5ForAttachments
    store_dicom: bool = True  # StoreDicom
    read_only: bool = False  # ReadOnly: everything is refused
    temporary_directory: Path | None = None  # TemporaryDirectory; None for that of the system


class Workload(NamedTuple):
    """What :meth:`IngestService.begin` does with a file, for a caller that chooses a thread for it."""

    works_on_content: bool
    """Filters it, transcodes it, or compresses it."""
    asks_index: bool
    """Asks the index whether it is there already."""
    writes: bool
    """Waits for the disk."""
    reads: bool
    """Reads all of it, to hash and to copy it; else only its header."""


class IngestService:
    """Stores DICOM files. Thread-safe; to be closed.

    :param journal: None where all blobs are synced at once, or are not files
    :param helper: stores what it can take of the large instances, instead of the caller
    :param filters: decide what comes in
    :param events: told of what was stored
    :param metrics: shown how long it takes
    """

    def __init__(
        self,
        index: Ingest,
        blobs: Blobs,
        main_tags: MainTags,
        dictionary: TagDictionary,
        runtime: RuntimeOptions,
        options: IngestOptions,
        journal: JournalKeeper | None = None,
        transcoder: IngestTranscoder | None = None,
        helper: BlobHelper | None = None,
        filters: Sequence[IngestFilter] = (),
        events: Events | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._blobs = blobs
        self._options = options
        self._metrics = metrics or Metrics()
        self._preparation = Preparation(
            index,
            main_tags,
            dictionary,
            runtime,
            options.overwrite,
            transcoder,
            filters,
            options.temporary_directory,
        )
        self._strategies = strategies(
            blobs, journal, FileOptions(options.compress, options.store_md5), helper
        )
        self._committer = Committer(index, blobs, events or Events())

    def close(self) -> None:
        """Finish what was begun."""
        self._committer.close()

    def workload(self, data: Buffer) -> Workload:
        """What is to be done with a file that is in memory, before its future is waited for."""
        strategy = self._strategy(data)
        return Workload(
            works_on_content=self._options.compress or self._preparation.works_on_content,
            asks_index=len(data) >= LOOK_FIRST,
            writes=strategy.writes and self._options.store_dicom,
            reads=strategy.reads and self._options.store_dicom,
        )

    def store(
        self,
        data: Buffer,
        origin: IngestOrigin,
        metadata: Mapping[Level, Mapping[int, str]] | None = None,
        overwrite: OverwriteMode | None = None,
    ) -> StoreResult:
        """Store one DICOM file that is in memory, and wait until it is durable.

        :param metadata: further system metadata for the resources that are new (ModifiedFrom...)
        :param overwrite: instead of the option ``OverwriteInstances``
        :raises BadFileFormat: if it is no DICOM file, or a broken one
        :raises InexistentTag: if an identifying UID is missing
        :raises FullStorage: when the limits, or the disk, are reached
        :raises DatabaseUnavailable: when too much is waiting to be stored
        :raises ReadOnly: where the server may not write
        """
        return self.take(Arrival(data, origin, metadata or {}, overwrite=overwrite)).result()

    def begin(self, data: Buffer, origin: IngestOrigin, sent_size: int | None = None) -> Future[StoreResult]:
        """Begin to store one DICOM file that is in memory; see :meth:`store`, also for the errors.

        :param data: must not change until the future is done
        :param sent_size: bytes that were sent for it, where it was compressed on its way
        """
        return self.take(Arrival(data, origin, sent_size=sent_size))

    def refuse_endless(self, head: Buffer, sent_size: int) -> None:
        """Look at the first bytes of a file that was compressed, before the rest is inflated.

        :param sent_size: bytes that were sent for them
        :raises BadFileFormat: if they have more elements than a file may have that was sent in so few bytes
        """
        self._preparation.refuse_endless(head, sent_size)

    def receive(self) -> Reception:
        """Begin to store a file that arrives in pieces and need not fit in memory.

        :raises ReadOnly: where the server may not write
        """
        self._refuse_if_read_only()
        return Reception(self.take, HashedWriter(self._blobs, self._options.store_md5))

    def take(self, arrival: Arrival) -> Future[StoreResult]:
        """Begin to store what has arrived; see :meth:`store` for the errors, which come at once or later.

        A blob that it was written to is removed where it is not kept.
        """
        started = time.perf_counter()
        stored = self._take(arrival)
        stored.add_done_callback(
            lambda _: self._metrics.observe(_DURATION, round((time.perf_counter() - started) * 1000))
        )
        return stored

    def _take(self, arrival: Arrival) -> Future[StoreResult]:
        self._refuse_if_read_only()
        kept: File | None = None
        try:
            with self._content(arrival) as data:
                prepared = self._preparation.prepare(arrival, data)
                if isinstance(prepared, StoreResult):
                    return _done(prepared)
                if not self._options.store_dicom:
                    return self._committer.submit(Submission(prepared.record))
                source = arrival.content if prepared.replaced is None else prepared.replaced
                strategy = self._strategy(source)
                file = File(source)
                blob = strategy.begin(file)
            kept = file
        finally:
            self._forget(arrival, kept)
        submission = Submission(prepared.record, file, strategy)
        if blob is None:
            return self._committer.submit(submission)
        blob.add_done_callback(partial(self._go_on, submission))
        return submission.done

    def _refuse_if_read_only(self) -> None:
        if self._options.read_only:
            raise ReadOnly

    def _strategy(self, source: Buffer | WrittenBlob) -> Strategy:
        return next(one for one in self._strategies if one.takes(source))

    @contextmanager
    def _content(self, arrival: Arrival) -> Iterator[Buffer]:
        """The whole file: mapped where it is on this machine's disk, else in memory."""
        content = arrival.content
        if not isinstance(content, WrittenBlob):
            yield content
        elif self._blobs.local is not None:
            with self._blobs.local.map(content.uuid) as data:
                yield data
        else:
            yield self._blobs.read(content.uuid)

    def _forget(self, arrival: Arrival, file: File | None) -> None:
        """Remove the blob that an arrival was written to, unless it is where ``file`` is kept."""
        if isinstance(arrival.content, WrittenBlob):
            uuid = arrival.content.uuid
            if file is None or file.attachment is None or file.attachment.uuid != uuid:
                remove_blobs(self._blobs, [uuid])

    def _go_on(self, submission: Submission, blob: Future[StoredBlob]) -> None:
        """Commit an instance whose file was written elsewhere."""
        assert submission.file is not None
        try:
            submission.file.stored_plain(blob.result())
            self._committer.submit(submission)
        except Exception as exc:  # noqa: BLE001 - whoever waits must be told
            submission.done.set_exception(exc)


def _done(result: StoreResult) -> Future[StoreResult]:
    future: Future[StoreResult] = Future()
    future.set_result(result)
    return future
