"""Reading, listing and removing the resources of the four levels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from orthanclite.core.errors import ParameterOutOfRange, UnknownResource
from orthanclite.core.events import Event, EventKind, Events
from orthanclite.core.levels import Level
from orthanclite.core.model import Counts, DeleteOutcome, Parts, Resource, ResourceRef
from orthanclite.core.ports import Blobs, Resources
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.services.content.blobs import remove_blobs
from orthanclite.services.resources.rendering import ResourceRenderer, View

BATCH = 500
"""Resources that are read and rendered at a time: bounds the memory of a list, however long."""


class RequestedTagsResolver(Protocol):
    """Finds the values of tags that a client asks for beside the main tags."""

    def resolve(self, resources: Sequence[Resource], tags: Sequence[int]) -> list[dict[int, object]]:
        """For each resource, the values of ``tags`` that it has: text, items, or None."""
        ...


class ResourceService:
    """What the routes of the resource tree do with resources. Thread-safe."""

    def __init__(
        self,
        resources: Resources,
        blobs: Blobs,
        renderer: ResourceRenderer,
        dictionary: TagDictionary,
        requested_tags: RequestedTagsResolver,
        events: Events,
    ) -> None:
        self._resources = resources
        self._blobs = blobs
        self._renderer = renderer
        self._dictionary = dictionary
        self._requested_tags = requested_tags
        self._events = events

    def parse_tag(self, text: str) -> int:
        """The tag that ``text`` names.

        :raises UnknownDicomTag: for a text that names none.
        """
        return self._dictionary.parse_tag(text)

    def ids(self, level: Level, since: int = 0, limit: int | None = None) -> list[str]:
        """The Orthanc IDs of a level, sorted."""
        return self._resources.list_ids(level, since, limit)

    def descendant_ids(self, level: Level, id: str, target: Level) -> list[str]:
        """The sorted Orthanc IDs below a resource.

        :raises UnknownResource: for an unknown resource.
        """
        self.check(level, id)
        return self._resources.descendant_ids(level, id, target)

    def check(self, level: Level, id: str) -> None:
        """:raises UnknownResource: for an unknown resource."""
        if not self._resources.exists(level, id):
            raise UnknownResource

    def show(self, level: Level, id: str, view: View, tags: Sequence[int] = ()) -> dict[str, Any] | None:
        """One resource as JSON, or None for an unknown one; ``tags`` are the requested tags."""
        resource = self._resources.get(level, id, _parts(view, level, tags))
        return None if resource is None else self._show([resource], view, tags)[0]

    def show_many(
        self, level: Level, ids: Sequence[str], view: View, tags: Sequence[int] = ()
    ) -> Iterator[list[dict[str, Any]]]:
        """Resources as JSON in batches, in the order of ``ids``; those unknown by then are left out."""
        parts = _parts(view, level, tags)
        for start in range(0, len(ids), BATCH):
            resources = self._resources.get_many(level, ids[start : start + BATCH], parts)
            yield self._show(resources, view, tags)

    def show_ancestor(
        self, level: Level, id: str, target: Level, view: View, tags: Sequence[int] = ()
    ) -> dict[str, Any] | None:
        """The ancestor of a resource as JSON.

        :raises UnknownResource: for an unknown resource.
        """
        ancestor = self._resources.ancestor_id(level, id, target)
        if ancestor is None:
            raise UnknownResource
        return self.show(target, ancestor, view, tags)

    def counts(self, level: Level, id: str) -> Counts:
        """Number of resources and bytes below and at a resource.

        :raises UnknownResource: for an unknown resource.
        """
        return self._resources.counts(level, id)

    def delete(self, level: Level, id: str) -> ResourceRef | None:
        """Delete a resource with all below it, and the parents left empty; the ancestor that remains.

        :raises UnknownResource: for an unknown resource.
        """
        return self._finish(self._resources.delete(level, id)).remaining_ancestor

    def delete_many(self, wanted: Iterable[str | ResourceRef]) -> None:
        """Delete resources, given by reference or by the ID alone; unknown ones are skipped."""
        items = list(wanted)
        known = self._resources.locate_many(item for item in items if isinstance(item, str))
        found = (_reference(item, known) for item in items)
        self._finish(self._resources.delete_many(ref for ref in found if ref is not None))

    def _finish(self, outcome: DeleteOutcome) -> DeleteOutcome:
        """Do what follows the commit of a deletion."""
        remove_blobs(self._blobs, outcome.removed_blobs)
        self._events.publish([Event(EventKind.DELETED, deleted) for deleted in outcome.deleted])
        return outcome

    def is_protected(self, patient_id: str) -> bool:
        """Whether a patient is kept from recycling.

        :raises ParameterOutOfRange: for an unknown patient.
        """
        try:
            return self._resources.is_protected(patient_id)
        except UnknownResource as exc:
            raise ParameterOutOfRange from exc

    def set_protected(self, patient_id: str, protected: bool) -> None:
        """:raises ParameterOutOfRange: for an unknown patient."""
        try:
            self._resources.set_protected(patient_id, protected)
        except UnknownResource as exc:
            raise ParameterOutOfRange from exc

    def _show(self, resources: Sequence[Resource], view: View, tags: Sequence[int]) -> list[dict[str, Any]]:
        render = self._renderer.render
        if not tags:
            return [render(resource, view) for resource in resources]
        requested = self._requested_tags.resolve(resources, tags)
        return [render(resource, view, values) for resource, values in zip(resources, requested, strict=True)]


def _reference(item: str | ResourceRef, known: Mapping[str, Level]) -> ResourceRef | None:
    if isinstance(item, ResourceRef):
        return item
    level = known.get(item)
    return None if level is None else ResourceRef(level, item)


def _parts(view: View, level: Level, tags: Sequence[int]) -> Parts:
    """What to read of the resources of a level: more where tags are requested, which may need any part."""
    return view.parts(level) | Parts.SHOWN if tags else view.parts(level)
