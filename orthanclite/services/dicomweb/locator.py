"""Resources by the UIDs of DICOM, as the paths of DICOMweb name them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from orthanclite.core.errors import UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import Parts, Resource, ResourceRef
from orthanclite.core.ports import Resources, Search
from orthanclite.core.query import MAXIMUM_PATTERN

_REMEMBERED = 20_000
"""UIDs whose resources are remembered."""


@dataclass(frozen=True, slots=True)
class UidPath:
    """The UIDs of a study, of a series in it, of an instance in that: as far as they are given."""

    study: str
    series: str = ""
    instance: str = ""

    @property
    def level(self) -> Level:
        if self.instance:
            return Level.INSTANCE
        return Level.SERIES if self.series else Level.STUDY

    @property
    def uids(self) -> Sequence[str]:
        return (self.study, self.series, self.instance)[: self.level - 1]

    @property
    def text(self) -> str:
        """The path below the root of DICOMweb, with a slash before it and none behind it."""
        names = ("/studies/", "/series/", "/instances/")
        return "".join(name + uid for name, uid in zip(names, self.uids, strict=False))


class Locator:
    """Finds resources by their UIDs. Thread-safe.

    One UID may stand for several resources: Orthanc tells studies apart by their patients, too.
    """

    def __init__(self, search: Search, resources: Resources) -> None:
        self._search = search
        self._resources = resources
        self._known: OrderedDict[UidPath, tuple[str, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, path: UidPath) -> list[ResourceRef]:
        """The resources that ``path`` names.

        :raises UnknownResource: where there is none.
        """
        return [ResourceRef(path.level, id) for id in self._ids(path)]

    def series(self, path: UidPath) -> list[str]:
        """The Orthanc IDs of the series at, above or below ``path``.

        :raises UnknownResource: where there is no such resource.
        """
        found: list[str] = []
        for id in self._ids(path):
            if path.level is Level.STUDY:
                found += self._resources.descendant_ids(Level.STUDY, id, Level.SERIES)
            elif (series := self._resources.ancestor_id(path.level, id, Level.SERIES)) is not None:
                found.append(series)
        if not found:  # deleted meanwhile
            raise _unknown(path)
        return found

    def instance(self, path: UidPath) -> Resource:
        """The instance that ``path`` names, with its attachments.

        :raises UnknownResource: where there is none.
        """
        known = self._known.get(path, ())
        # What is remembered need not be looked up: if it is not there any more, it is not read, either.
        found = self._first(known) or self._first(self._look_up(path))
        if found is None:  # deleted meanwhile
            raise _unknown(path)
        return found

    def _first(self, ids: Sequence[str]) -> Resource | None:
        read = (self._resources.get(Level.INSTANCE, id, Parts.ATTACHMENTS) for id in ids)
        return next((instance for instance in read if instance is not None), None)

    def _ids(self, path: UidPath) -> Sequence[str]:
        known = self._known.get(path)
        if known is not None and all(self._resources.exists(path.level, id) for id in known):
            return known
        return self._look_up(path)

    def _look_up(self, path: UidPath) -> Sequence[str]:
        if any(len(uid) > MAXIMUM_PATTERN for uid in path.uids):
            raise _unknown(path)
        found = tuple(self._search.ids_of_uids(path.uids))
        with self._lock:
            self._known.pop(path, None)
            # A second study of the same UID may come: only what is unique for sure is remembered.
            if path.level is Level.INSTANCE and len(found) == 1:
                self._known[path] = found
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        if not found:
            raise _unknown(path)
        return found


def _unknown(path: UidPath) -> UnknownResource:
    return UnknownResource(f"There is no {path.level.label.lower()} {path.uids[-1]}")
