"""The stored instances that are to be edited, as the index knows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from orthanclite.core.errors import UnknownResource
from orthanclite.core.identifiers import Hierarchy
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import IDENTIFIER_OF, tag_key
from orthanclite.core.model import Parts, Resource
from orthanclite.core.ports import Resources
from orthanclite.services.content.files import StoredFile

_MANY = 500
"""Instances that are read at a time."""


@dataclass(frozen=True, slots=True)
class Source:
    """An instance that is to be edited."""

    file: StoredFile
    ids: Hierarchy
    identifiers: Mapping[int, str]
    """PatientID and the three UIDs by their tags."""
    metadata: Mapping[int, str]
    """The system metadata of the instance."""
    labels: Mapping[Level, Sequence[str]] = field(default_factory=dict)
    """Those of the instance and of its ancestors, where they were asked for."""


class Sources:
    """Reads sources. Ancestors are read once, so that it is to be used for one job only, by one thread.

    :param labels: whether labels are read, too
    """

    def __init__(self, resources: Resources, labels: bool = False) -> None:
        self._resources = resources
        self._parts = Parts.PARENT | Parts.LABELS if labels else Parts.PARENT
        self._known: dict[tuple[Level, str], Resource] = {}

    def load(self, ids: Sequence[str]) -> list[Source | UnknownResource]:
        """The sources with these Orthanc IDs, in their order; an error for one that is not there any more, or
        whose file is not kept."""
        found: dict[str, Source | UnknownResource] = {}
        for start in range(0, len(ids), _MANY):
            some = ids[start : start + _MANY]
            instances = self._resources.get_many(Level.INSTANCE, some, self._parts | Parts.ATTACHMENTS)
            self._load_ancestors(instances)
            found |= {instance.id: self._source(instance) for instance in instances}
        return [found.get(id) or UnknownResource(f"Unknown instance: {id}") for id in ids]

    def identifiers(self, ids: Sequence[str], whole: Level = Level.INSTANCE) -> Iterable[Mapping[int, str]]:
        """The identifiers of all known sources with these Orthanc IDs.

        :param whole: only of those whose ancestor at this level has no instance that is not among ``ids``
        """
        given = set(ids)
        is_whole = lru_cache(maxsize=16)(
            lambda id: given.issuperset(self._resources.descendant_ids(whole, id, Level.INSTANCE))
        )
        for start in range(0, len(ids), _MANY):
            instances = self._resources.get_many(Level.INSTANCE, ids[start : start + _MANY], Parts.PARENT)
            self._load_ancestors(instances)
            for instance in instances:
                lineage = self._lineage(instance)
                if lineage is None or (whole < Level.INSTANCE and not is_whole(lineage[whole - 1].id)):
                    continue
                yield _identifiers(lineage)

    def _load_ancestors(self, instances: Sequence[Resource]) -> None:
        below = instances
        for level in (Level.SERIES, Level.STUDY, Level.PATIENT):
            wanted = {one.parent_id for one in below if one.parent_id is not None}
            missing = sorted(id for id in wanted if (level, id) not in self._known)
            if not missing:
                return
            below = self._resources.get_many(level, missing, self._parts)
            self._known |= {(level, one.id): one for one in below}

    def _source(self, instance: Resource) -> Source | UnknownResource:
        lineage = self._lineage(instance)
        if lineage is None:
            return UnknownResource(f"Unknown instance: {instance.id}")
        try:
            file = StoredFile.of(instance)
        except UnknownResource:
            return UnknownResource(f"No file is kept of the instance: {instance.id}")
        labels = {one.level: one.labels for one in lineage} if Parts.LABELS in self._parts else {}
        ids = Hierarchy(*(one.id for one in lineage))
        return Source(file, ids, _identifiers(lineage), instance.system_metadata, labels)

    def _lineage(self, instance: Resource) -> list[Resource] | None:
        """The patient, the study, the series and the instance; None where one is deleted meanwhile."""
        lineage = [instance]
        for level in (Level.SERIES, Level.STUDY, Level.PATIENT):
            parent = self._known.get((level, lineage[0].parent_id or ""))
            if parent is None:
                return None
            lineage.insert(0, parent)
        return lineage


def instances_below(resources: Resources, level: Level, id: str) -> list[str]:
    """The instances below a resource; an instance itself."""
    return [id] if level is Level.INSTANCE else resources.descendant_ids(level, id, Level.INSTANCE)


def _identifiers(lineage: Sequence[Resource]) -> dict[int, str]:
    tags = {one.level: one.tags for one in lineage}
    return {tag: tags[level].get(tag_key(tag), "") for level, tag in IDENTIFIER_OF.items()}
