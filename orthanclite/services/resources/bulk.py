"""Many resources by their Orthanc IDs in one answer (``/tools/bulk-content``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from orthanclite.core.levels import Level
from orthanclite.core.ports import Resources
from orthanclite.services.resources.rendering import View
from orthanclite.services.resources.tree import BATCH, ResourceService


class BulkContent:
    """Shows resources of any level. Thread-safe."""

    def __init__(self, resources: Resources, shown: ResourceService) -> None:
        self._resources = resources
        self._shown = shown

    def as_given(self, ids: Sequence[str], view: View) -> Iterator[list[dict[str, Any]]]:
        """The resources in batches, in the order of ``ids``, as often as they stand there; unknown ones are
        left out."""
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            found: dict[str, dict[str, Any]] = {}
            for level in Level:
                missing = [id for id in dict.fromkeys(batch) if id not in found]
                for resources in self._shown.show_many(level, missing, view):
                    found.update((resource["ID"], resource) for resource in resources)
            yield [found[id] for id in batch if id in found]

    def at_level(self, ids: Sequence[str], level: Level) -> list[str]:
        """The sorted IDs of the resources of one level that are above, at or below those of ``ids``."""
        found: set[str] = set()
        for id, own in self._resources.locate_many(dict.fromkeys(ids)).items():
            if own < level:
                found.update(self._resources.descendant_ids(own, id, level))
            else:
                ancestor = self._resources.ancestor_id(own, id, level)
                if ancestor is not None:
                    found.add(ancestor)
        return sorted(found)
