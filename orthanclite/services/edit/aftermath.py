"""What follows once all results of an edit are stored: main tags, labels, and the end of the sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from orthanclite.core.errors import UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import ResourceRef
from orthanclite.core.ports import Annotations

_MANY = 200
"""Resources that are deleted in one transaction."""


class MainTagsRenewer(Protocol):
    """Brings what the index shows of resources to what a file says."""

    def renew_from(self, instance: str, level: Level, id: str, metadata: Mapping[int, str | None]) -> None:
        """Write the main tags of an ancestor of an instance anew from the file of that instance.

        :param metadata: further system metadata of the ancestor
        :raises UnknownResource: where one of them is deleted meanwhile
        """
        ...


class Remover(Protocol):
    """Deletes resources, with all that follows."""

    def delete_many(self, wanted: Iterable[str | ResourceRef]) -> None:
        """Delete resources; unknown ones are skipped."""
        ...


class Aftermath:
    """Each of its steps may be repeated. Thread-safe."""

    def __init__(self, renewer: MainTagsRenewer, annotations: Annotations, remover: Remover) -> None:
        self._renewer = renewer
        self._annotations = annotations
        self._remover = remover

    def renew(self, level: Level, id: str, instance: str, metadata: Mapping[int, str | None]) -> None:
        """Let a resource that has got new instances show the main tags of one of them.

        :param metadata: that name its source
        """
        with suppress(UnknownResource):  # a client was faster to delete it
            self._renewer.renew_from(instance, level, id, metadata)

    def label(self, level: Level, id: str, labels: Iterable[str]) -> None:
        """Add labels to a result."""
        with suppress(UnknownResource):
            for label in labels:
                self._annotations.add_label(level, id, label)

    def remove(self, instances: Sequence[str]) -> None:
        """Delete sources, and the parents that are left empty."""
        for start in range(0, len(instances), _MANY):
            some = instances[start : start + _MANY]
            self._remover.delete_many(ResourceRef(Level.INSTANCE, id) for id in some)
