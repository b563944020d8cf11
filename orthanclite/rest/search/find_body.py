"""The body of ``/tools/find`` and ``/tools/count-resources``: its fields, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orthanclite.core.errors import BadFileFormat, BadRequest, ParameterOutOfRange
from orthanclite.core.levels import Level
from orthanclite.core.model import ResourceRef
from orthanclite.core.names import NameRegistry
from orthanclite.core.query import (
    Constraint,
    FindRequest,
    LabelsConstraint,
    MetadataConstraint,
    OrderBy,
    OrderType,
    metadata_constraint,
    requested_tags,
)
from orthanclite.dicom.renderings.tags_json import Style
from orthanclite.services.resources.rendering import Content, View
from orthanclite.services.search.find import FindService
from orthanclite.web.call import Call

_PARENTS = {
    "ParentPatient": Level.PATIENT,
    "ParentStudy": Level.STUDY,
    "ParentSeries": Level.SERIES,
}
_DIRECTIONS = {"ASC": True, "DESC": False}
_LARGEST = 2**40
"""More resources than there are; sums of such numbers still fit the databases."""


def json_body(call: Call) -> dict[str, Any]:
    """The body of a request.

    :raises BadRequest: unless it is a JSON object.
    """
    try:
        return call.json_object(BadRequest)
    except BadRequest as exc:
        raise BadRequest("The body must contain a JSON object") from exc


def flag_field(body: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """A boolean field about how resources are shown.

    :raises BadFileFormat: where it has another type.
    """
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise BadFileFormat(f"Boolean value expected in field: {name}")
    return value


def style_field(body: Mapping[str, Any]) -> Style:
    """The form of tags that ``Simplify``, ``Short`` and ``Full`` ask for, the first of them that is true.

    :raises BadFileFormat: where one of them is no boolean.
    """
    for name, style in (("Simplify", Style.SIMPLE), ("Short", Style.SHORT), ("Full", Style.FULL)):
        if flag_field(body, name):
            return style
    return Style.SIMPLE


class FindBody:
    """Reads one body, with the service that knows tags and the names of metadata."""

    def __init__(self, body: Mapping[str, Any], find: FindService, metadata: NameRegistry) -> None:
        self._body = body
        self._find = find
        self._metadata = metadata

    def request(self) -> FindRequest:
        """The search that the body describes.

        :raises BadRequest: for a wrong type, a missing field, and a search that is too large.
        :raises ParameterOutOfRange: for an unknown level, a negative number, or a wildcard where none may be.
        :raises UnknownDicomTag: for a name that is no tag.
        :raises InexistentItem: for a name that is no metadata.
        """
        body = self._body
        if not isinstance(body.get("Level"), str):
            raise BadRequest('Field "Level" is missing, or should be a string')
        if not isinstance(body.get("Query"), dict):
            raise BadRequest('Field "Query" is missing, or should be a JSON object')
        case_sensitive = self._flag("CaseSensitive")
        level = Level.parse(body["Level"])
        return FindRequest(
            level,
            self._constraints(case_sensitive),
            tuple(self._strings("Labels")),
            self._labels_constraint(),
            self._metadata_constraints(case_sensitive),
            tuple(map(self._order, self._list("OrderBy"))),
            self._parent(),
        )

    def page_request(self) -> FindRequest:
        """The search that the body describes, with the page of it that is wanted.

        :raises ParameterOutOfRange: for a negative number; otherwise as :meth:`request`.
        :raises BadRequest: for ``Since`` where more than the index must be looked at; otherwise as
            :meth:`request`. So does the reference.
        """
        request = replace(self.request(), since=self._count("Since"), limit=self._count("Limit"))
        if request.since and not all(
            self._find.is_indexed(one) and not one.case_sensitive for one in request.constraints
        ):
            raise BadRequest(
                "Unable to use 'Since' in tools/find when querying tags that are not stored as "
                "MainDicomTags in the Database"
            )
        return request

    def view(self) -> View | None:
        """How the resources are to be shown; None for their identifiers alone.

        :raises BadRequest, BadFileFormat: for a field of the wrong type.
        :raises ParameterOutOfRange: for an unknown value of ``ResponseContent``.
        """
        expand = self._flag("Expand")
        style = style_field(self._body)
        if "ResponseContent" in self._body:
            return View(style, Content.parse(map(str, self._list("ResponseContent"))))
        return View(style) if expand else None

    def requested_tags(self, view: View | None) -> tuple[int, ...]:
        """The tags to show beside the main tags: those that are asked for and, where the view has room for
        them, those of the query that are no main tags.

        :raises UnknownDicomTag: for a name that is no tag.
        :raises BadRequest: for too many of them.
        """
        tags = [self._find.parse_tag(name) for name in self._strings("RequestedTags")]
        if view is not None and (view.content is None or Content.REQUESTED_TAGS in view.content):
            queried = map(self._find.parse_tag, self._body["Query"])
            tags += [tag for tag in queried if not self._find.is_main_tag(tag)]
        return requested_tags(tags)

    def check_countable(self) -> None:
        """:raises ParameterOutOfRange: for a count with regard to case, as the reference."""
        if self._flag("CaseSensitive"):
            raise ParameterOutOfRange('Field "CaseSensitive" must not be true to count resources')

    def _flag(self, name: str) -> bool:
        value = self._body.get(name, False)
        if not isinstance(value, bool):
            raise BadRequest(f'Field "{name}" should be a Boolean')
        return value

    def _count(self, name: str) -> int:
        value = self._body.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadRequest(f'Field "{name}" should be an integer')
        if value < 0:
            raise ParameterOutOfRange(f'Field "{name}" should be a positive integer')
        return min(value, _LARGEST)

    def _list(self, name: str) -> list[Any]:
        value = self._body.get(name, [])
        if not isinstance(value, list):
            raise BadRequest(f'Field "{name}" should be an array')
        return value

    def _strings(self, name: str) -> list[str]:
        values = self._list(name)
        if not all(isinstance(value, str) for value in values):
            raise BadRequest(f'Field "{name}" should be an array of strings')
        return values

    def _constraints(self, case_sensitive: bool) -> tuple[Constraint, ...]:
        found: list[Constraint] = []
        for name, value in self._body["Query"].items():
            if not isinstance(value, str):
                raise BadRequest(f'Tag "{name}" should be associated with a string')
            wanted = self._find.constraint(self._find.parse_tag(name), value, case_sensitive)
            if wanted is not None:
                found.append(wanted)
        return tuple(found)

    def _labels_constraint(self) -> LabelsConstraint:
        value = self._body.get("LabelsConstraint", LabelsConstraint.ALL)
        try:
            return LabelsConstraint(value)
        except ValueError as exc:
            raise BadRequest('Field "LabelsConstraint" should be All, Any or None') from exc

    def _metadata_constraints(self, case_sensitive: bool) -> tuple[MetadataConstraint, ...]:
        query = self._body.get("MetadataQuery", {})
        if not isinstance(query, dict):
            raise BadRequest('Field "MetadataQuery" should be a JSON object')
        found: list[MetadataConstraint] = []
        for name, value in query.items():
            if not isinstance(value, str):
                raise BadRequest(f'Metadata "{name}" should be associated with a string')
            number = self._metadata.number(name)
            if value:  # an empty one matches all, also what lacks the metadata
                found.append(metadata_constraint(number, value, case_sensitive))
        return tuple(found)

    def _order(self, criterion: object) -> OrderBy:
        fields = criterion if isinstance(criterion, dict) else {}
        kind, key, direction = fields.get("Type"), fields.get("Key"), fields.get("Direction")
        if not isinstance(kind, str) or not isinstance(key, str) or not isinstance(direction, str):
            raise BadRequest('Field "OrderBy" should be an array of objects with Type, Key and Direction')
        ascending = _DIRECTIONS.get(direction.upper())
        if ascending is None:
            raise BadRequest(f'"Direction" should be ASC or DESC: "{direction}"')
        type = OrderType.parse(kind)
        number = self._metadata.number(key) if type.is_metadata else self._find.parse_tag(key)
        return OrderBy(type, number, ascending)

    def _parent(self) -> ResourceRef | None:
        """The first of the parents that the body names."""
        for name, level in _PARENTS.items():
            id = self._body.get(name)
            if name in self._body and not isinstance(id, str):
                raise BadRequest(f'Field "{name}" should be a string')
            if id:
                return ResourceRef(level, str(id))
        return None
