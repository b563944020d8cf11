"""Metadata of resources: ``/{level}/{id}/metadata``."""

from __future__ import annotations

from orthanclite.core.levels import Level
from orthanclite.core.machine.digest import md5_of
from orthanclite.core.names import is_user_number
from orthanclite.services.resources.annotations import MetadataService
from orthanclite.web.answers.conditional import expected_revision, not_modified, with_etag
from orthanclite.web.answers.responses import Response, empty, json_response, status_only, text_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Body, Router

IF_MATCH = Arg("If-Match", "Revision that the present value must have")
IF_NONE_MATCH = Arg("If-None-Match", "Revision that the client has already")


def metadata_routes(metadata: MetadataService) -> Router:
    """Routes that read and write metadata."""
    router = Router("Metadata")
    for level in Level:
        _add_routes(router, level, metadata)
    return router


def _add_routes(router: Router, level: Level, metadata: MetadataService) -> None:
    name = level.label.lower()
    path = f"/{level.plural}/{{id}}/metadata"

    @router.get(
        path,
        f"List the metadata of a {name}",
        query=[
            Arg("expand", "If present, the values are shown, too", "boolean"),
            Arg("numeric", "If present, metadata are shown by their number", "boolean"),
        ],
    )
    def list_metadata(call: Call) -> Response:
        found = metadata.all(level, call.params["id"])
        if call.flag("expand"):
            name_of = str if call.has("numeric") else metadata.names.name
            return json_response({name_of(number): value.value for number, value in found.items()})
        if call.has("numeric"):
            return json_response(list(found))
        return json_response([metadata.names.name(number) for number in found])

    @router.get(
        f"{path}/{{name}}",
        f"Get one metadata of a {name}",
        headers=[IF_NONE_MATCH],
        answers="text/plain",
        quick=True,
    )
    def get_metadata(call: Call) -> Response | None:
        number = metadata.names.number(call.params["name"])
        value = metadata.all(level, call.params["id"]).get(number)
        if value is None:
            return None
        md5 = md5_of(value.value)
        known = not_modified(call, value.revision, md5)
        return known or with_etag(text_response(value.value), value.revision, md5)

    @router.put(
        f"{path}/{{name}}",
        f"Set a user metadata of a {name}",
        headers=[IF_MATCH],
        body=Body(("text/plain",), text="The value"),
    )
    def set_metadata(call: Call) -> Response:
        number = metadata.names.number(call.params["name"])
        if not is_user_number(number):
            return status_only(403)
        revision = metadata.set(level, call.params["id"], number, call.text, expected_revision(call))
        return with_etag(empty(), *revision)

    @router.delete(f"{path}/{{name}}", f"Delete a user metadata of a {name}", headers=[IF_MATCH])
    def delete_metadata(call: Call) -> Response:
        number = metadata.names.number(call.params["name"])
        if not is_user_number(number):
            return status_only(403)
        metadata.delete(level, call.params["id"], number, expected_revision(call))
        return empty()
