"""Searching: ``/tools/find``, ``/tools/count-resources``, ``/tools/lookup``, ``/tools/bulk-content``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from orthanclite.core.errors import BadFileFormat
from orthanclite.core.levels import Level
from orthanclite.core.names import NameRegistry
from orthanclite.core.principal import Access
from orthanclite.rest.resources.views import IN_MEMORY, array_response, check_identifiers
from orthanclite.rest.search.find_body import FindBody, flag_field, json_body, style_field
from orthanclite.services.resources.bulk import BulkContent
from orthanclite.services.resources.rendering import View
from orthanclite.services.resources.tree import ResourceService
from orthanclite.services.search.find import FindService
from orthanclite.web.answers.responses import Response, json_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Body, Router

_CONDITIONS = {
    "Level": "string: Patient, Study, Series or Instance",
    "Query": "object: DICOM tags and the values that they must have; `*` and `?` are wildcards, `\\` stands "
    "between alternatives, `-` between the bounds of dates and times",
    "CaseSensitive": "boolean: Whether case and accents matter (default: false)",
    "Labels": "array: Labels",
    "LabelsConstraint": "string: Which of the labels a resource must have: All (default), Any or None",
    "MetadataQuery": "object: Metadata and the values that they must have",
    "ParentPatient": "string: Only resources below this patient, by its Orthanc identifier",
    "ParentStudy": "string: Only resources below this study",
    "ParentSeries": "string: Only resources below this series",
}
_STYLE_FIELDS = {
    "Full": "boolean: Show tags with number, name and type",
    "Short": "boolean: Show tags by their number",
    "Simplify": "boolean: Show tags by their name",
}
_ANSWER_FIELDS = {
    "Expand": "boolean: Show the resources, and not only their identifiers",
    "ResponseContent": "array: The parts of the resources to show; goes before Expand",
    "RequestedTags": "array: Further tags to show in RequestedTags",
    "OrderBy": "array: Objects with Type (DicomTag, DicomTagAsInt, DicomTagAsFloat, Metadata, MetadataAsInt, "
    "MetadataAsFloat), Key and Direction (ASC, DESC)",
    "Limit": "number: Most resources to show",
    "Since": "number: Number of resources to skip",
    **_STYLE_FIELDS,
}


def find_routes(
    find: FindService, resources: ResourceService, bulk: BulkContent, metadata: NameRegistry
) -> Router:
    """Routes that search, and that show many resources at a time."""
    router = Router("Resources")

    @router.post(
        "/tools/find",
        "Search resources",
        body=Body(fields=_CONDITIONS | _ANSWER_FIELDS),
        answers="application/json",
        access=Access.READ,
    )
    def find_resources(call: Call) -> Response:
        body = FindBody(json_body(call), find, metadata)
        request, view = body.page_request(), body.view()
        tags = body.requested_tags(view)
        pages = find.pages(request)
        if view is None:
            return _answer(pages)
        return _answer(
            batch for page in pages for batch in resources.show_many(request.level, page, view, tags)
        )

    @router.post(
        "/tools/count-resources",
        "Count the resources that a search would find",
        body=Body(fields=_CONDITIONS | _STYLE_FIELDS),
        answers="application/json",
        access=Access.READ,
    )
    def count(call: Call) -> Response:
        body = FindBody(json_body(call), find, metadata)
        request = body.request()
        body.check_countable()
        return json_response({"Count": find.count(request)})

    @router.post(
        "/tools/lookup",
        "Look a DICOM identifier up",
        description="PatientID, StudyInstanceUID, SeriesInstanceUID or SOPInstanceUID; case does not matter.",
        body=Body(("text/plain",), {}, "The identifier"),
        answers="application/json",
        access=Access.READ,
    )
    def lookup(call: Call) -> Response:
        found = find.lookup(call.text)
        return json_response([{"ID": ref.id, "Path": ref.path, "Type": ref.level.label} for ref in found])

    @router.post(
        "/tools/bulk-content",
        "Show several resources",
        body=Body(
            fields={
                "Resources": "array: Orthanc identifiers, of any level",
                "Level": "string: Show what is above or below the resources, at this level",
                "Metadata": "boolean: Show the metadata (default: true)",
                **_STYLE_FIELDS,
            }
        ),
        answers="application/json",
        access=Access.READ,
    )
    def bulk_content(call: Call) -> Response:
        body = json_body(call)
        ids = _identifiers(body)
        view = View(style_field(body), metadata=flag_field(body, "Metadata", True))
        if "Level" not in body:
            return array_response(bulk.as_given(ids, view), len(ids))
        if not isinstance(body["Level"], str):
            raise BadFileFormat("String expected in field: Level")
        level = Level.parse(body["Level"])
        found = bulk.at_level(ids, level)
        return array_response(resources.show_many(level, found, view), len(found))

    return router


def _answer(batches: Iterator[list[Any]]) -> Response:
    """An array of what comes in batches: streamed as soon as it proves to be long."""
    first: list[list[Any]] = []
    count = 0
    for batch in batches:
        first.append(batch)
        count += len(batch)
        if count > IN_MEMORY:
            break
    return array_response(chain(first, batches), count)


def _identifiers(body: dict[str, Any]) -> list[str]:
    ids = body.get("Resources")
    if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
        raise BadFileFormat("List of strings expected in field: Resources")
    check_identifiers(ids)
    return ids
