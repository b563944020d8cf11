"""Stored instances edited and stored: some at a time, by several threads, committed together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from orthanclite.core.constants import Metadata, StoreStatus
from orthanclite.core.errors import (
    BadRequest,
    CannotWriteFile,
    DatabaseError,
    FullStorage,
    OrthancError,
)
from orthanclite.core.identifiers import Hierarchy
from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import SMALL_SIZE, Buffer
from orthanclite.core.machine.processes import step_back
from orthanclite.core.model import OverwriteMode
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.edit import EditedFile, EditPlan, edit
from orthanclite.dicom.encoding import UNCOMPRESSED_SYNTAXES
from orthanclite.dicom.reading.dataset import DicomFile
from orthanclite.dicom.reading.parser import parse_whole
from orthanclite.services.content.files import InstanceFiles
from orthanclite.services.edit.masking import FileMasker
from orthanclite.services.edit.planning import changed_levels
from orthanclite.services.edit.request.identities import UIDS
from orthanclite.services.edit.request.pixels import PixelRules
from orthanclite.services.edit.sources import Source
from orthanclite.services.imaging.transcoding import TranscodingService
from orthanclite.services.ingest.arrival import Arrival, IngestOrigin, StoreResult
from orthanclite.services.ingest.service import IngestService

_NOT_OF_THE_INSTANCE = (DatabaseError, FullStorage, CannotWriteFile)
"""Errors that say nothing of an instance: the next one would meet them, too."""


@dataclass(frozen=True, slots=True)
class Edition:
    """What is made of each instance of a set."""

    plan: Callable[[Mapping[int, str]], EditPlan]
    """The plan for an instance with these identifiers, by tag."""
    origin: IngestOrigin
    trace: Metadata | None = None
    """The metadata of a result that names its source; None for none."""
    transcode: str | None = None
    lossy_quality: int | None = None
    permissive: bool = False
    """Whether what cannot be transcoded is stored as it is."""
    pixels: PixelRules = field(default_factory=PixelRules)
    cleans_pixels: bool = False
    """Whether masked images may say that nothing burned in is left in them."""
    has_lasting_uids: bool = False
    """Whether new UIDs may have been given before: they follow from a key that outlives the job."""
    labels: frozenset[Level] = frozenset()
    """The levels whose labels the results get from the sources."""


@dataclass(frozen=True, slots=True)
class Edited:
    """What became of a source."""

    id: str
    source: Source | None = None
    ids: Hierarchy | None = None
    """Those of the result; None where there is none."""
    error: OrthancError | None = None
    """Why there is no result, or not the one that was asked for."""
    dropped: str = ""
    """Why it is left out, as was asked for; empty where it is not."""
    was_there: bool = False
    """Whether the result had been stored before, and is left as it is: its labels, too."""


class BatchEditor:
    """Edits and stores instances. Thread-safe; to be closed.

    :param threads: how many work at one batch
    """

    def __init__(
        self,
        files: InstanceFiles,
        ingest: IngestService,
        transcoding: TranscodingService,
        dictionary: TagDictionary,
        threads: int = 1,
        temporary_directory: Path | None = None,
    ) -> None:
        self._files = files
        self._ingest = ingest
        self._transcoding = transcoding
        self._dictionary = dictionary
        self._threads = threads
        self._masker = FileMasker(transcoding, dictionary, temporary_directory)

    def open(self) -> ThreadPoolExecutor:
        """The threads of one job; to be shut down with it."""
        return ThreadPoolExecutor(self._threads, "edit", step_back)

    def edit(
        self,
        sources: Sequence[tuple[str, Source | OrthancError]],
        edition: Edition,
        pool: ThreadPoolExecutor,
    ) -> list[Edited]:
        """Edit sources, each with its Orthanc ID or the error that stands for it, and wait until all results
        are durable.

        :param pool: of :meth:`open`
        :raises DatabaseError, FullStorage, CannotWriteFile: where nothing can be stored; some may be stored
        """
        begun = list(pool.map(lambda one: self._begin(one[0], one[1], edition), sources))
        ended = [self._end(edited, future) for edited, future in begun]
        for edited in ended:
            if isinstance(edited.error, _NOT_OF_THE_INSTANCE):
                raise edited.error
        return ended

    def _begin(
        self, id: str, source: Source | OrthancError, edition: Edition
    ) -> tuple[Edited, Future[StoreResult] | None]:
        if isinstance(source, OrthancError):
            return Edited(id, error=source), None
        edited = Edited(id, source)
        try:
            return self._edit(edited, source, edition)
        except OrthancError as exc:
            return replace(edited, error=exc), None

    def _edit(
        self, edited: Edited, source: Source, edition: Edition
    ) -> tuple[Edited, Future[StoreResult] | None]:
        with self._files.content(source.file) as content:
            data, parsed = content, parse_whole(content, self._dictionary)
            if reason := edition.pixels.why_dropped(parsed.dataset):
                return replace(edited, dropped=reason), None
            if masks := edition.pixels.masks_of([source.ids.at(level) for level in Level]):
                data = self._masker.masked(parsed, data, masks, edition.cleans_pixels)
                parsed = parse_whole(data, self._dictionary)
            if edition.transcode is not None and _is_to_be_transcoded(parsed, edition.transcode):
                try:
                    data = self._transcoding.transcode(
                        data, edition.transcode, edition.lossy_quality, keep_sop_uid=True
                    ).whole()
                except OrthancError as exc:
                    if not edition.permissive:
                        raise
                    edited = replace(edited, error=exc)
                else:
                    parsed = parse_whole(data, self._dictionary)
            plan = edition.plan(source.identifiers)
            result = edit(parsed, plan, self._dictionary, self._files.default_encoding)
            return edited, self._store(result, data, _arrival(source, plan, edition))

    def _store(self, result: EditedFile, data: Buffer, arrival: Arrival) -> Future[StoreResult]:
        if len(data) <= SMALL_SIZE:
            return self._ingest.take(replace(arrival, content=result.tobytes()))
        reception = self._ingest.receive()
        try:
            for piece in result.pieces():
                reception.write(piece)
        except BaseException:
            reception.abort()
            raise
        return reception.begin_finish_as(arrival)

    def _end(self, edited: Edited, future: Future[StoreResult] | None) -> Edited:
        if future is None:
            return edited
        try:
            stored = future.result()
        except OrthancError as exc:
            return replace(edited, error=exc)
        if stored.status is StoreStatus.FILTERED_OUT:
            return replace(edited, error=BadRequest("The result is not let in by the filters of this server"))
        return replace(edited, ids=stored.ids, was_there=stored.status is StoreStatus.ALREADY_STORED)


def _arrival(source: Source, plan: EditPlan, edition: Edition) -> Arrival:
    """That of a result, without its content.

    New random identifiers are there already only where a step is repeated. What a client has chosen may be
    there, and is replaced, unless this very result has been stored before.
    """
    metadata: dict[Level, Mapping[int, str]] = {}
    if edition.trace is not None:
        for level in {Level.INSTANCE, *changed_levels(plan, source.identifiers)}:
            metadata[level] = {int(edition.trace): source.ids.at(level)}
    is_new = not edition.has_lasting_uids and not plan.renew.isdisjoint(UIDS.values())
    overwrite = OverwriteMode.NEVER if is_new else OverwriteMode.IF_CHANGED
    labels = {level: source.labels.get(level, ()) for level in edition.labels}
    as_it_is = edition.transcode is not None
    return Arrival(b"", edition.origin, metadata, labels, overwrite, as_it_is)


def _is_to_be_transcoded(file: DicomFile, target: str) -> bool:
    """Whether anything is to be written in another way: without pixel data there is nothing to compress."""
    if file.transfer_syntax == target:
        return False
    return target in UNCOMPRESSED_SYNTAXES or file.has_pixels
