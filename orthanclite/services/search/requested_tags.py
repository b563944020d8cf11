"""Requested tags: values that a client wants beside the main tags of a resource.

In this order, a value is computed, stands in the index (the resource's own main tags and those of its
parents), is the SOP class or the transfer syntax of an instance, or is read from the file of one below.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from orthanclite.core.constants import Metadata
from orthanclite.core.errors import CorruptedFile, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import DEFAULT_MAIN_TAGS, SOP_CLASS_UID, MainTags, tag_key
from orthanclite.core.model import Parts, Resource
from orthanclite.core.ports import Resources, Search
from orthanclite.core.query import AVAILABLE_TRANSFER_SYNTAX_UID, COMPUTED_TAGS, COUNTED_LEVELS
from orthanclite.services.content.file_tags import Value
from orthanclite.services.content.files import InstanceFiles, StoredFile

log = logging.getLogger("orthanclite.generic")

_META_GROUP = 0x0002


@dataclass(frozen=True, slots=True)
class FindWarnings:
    """Which peculiarities are worth a line in the log (section ``Warnings``)."""

    tags_read_from_storage: bool = True  # W001
    inconsistent_tags: bool = True  # W002
    no_signature: bool = True  # W004
    tag_from_lower_level: bool = True  # W005
    tag_from_meta_header: bool = True  # W006
    missing_tags_not_read: bool = True  # W007


@dataclass(slots=True)
class _Ancestry:
    """A resource and its ancestors, from itself upwards."""

    by_level: dict[Level, Resource] = field(default_factory=dict)


class _Wanted(NamedTuple):
    """A requested tag, as ``gggg,eeee`` too, and the closest level that keeps it as a main tag."""

    tag: int
    key: str
    home: Level | None


class TagReader(Protocol):
    """Reads attributes that the index does not keep."""

    def read(self, file: StoredFile, tags: Iterable[int]) -> Mapping[int, Value]:
        """The values of those among ``tags`` that a file has."""
        ...


class RequestedTags:
    """Resolves requested tags; a constant number of statements for any number of resources. Thread-safe.

    :param may_read_files: False where ``StorageAccessOnFind`` is ``Never``
    """

    def __init__(
        self,
        search: Search,
        resources: Resources,
        files: InstanceFiles,
        file_tags: TagReader,
        main_tags: MainTags,
        may_read_files: bool = True,
        warnings: FindWarnings | None = None,
    ) -> None:
        self._search = search
        self._resources = resources
        self._files = files
        self._file_tags = file_tags
        self._main_tags = main_tags
        self._may_read_files = may_read_files
        self._warnings = warnings or FindWarnings()

    def resolve(self, resources: Sequence[Resource], tags: Sequence[int]) -> list[dict[int, object]]:
        """For each of ``resources``, all of one level, the values of ``tags``: text, the items of a sequence
        in the full rendering, or None where its file was looked at in vain.

        A main tag that the resource does not have is left out, and so is a computed tag of another level.
        """
        wanted = self._without_meta(tuple(dict.fromkeys(tags)))
        if not resources or not wanted:
            return [{} for _ in resources]
        level = resources[0].level
        computed = self._search.computed_tags(level, [resource.key for resource in resources], wanted)
        plain = [
            _Wanted(tag, tag_key(tag), self._home(level, tag)) for tag in wanted if tag not in COMPUTED_TAGS
        ]
        answers: list[dict[int, object]] = []
        for resource, ancestry in zip(resources, self._ancestries(resources, plain), strict=True):
            values: dict[int, object] = dict(computed.get(resource.key, {}))
            missing = [each.tag for each in plain if not self._from_index(level, ancestry, each, values)]
            if missing:
                self._from_file(resource, missing, values)
                # The reference looks up the counting attributes in the file, too, once it reads it.
                values.update((tag, None) for tag in wanted if tag in COUNTED_LEVELS and tag not in values)
            answers.append({tag: values[tag] for tag in wanted if tag in values})
        return answers

    def _without_meta(self, tags: tuple[int, ...]) -> tuple[int, ...]:
        if any(tag >> 16 == _META_GROUP for tag in tags) and self._warnings.tag_from_meta_header:
            log.warning("W006: Tags of the file meta information cannot be requested")
        return tuple(tag for tag in tags if tag >> 16 != _META_GROUP)

    def _ancestries(self, resources: Sequence[Resource], tags: Sequence[_Wanted]) -> list[_Ancestry]:
        """The resources with those of their ancestors whose main tags are wanted."""
        level = resources[0].level
        ancestries = [_Ancestry({level: resource}) for resource in resources]
        top = min((self._highest(level, tag) for tag in tags), default=level)
        current = level
        while current > top:
            above = Level(current - 1)
            parents = {
                parent: None
                for ancestry in ancestries
                if current in ancestry.by_level and (parent := ancestry.by_level[current].parent_id)
            }
            found = {
                resource.id: resource
                for resource in self._resources.get_many(above, list(parents), Parts.PARENT)
            }
            for ancestry in ancestries:
                child = ancestry.by_level.get(current)
                owner = None if child is None else found.get(child.parent_id or "")
                if owner is not None:
                    ancestry.by_level[above] = owner
            current = above
        return ancestries

    def _highest(self, level: Level, wanted: _Wanted) -> Level:
        """The level whose resource must be read to tell a tag of a resource of ``level``."""
        home = wanted.home
        is_copied = home is Level.PATIENT and wanted.tag in DEFAULT_MAIN_TAGS[Level.PATIENT]
        if is_copied and level is not Level.PATIENT:
            return Level.STUDY  # has a copy of its patient's tags
        return level if home is None else home

    def _home(self, level: Level, tag: int) -> Level | None:
        """The closest level, from ``level`` upwards, that keeps ``tag``."""
        return max((home for home in self._main_tags.levels_of(tag) if home <= level), default=None)

    def _from_index(
        self, level: Level, ancestry: _Ancestry, wanted: _Wanted, values: dict[int, object]
    ) -> bool:
        """Take the value from the index, or see that there is none; False where only the file can tell."""
        tag, key, home = wanted
        if tag == SOP_CLASS_UID and level is Level.INSTANCE:
            uid = ancestry.by_level[level].system_metadata.get(Metadata.SOP_CLASS_UID)
            if uid is not None:
                values[tag] = uid
                return True
        if tag == AVAILABLE_TRANSFER_SYNTAX_UID and level is Level.INSTANCE:
            uid = ancestry.by_level[level].system_metadata.get(Metadata.TRANSFER_SYNTAX)
            if uid:
                values[tag] = uid
            return True
        if home is None:
            return False
        study = ancestry.by_level.get(Level.STUDY)
        if home is Level.PATIENT and study is not None and key in study.patient_tags:
            values[tag] = study.patient_tags[key]
            return True
        owner = ancestry.by_level.get(home)
        if owner is None:  # a study stands for its patient
            return study is not None
        if key in owner.tags:
            values[tag] = owner.tags[key]
        elif key in owner.sequences:
            values[tag] = _items(owner.sequences[key])
        elif key not in owner.signature.split(";"):
            self._warn_of_older(owner, tag)
            return False
        return True

    def _warn_of_older(self, owner: Resource, tag: int) -> None:
        if not owner.signature:
            if self._warnings.no_signature:
                log.warning("W004: %s was indexed without a signature of its main tags", owner.ref.path)
        elif self._warnings.inconsistent_tags:
            log.warning(
                "W002: %s was indexed with an older list of main tags, without %s: "
                "indexing it anew (/reconstruct) avoids reading files",
                owner.ref.path,
                tag_key(tag),
            )

    def _from_file(self, resource: Resource, tags: Sequence[int], values: dict[int, object]) -> None:
        """Read one file below the resource; what it lacks is None."""
        shown = ", ".join(map(tag_key, tags))
        if not self._may_read_files:
            if self._warnings.missing_tags_not_read:
                log.warning(
                    "W007: %s are not shown for %s: StorageAccessOnFind is Never", shown, resource.ref.path
                )
            return
        level = resource.level
        if self._warnings.tag_from_lower_level and any(self._main_tags.levels_of(tag) for tag in tags):
            log.warning("W005: Tags of a lower level are requested of %s: %s", resource.ref.path, shown)
        if self._warnings.tags_read_from_storage:
            log.warning("W001: Reading tags of %s from the storage: %s", resource.ref.path, shown)
        found = self._read(level, resource.id, tags)
        values.update((tag, found.get(tag)) for tag in tags)

    def _read(self, level: Level, id: str, tags: Sequence[int]) -> Mapping[int, Value]:
        try:
            return self._file_tags.read(self._files.locate_one_below(level, id), tags)
        except UnknownResource:  # deleted meanwhile, or its file is not kept
            return {}
        except CorruptedFile as exc:
            log.error("The file of %s cannot be read: %s", id, exc)
            return {}


def _items(sequence: object) -> object:
    """The items of a main tag that is a sequence, whichever way the index keeps it."""
    return sequence["Value"] if isinstance(sequence, Mapping) else sequence
