"""What the identifier of a C-MOVE or C-GET asks for (PS3.4 C.4.2.2.1, C.4.3.2.1)."""

from __future__ import annotations

from typing import Final

from orthanclite.core.errors import BadRequest, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import (
    ACCESSION_NUMBER,
    IDENTIFIER_OF,
    tag_key,
)
from orthanclite.core.model import Parts, Resource, ResourceRef
from orthanclite.core.ports import Resources, Search
from orthanclite.core.query import (
    MAXIMUM_ALTERNATIVES,
    QUERY_RETRIEVE_LEVEL,
    Constraint,
    FindRequest,
    Match,
)
from orthanclite.dicom.attributes import Attributes

_KEYS: Final = (
    *((level, IDENTIFIER_OF[level]) for level in (Level.INSTANCE, Level.SERIES)),
    (Level.STUDY, ACCESSION_NUMBER),
    (Level.STUDY, IDENTIFIER_OF[Level.STUDY]),
    (Level.PATIENT, IDENTIFIER_OF[Level.PATIENT]),
)
"""What identifies the resources of a level, in the order in which it is looked for."""


class RetrievalService:
    """Finds the resources that are asked for. Thread-safe."""

    def __init__(self, search: Search, resources: Resources) -> None:
        self._search = search
        self._resources = resources

    def find(self, identifier: Attributes) -> list[ResourceRef]:
        """The resources of an identifier, all of one level, in the order of its values; at least one.

        The key of the level decides, which may have several values; keys of other levels do not matter, as in
        the reference. Without a level, the lowest key does. A study may be named by its AccessionNumber.

        :raises BadRequest: without a key of the level, or for one with too many values
        :raises ParameterOutOfRange: for an unknown level
        :raises UnknownResource: where nothing is found
        """
        level, tag, values = _key(identifier)
        wanted = Constraint(tag, Match.LIST, values)
        ids = self._search.find_ids(FindRequest(level, (wanted,)))
        found = _as_spelled(self._resources.get_many(level, ids, Parts.NONE), tag_key(tag), values)
        if not found:
            raise UnknownResource("No resource has the identifier that is asked for")
        return [resource.ref for resource in found]


def _key(identifier: Attributes) -> tuple[Level, int, tuple[str, ...]]:
    named = identifier.get(QUERY_RETRIEVE_LEVEL)
    level = None if named is None else Level.parse(named.text)
    for home, tag in _KEYS:
        if level in (None, home) and (key := identifier.get(tag)) is not None:
            values = tuple(value for part in key.text.split("\\") if (value := part.strip(" \0")))
            if len(values) > MAXIMUM_ALTERNATIVES:
                raise BadRequest(f"At most {MAXIMUM_ALTERNATIVES} values may be listed here")
            if values:
                return home, tag, values
    raise BadRequest("No key of the level tells what to retrieve")


def _as_spelled(found: list[Resource], key: str, values: tuple[str, ...]) -> list[Resource]:
    """Case does not matter, unless there is one that is spelled as asked for: only that is meant then."""
    place = {value.casefold(): index for index, value in reversed(list(enumerate(values)))}
    asked = set(values)
    exact = {value.casefold() for resource in found if (value := resource.tags.get(key, "")) in asked}
    meant = [
        resource
        for resource in found
        if (value := resource.tags.get(key, "")) in asked or value.casefold() not in exact
    ]
    return sorted(meant, key=lambda resource: place.get(resource.tags.get(key, "").casefold(), len(place)))
