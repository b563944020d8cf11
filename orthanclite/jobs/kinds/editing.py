"""What all jobs have in common that edit stored instances and store the results.

The instances, and the key that new UIDs are made with, are settled when the job is submitted. So a step that
is repeated, and a job that is submitted again, make the same instances once more, which are stored once.
Where results replace their sources, a job that is submitted again goes on where it had failed.
Sources are removed after everything is stored, in steps of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orthanclite.core.constants import Origin
from orthanclite.core.errors import OrthancError
from orthanclite.core.identifiers import Hierarchy
from orthanclite.core.jobs import Claim, Failure, Output, Progress
from orthanclite.core.levels import Level
from orthanclite.core.ports import Blobs, Resources
from orthanclite.services.edit.aftermath import Aftermath
from orthanclite.services.edit.batch import BatchEditor, Edited, Edition
from orthanclite.services.edit.planning import changed_levels
from orthanclite.services.edit.sources import Source, Sources
from orthanclite.services.edit.uid_map import FORMATS, UID_MAP, encoded, map_rows
from orthanclite.services.ingest.arrival import IngestOrigin

_MOST_REASONS = 1000
"""Failed instances that are shown; all of them are counted."""
_STEP = 0.3
"""Seconds that a step is meant to take."""
_LARGEST_STEP = 128  # instances
_SAVED_PER_SECOND = 20_000
"""Results whose list may be saved each second."""

_ANCESTORS = (Level.SERIES, Level.STUDY, Level.PATIENT)


@dataclass(frozen=True, slots=True)
class EditTools:
    """What the runs of all kinds work with."""

    resources: Resources
    batch: BatchEditor
    aftermath: Aftermath
    blobs: Blobs


@dataclass(frozen=True, slots=True)
class EditTask:
    """What a job does."""

    instances: Sequence[str]
    edition: Edition
    keep_source: bool
    fresh: frozenset[Level] = frozenset()
    """The levels whose results are new: they show what they hold without further ado."""
    lists_results: bool = False
    """Whether the results are listed in the job's content, and so kept in mind."""
    uid_map: str = ""
    """The format of the map of identifiers that the job gives out, see :mod:`.uid_map`; empty for none."""


@dataclass(slots=True)
class Ancestor:
    """A series, study or patient that got results."""

    instance: str
    """The first of its results: it tells the main tags."""
    source: str
    """The resource that it was made from; empty where it is the same."""
    labels: set[str] = field(default_factory=set)
    is_alone: bool = True
    """Whether it got no other result."""


@dataclass(slots=True)
class Tally:
    """How far a job is; what is saved of it."""

    position: int = 0  # instances that are done
    under_way: list[str] = field(default_factory=list)
    """What tells the files of the next instances, see :func:`_file_of`, where their results replace them."""
    in_place: bool = False
    """Whether there have been such results."""
    failed: int = 0
    reasons: list[tuple[str, int, str]] = field(default_factory=list)
    """The first failed instances, with the code of their error and its text."""
    dropped: int = 0
    drops: list[tuple[str, str]] = field(default_factory=list)
    """The first instances that were left out as was asked for, and why."""
    uid_map: tuple[str, int] | None = None
    """The blob of the map of identifiers, and its size in bytes."""
    first: Hierarchy | None = None
    """The first result."""
    results: list[str] = field(default_factory=list)
    """The Orthanc IDs of the instances, where they are listed."""
    ancestors: dict[tuple[Level, str], Ancestor] = field(default_factory=dict)

    def fail(self, id: str, error: OrthancError) -> None:
        """Count a failed instance."""
        self.failed += 1
        if len(self.reasons) < _MOST_REASONS:
            self.reasons.append((id, error.code, str(error)))

    def drop(self, id: str, reason: str) -> None:
        """Count an instance that is left out."""
        self.dropped += 1
        if len(self.drops) < _MOST_REASONS:
            self.drops.append((id, reason))

    def to_json(self) -> dict[str, Any]:
        first = self.first
        return {
            "position": self.position,
            "under_way": self.under_way,
            "in_place": self.in_place,
            "failed": self.failed,
            "reasons": self.reasons,
            "dropped": self.dropped,
            "drops": self.drops,
            "uid_map": self.uid_map,
            "first": None if first is None else [first.at(level) for level in Level],
            "results": self.results,
            "ancestors": [
                [int(level), id, one.instance, one.source, sorted(one.labels), one.is_alone]
                for (level, id), one in self.ancestors.items()
            ],
        }

    @staticmethod
    def of(saved: Mapping[str, Any] | None) -> Tally:
        """What :meth:`to_json` gave; a new one for None."""
        if saved is None:
            return Tally()
        return Tally(
            saved["position"],
            saved.get("under_way", []),  # earlier versions did not save it
            saved.get("in_place", False),  # nor this
            saved["failed"],
            [(id, code, reason) for id, code, reason in saved["reasons"]],
            saved["dropped"],
            [(id, reason) for id, reason in saved["drops"]],
            None if saved["uid_map"] is None else tuple(saved["uid_map"]),
            None if saved["first"] is None else Hierarchy(*saved["first"]),
            saved["results"],
            {
                (Level(level), id): Ancestor(instance, source, set(labels), is_alone)
                for level, id, instance, source, labels, is_alone in saved["ancestors"]
            },
        )


Describe = Callable[[Tally], dict[str, Any]]
"""Makes the content of a job."""


def failures(tally: Tally) -> dict[str, Any]:
    """What the content of a job tells of instances that failed, and of those that were left out."""
    shown: dict[str, Any] = {"FailedInstancesCount": tally.failed}
    if tally.failed:
        shown["FailedInstances"] = [
            {"ID": id, "ErrorCode": code, "Reason": reason} for id, code, reason in tally.reasons
        ]
    if tally.dropped:
        shown["DroppedInstancesCount"] = tally.dropped
        shown["DroppedInstances"] = [{"ID": id, "Reason": reason} for id, reason in tally.drops]
    return shown


def origin_parameters(origin: IngestOrigin) -> dict[str, str]:
    """Who asked for a job over HTTP, as parameters of it: its results bear that."""
    return {"address": origin.remote_ip, "username": origin.username}


def origin_of(parameters: Mapping[str, Any]) -> IngestOrigin:
    """The inverse of :func:`origin_parameters`."""
    return IngestOrigin(Origin.REST_API, remote_ip=parameters["address"], username=parameters["username"])


def _file_of(source: Source | OrthancError) -> str:
    """What tells the file of a source from that which replaces it; empty for none."""
    if not isinstance(source, Source):
        return ""
    return source.file.attachment.md5 or source.file.attachment.uuid


class EditRun:
    """A job at work."""

    def __init__(self, claim: Claim, task: EditTask, tools: EditTools, describe: Describe) -> None:
        self._task = task
        self._tools = tools
        self._describe = describe
        self._permissive = claim.permissive
        before = Tally.of(claim.before)
        self._tally = before if before.in_place else Tally.of(claim.saved)
        self._sources = Sources(tools.resources, bool(task.edition.labels))
        self._pool = tools.batch.open()
        self._steps = self._work()

    def step(self) -> Progress:
        return next(self._steps)

    def close(self) -> None:
        self._pool.shutdown()

    def _work(self) -> Iterator[Progress]:
        tally, task = self._tally, self._task
        size, saved = 8, time.monotonic()
        while tally.position < len(task.instances):
            started = time.monotonic()
            ids = task.instances[tally.position : tally.position + (len(tally.under_way) or size)]
            sources = self._sources.load(ids)
            if not tally.under_way and any(map(self._is_replaced, sources)):
                tally.under_way, tally.in_place = list(map(_file_of, sources)), True
                yield self._progress(save=True)
            self._edit(ids, sources)
            now = time.monotonic()
            size = max(1, min(_LARGEST_STEP, 2 * size, int(size * _STEP / max(now - started, 1e-3))))
            if tally.failed and not self._permissive:
                yield self._progress(done=True)
                return
            is_over = tally.position == len(task.instances)
            if is_over or now - saved > len(tally.results) / _SAVED_PER_SECOND:
                saved = now
                yield self._progress(save=True)
            else:
                yield self._progress()
        yield from self._finish_ancestors()
        if task.uid_map and tally.uid_map is None:
            yield from self._write_uid_map()
            yield self._progress(save=True)  # before the sources, from which it is made, are removed
        if not task.keep_source and not tally.failed:
            yield from self._remove_sources()
        yield self._progress(done=True)

    def _edit(self, ids: Sequence[str], sources: Sequence[Source | OrthancError]) -> None:
        found = {one.id: one for one in self._replaced_before(sources)}
        pairs = [(id, source) for id, source in zip(ids, sources, strict=True) if id not in found]
        found |= {one.id: one for one in self._tools.batch.edit(pairs, self._task.edition, self._pool)}
        for edited in map(found.__getitem__, ids):
            if edited.error is not None:
                self._tally.fail(edited.id, edited.error)
            if edited.dropped:
                self._tally.drop(edited.id, edited.dropped)
            if edited.ids is not None and edited.source is not None:
                self._note(edited, edited.source, edited.ids)
        self._tally.position += len(ids)
        self._tally.under_way = []

    def _replaced_before(self, sources: Sequence[Source | OrthancError]) -> Iterator[Edited]:
        """The sources that a run which was interrupted has replaced already: to edit these results once more
        would shift their dates twice, and give them UIDs that nothing else refers to."""
        trace = self._task.edition.trace
        for before, source in zip(self._tally.under_way, sources, strict=False):
            if trace is None or not isinstance(source, Source) or not self._is_replaced(source):
                continue
            is_result = source.metadata.get(trace) == source.ids.instance
            if is_result and before not in ("", _file_of(source)):
                yield Edited(source.ids.instance, source, source.ids, was_there=True)

    def _note(self, edited: Edited, source: Source, result: Hierarchy) -> None:
        tally, task = self._tally, self._task
        if tally.first is None:
            tally.first = result
        if task.lists_results:
            tally.results.append(result.instance)
        labels = {level: source.labels.get(level, ()) for level in task.edition.labels}
        if edited.was_there:
            self._tools.aftermath.label(Level.INSTANCE, result.instance, labels.get(Level.INSTANCE, ()))
        changed = self._changed(source)
        for level in _ANCESTORS:
            origin = source.ids.at(level) if level in changed else ""
            key = (level, result.at(level))
            ancestor = tally.ancestors.get(key)
            if ancestor is None:
                ancestor = tally.ancestors[key] = Ancestor(result.instance, origin)
            elif ancestor.instance != result.instance:
                ancestor.is_alone = False
            ancestor.labels.update(labels.get(level, ()))

    def _finish_ancestors(self) -> Iterator[Progress]:
        """Let what existed before show what it holds now, and label the results.

        What is new shows its first result, too: which of those that are stored together made it is chance.
        """
        started = time.monotonic()
        trace = self._task.edition.trace
        for (level, id), ancestor in self._tally.ancestors.items():
            if level not in self._task.fresh or not ancestor.is_alone:
                metadata = {int(trace): ancestor.source} if trace is not None and ancestor.source else {}
                self._tools.aftermath.renew(level, id, ancestor.instance, metadata)
            self._tools.aftermath.label(level, id, sorted(ancestor.labels))
            if time.monotonic() - started > _STEP:
                yield self._progress()
                started = time.monotonic()

    def _write_uid_map(self) -> Iterator[Progress]:
        rows = map_rows(self._tools.resources, self._task.instances, self._task.edition.plan)
        blob, size, started = self._tools.blobs.create(), 0, time.monotonic()
        try:
            for piece in encoded(rows, self._task.uid_map):
                blob.write(piece)
                size += len(piece)
                if time.monotonic() - started > _STEP:
                    yield self._progress()
                    started = time.monotonic()
        except BaseException:
            blob.abort()
            raise
        blob.commit()
        self._tally.uid_map = (blob.uuid, size)

    def _outputs(self) -> tuple[Output, ...]:
        if self._tally.uid_map is None:
            return ()
        format = self._task.uid_map
        name = f"{UID_MAP}.{format.lower()}"
        return (Output(UID_MAP, *self._tally.uid_map, FORMATS[format], name),)

    def _remove_sources(self) -> Iterator[Progress]:
        """Remove the sources, but for those that a result has replaced."""
        for start in range(0, len(self._task.instances), _LARGEST_STEP):
            ids = self._task.instances[start : start + _LARGEST_STEP]
            known = [one for one in self._sources.load(ids) if isinstance(one, Source)]
            gone = [one.ids.instance for one in known if Level.INSTANCE in self._changed(one)]
            self._tools.aftermath.remove(gone)
            yield self._progress()

    def _is_replaced(self, source: Source | OrthancError) -> bool:
        """Whether the result of a source takes its place."""
        return isinstance(source, Source) and Level.INSTANCE not in self._changed(source)

    def _changed(self, source: Source) -> frozenset[Level]:
        """The levels at which the result is another resource than the source."""
        return changed_levels(self._task.edition.plan(source.identifiers), source.identifiers)

    def _progress(self, *, save: bool = False, done: bool = False) -> Progress:
        tally, count = self._tally, len(self._task.instances)
        failure = None
        if done and tally.failed and not self._permissive:
            id, code, reason = tally.reasons[0]
            failure = Failure(code, f"{tally.failed} of {count} instances failed; {id}: {reason}"[:1000])
        return Progress(
            min(tally.position / max(count, 1), 0.99),
            self._describe(tally),
            done,
            tally.to_json() if save else None,
            outputs=self._outputs() if done and failure is None else (),
            failure=failure,
        )
