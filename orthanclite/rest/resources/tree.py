"""The resource tree: lists, resources, navigation, deletion, statistics, protection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from orthanclite.core.errors import BadRequest, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import Counts, ResourceRef
from orthanclite.core.text.fields import boolean_field
from orthanclite.rest.resources.views import (
    CONTENT_ARGUMENT,
    EXPAND_ARGUMENT,
    FORMAT_ARGUMENTS,
    PAGE_ARGUMENTS,
    array_response,
    check_identifiers,
    page_of,
    requested_tags_of,
    view_of,
)
from orthanclite.services.imaging.slices import SliceService
from orthanclite.services.resources.tree import ResourceService
from orthanclite.services.upkeep.reconstruct import ReconstructService
from orthanclite.web.answers.responses import Response, empty, json_response, text_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Body, Router

_MEGABYTE = 1 << 20
_RECONSTRUCT_FILES = {"ReconstructFiles": "boolean: Store the files anew, as today's options want them"}
_THIS_LEVEL = {
    "LimitToThisLevelMainDicomTags": "boolean: Renew only the main DICOM tags of this very resource"
}


def resource_routes(
    resources: ResourceService, slices: SliceService, reconstruction: ReconstructService
) -> Router:
    """Routes that read and remove resources."""
    router = Router("Resources")
    for level in Level:
        _add_reading(router, level, resources)
        _add_navigation(router, level, resources)
        _add_writing(router, level, resources, reconstruction)
    _add_protection(router, resources)
    _add_slices(router, slices)
    _add_tools(router, resources, reconstruction)
    return router


def _add_reading(router: Router, level: Level, resources: ResourceService) -> None:
    name = level.label.lower()

    @router.get(
        f"/{level.plural}",
        f"List {level.plural}",
        query=[EXPAND_ARGUMENT, *FORMAT_ARGUMENTS, *PAGE_ARGUMENTS, CONTENT_ARGUMENT],
    )
    def list_resources(call: Call) -> Response:
        since, limit = page_of(call, level)
        expand = call.flag("expand")
        return _list(call, resources, level, resources.ids(level, since, limit), expand)

    def show(call: Call, tags: Sequence[int]) -> Response | None:
        shown = resources.show(level, call.params["id"], view_of(call), tags)
        return None if shown is None else json_response(shown)

    _add_one(router, f"/{level.plural}/{{id}}", f"Get one {name}", show, resources)

    @router.get(f"/{level.plural}/{{id}}/statistics", f"Count what belongs to a {name}")
    def get_statistics(call: Call) -> Response:
        return json_response(_statistics(level, resources.counts(level, call.params["id"])))


def _add_one(
    router: Router,
    path: str,
    summary: str,
    show: Callable[[Call, Sequence[int]], Response | None],
    resources: ResourceService,
) -> None:
    """:param show: makes the answer with the requested tags, if there are any"""

    def get_quickly(call: Call) -> Response | None:
        # Requested tags may have to be read from files.
        return None if requested_tags_of(call, resources.parse_tag) else show(call, ())

    @router.get(path, summary, query=[*FORMAT_ARGUMENTS, CONTENT_ARGUMENT], quick=get_quickly)
    def get_resource(call: Call) -> Response | None:
        return show(call, requested_tags_of(call, resources.parse_tag))


def _add_navigation(router: Router, level: Level, resources: ResourceService) -> None:
    for target in Level:
        if target > level:
            _add_children(router, level, target, resources)
        elif target < level:
            _add_parent(router, level, target, resources)


def _add_children(router: Router, level: Level, target: Level, resources: ResourceService) -> None:
    @router.get(
        f"/{level.plural}/{{id}}/{target.plural}",
        f"List the {target.plural} of a {level.label.lower()}",
        query=[EXPAND_ARGUMENT, *FORMAT_ARGUMENTS, CONTENT_ARGUMENT],
    )
    def list_children(call: Call) -> Response:
        ids = resources.descendant_ids(level, call.params["id"], target)
        return _list(call, resources, target, ids, call.flag("expand", True))


def _add_parent(router: Router, level: Level, target: Level, resources: ResourceService) -> None:
    name = target.label.lower()

    def show(call: Call, tags: Sequence[int]) -> Response | None:
        shown = resources.show_ancestor(level, call.params["id"], target, view_of(call), tags)
        return None if shown is None else json_response(shown)

    _add_one(
        router,
        f"/{level.plural}/{{id}}/{name}",
        f"Get the {name} of a {level.label.lower()}",
        show,
        resources,
    )


def _add_writing(
    router: Router, level: Level, resources: ResourceService, reconstruction: ReconstructService
) -> None:
    name = level.label.lower()

    @router.delete(f"/{level.plural}/{{id}}", f"Delete a {name}", answers="application/json")
    def delete_resource(call: Call) -> Response | None:
        try:
            remaining = resources.delete(level, call.params["id"])
        except UnknownResource:
            return None
        return json_response({"RemainingAncestor": None if remaining is None else _reference(remaining)})

    @router.post(
        f"/{level.plural}/{{id}}/reconstruct",
        f"Index a {name} anew from its files",
        description="Takes long: every file is read.",
        body=Body(fields={**_RECONSTRUCT_FILES, **_THIS_LEVEL}),
    )
    def reconstruct(call: Call) -> Response:
        options = _optional_object(call)
        reconstruction.reconstruct(
            level,
            call.params["id"],
            only_this_level=boolean_field(options, "LimitToThisLevelMainDicomTags"),
            files=boolean_field(options, "ReconstructFiles"),
        )
        return empty()


def _add_protection(router: Router, resources: ResourceService) -> None:
    @router.get("/patients/{id}/protected", "Is a patient kept from recycling?", answers="text/plain")
    def get_protected(call: Call) -> Response:
        return text_response("1" if resources.is_protected(call.params["id"]) else "0")

    @router.put(
        "/patients/{id}/protected",
        "Keep a patient from recycling, or no more",
        body=Body(("text/plain",), text="0 or 1"),
    )
    def set_protected(call: Call) -> Response:
        resources.set_protected(call.params["id"], call.boolean_body())
        return empty()


def _add_slices(router: Router, slices: SliceService) -> None:
    @router.get("/series/{id}/ordered-slices", "Order the slices of a series", deprecated=True)
    def ordered_slices(call: Call) -> Response:
        series = slices.ordered(call.params["id"])
        return json_response(
            {
                "Dicom": [f"/instances/{one.instance}/file" for one in series.slices],
                "Slices": [
                    f"/instances/{one.instance}/frames/{frame}"
                    for one in series.slices
                    for frame in range(one.frames)
                ],
                "SlicesShort": [[one.instance, 0, one.frames] for one in series.slices],
                "Type": series.ordering.value,
            }
        )


def _add_tools(router: Router, resources: ResourceService, reconstruction: ReconstructService) -> None:
    @router.post(
        "/tools/bulk-delete",
        "Delete several resources",
        body=Body(fields={"Resources": "array: Orthanc identifiers, of any level"}),
    )
    def bulk_delete(call: Call) -> Response:
        resources.delete_many([_wanted(item) for item in _resources_field(call)])
        return empty()

    @router.post(
        "/tools/reconstruct",
        "Index everything anew from the files",
        description="Takes very long: every file is read.",
        body=Body(fields=_RECONSTRUCT_FILES),
    )
    def reconstruct_all(call: Call) -> Response:
        reconstruction.reconstruct_all(files=boolean_field(_optional_object(call), "ReconstructFiles"))
        return empty()


def _list(call: Call, resources: ResourceService, level: Level, ids: list[str], expand: bool) -> Response:
    """``ids``, or the resources themselves if the request wants them."""
    if not expand and not call.has("response-content"):
        return json_response(ids)
    tags = requested_tags_of(call, resources.parse_tag)
    return array_response(resources.show_many(level, ids, view_of(call), tags), len(ids))


def _statistics(level: Level, counts: Counts) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    numbers = (counts.patients, counts.studies, counts.series, counts.instances)
    for below in Level:
        if below > level:
            shown[f"Count{below.plural.capitalize()}"] = numbers[below - 1]
    sizes = {
        "DiskSize": counts.disk_size,
        "UncompressedSize": counts.uncompressed_size,
        "DicomDiskSize": counts.dicom_disk_size,
        "DicomUncompressedSize": counts.dicom_uncompressed_size,
    }
    for key, size in sizes.items():
        shown[key] = str(size)
        shown[f"{key}MB"] = size // _MEGABYTE
    return shown


def _reference(ref: ResourceRef) -> dict[str, str]:
    return {"ID": ref.id, "Path": ref.path, "Type": ref.level.label}


def _optional_object(call: Call) -> dict[str, Any]:
    """The options in the body of the request, which may be empty."""
    return call.json_object(BadRequest) if call.body else {}


def _resources_field(call: Call) -> list[Any]:
    try:
        body = call.json_object(BadRequest)
    except BadRequest as exc:
        raise BadRequest("The body must contain a JSON object") from exc
    items = body.get("Resources")
    if not isinstance(items, list):
        raise BadRequest("The body must contain a Resources array")
    check_identifiers(items)
    return items


def _wanted(item: object) -> str | ResourceRef:
    """A resource as the body names it: an identifier, or an object with level and identifier."""
    if isinstance(item, str):
        return item
    if isinstance(item, dict):
        level, id = item.get("Level"), item.get("ID")
        if isinstance(level, str) and isinstance(id, str):
            return ResourceRef(Level.parse(level), id)
    raise BadRequest("Invalid payload")
