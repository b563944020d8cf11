"""``/worklists``: the modality worklists, as Orthanc's worklists plugin has them."""

from __future__ import annotations

from typing import Any

from orthanclite.core.errors import BadFileFormat, ParameterOutOfRange
from orthanclite.dicom.renderings.tags_json import Style
from orthanclite.services.worklists import WorklistService
from orthanclite.web.answers.responses import Response, json_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Body, Router

_FORMATS = {"simplify": Style.SIMPLE, "short": Style.SHORT, "full": Style.FULL}
_FORMAT = Arg("format", "How tags are shown: Full (default), Short or Simplify")
_BODY = Body(
    ("application/json",),
    {
        "Tags": "object: Tags of the worklist; sequences are arrays of objects",
        "PrivateCreator": "string: Creator of the private tags among them",
    },
)


def worklist_routes(worklists: WorklistService) -> Router:
    router = Router("Worklists")

    @router.get("/worklists", "List the worklists", query=[_FORMAT])
    def list_worklists(call: Call) -> Response:
        return json_response(worklists.list_all(_style(call)))

    @router.get("/worklists/{id}", "Show a worklist", query=[_FORMAT])
    def get(call: Call) -> Response:
        return json_response(worklists.get(call.params["id"], _style(call)))

    @router.post("/worklists/create", "Create a worklist", body=_BODY, answers="application/json")
    def create(call: Call) -> Response:
        return _answer(worklists.create(*_arguments(call)))

    @router.put("/worklists/{id}", "Replace the tags of a worklist", body=_BODY, answers="application/json")
    def replace(call: Call) -> Response:
        worklists.replace(call.params["id"], *_arguments(call))
        return _answer(call.params["id"])

    @router.delete("/worklists/{id}", "Remove a worklist", answers="application/json")
    def delete(call: Call) -> Response:
        worklists.delete(call.params["id"])
        return json_response({})

    return router


def _answer(id: str) -> Response:
    return json_response({"ID": id, "Path": f"/worklists/{id}"})


def _style(call: Call) -> Style:
    """:raises ParameterOutOfRange: for an unknown format."""
    text = call.argument("format", "Full")
    style = _FORMATS.get(text.lower())
    if style is None:
        raise ParameterOutOfRange(f"The format must be Simplify, Short or Full: {text}")
    return style


def _arguments(call: Call) -> tuple[Any, str]:
    """Tags and private creator.

    :raises BadFileFormat: for a body of another shape.
    """
    body = call.json()
    if not isinstance(body, dict) or "Tags" not in body:
        raise BadFileFormat('The body must be an object with the field "Tags"')
    creator = body.get("PrivateCreator", "")
    if not isinstance(creator, str):
        raise BadFileFormat('"PrivateCreator" must be a string')
    return body["Tags"], creator
