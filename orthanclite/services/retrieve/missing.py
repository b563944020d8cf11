"""What of a resource is not here yet, after its retrieval was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from orthanclite.core.errors import NetworkProtocol
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import SERIES_INSTANCE_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, tag_key
from orthanclite.core.model import Parts
from orthanclite.core.ports import Resources, Search
from orthanclite.core.query import (
    NUMBER_OF_SERIES_RELATED_INSTANCES,
    NUMBER_OF_STUDY_RELATED_INSTANCES,
    Constraint,
    FindRequest,
    Match,
)
from orthanclite.core.text.numbers import natural
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.services.remotes.client import Call
from orthanclite.services.retrieve.answers import AnswerReader, bounded
from orthanclite.services.retrieve.identifiers import Tags, find_tags, identifier, move_tags
from orthanclite.services.retrieve.network import Finder, Model, QueryRetrieve
from orthanclite.services.server.runtime import RuntimeOptions

_AT_ONCE = 100
"""Instances that one request names: modalities need not take lists without end."""
_SEARCHED = 1000  # instances that are looked for at a time


@dataclass(frozen=True, slots=True)
class Part:
    """Something to be fetched."""

    level: Level
    tags: Tags


@dataclass(frozen=True, slots=True)
class Remainder:
    """A resource, compared with what is stored here."""

    stored: list[str]  # Orthanc IDs of its instances
    parts: list[Part]  # what is missing


class MissingParts:
    """Compares resources of modalities with what is stored. Thread-safe."""

    def __init__(
        self,
        network: QueryRetrieve,
        search: Search,
        resources: Resources,
        reader: AnswerReader,
        dictionary: TagDictionary,
        runtime: RuntimeOptions,
    ) -> None:
        self._network = network
        self._search = search
        self._resources = resources
        self._reader = reader
        self._dictionary = dictionary
        self._runtime = runtime

    def of(self, call: Call, level: Level, resource: Tags) -> Remainder:
        """What is missing of one study or series; of another level, all of it.

        A series of which nothing is here is fetched as a whole, else its instances are named.

        :raises OrthancError: where the modality cannot be asked for its instances, or lists another number of
            them than it counts: what a list lacks would never be fetched
        """
        if level not in (Level.STUDY, Level.SERIES) or not resource.get(STUDY_INSTANCE_UID):
            return Remainder([], [Part(level, resource)])
        found = Remainder([], [])
        with self._network.finder(call, [Model.STUDY]) as finder:
            whole = [resource] if level is Level.SERIES else self._below(call, finder, Level.SERIES, resource)
            listed = 0
            for series in list(whole):
                keys = {tag: series.get(tag, "") for tag in (STUDY_INSTANCE_UID, SERIES_INSTANCE_UID)}
                instances = self._below(call, finder, Level.INSTANCE, keys)
                uids = sorted({uid for one in instances if (uid := one.get(SOP_INSTANCE_UID))})
                self._compare(found, keys, uids)
                listed += len(uids)
            if (count := self._count(call, finder, level, resource)) != listed:
                raise NetworkProtocol(f"The modality lists {listed} instances, and counts {count or 'none'}")
        return found

    def _count(self, call: Call, finder: Finder, level: Level, resource: Tags) -> int | None:
        """How many instances the modality counts in a study or series."""
        is_study = level is Level.STUDY
        tag = NUMBER_OF_STUDY_RELATED_INSTANCES if is_study else NUMBER_OF_SERIES_RELATED_INSTANCES
        asked = {**move_tags(level, resource), tag: ""}
        answers = list(self._find(call, finder, level, asked))
        return natural(answers[0].get(tag, "").strip()) if len(answers) == 1 else None

    def _compare(self, found: Remainder, series: Tags, uids: list[str]) -> None:
        stored: set[str] = set()
        for start in range(0, len(uids), _SEARCHED):
            wanted = Constraint(SOP_INSTANCE_UID, Match.LIST, tuple(uids[start : start + _SEARCHED]), True)
            ids = self._search.find_ids(FindRequest(Level.INSTANCE, (wanted,)))
            for one in self._resources.get_many(Level.INSTANCE, ids, Parts.NONE):
                stored.add(one.tags.get(tag_key(SOP_INSTANCE_UID), ""))
                found.stored.append(one.ref.id)
        missing = iter([uid for uid in uids if uid not in stored])
        if not stored:
            found.parts.append(Part(Level.SERIES, series))
            return
        while batch := list(islice(missing, _AT_ONCE)):
            found.parts.append(Part(Level.INSTANCE, {**series, SOP_INSTANCE_UID: "\\".join(batch)}))

    def _below(self, call: Call, finder: Finder, level: Level, parent: Tags) -> Iterator[Tags]:
        """The series of a study, or the instances of a series, as the modality lists them."""
        asked = dict(parent) if level is Level.INSTANCE else {STUDY_INSTANCE_UID: parent[STUDY_INSTANCE_UID]}
        for answer in self._find(call, finder, level, asked):
            yield {**answer, **asked}

    def _find(self, call: Call, finder: Finder, level: Level, asked: Tags) -> Iterator[Tags]:
        keys = find_tags(level, asked, call.modality.manufacturer)
        wanted = identifier(level, keys, self._dictionary, self._runtime.default_encoding)
        for answer in bounded(finder.find(Model.STUDY, wanted)):
            yield self._reader.texts(self._reader.normalized(answer, level))
