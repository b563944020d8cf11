"""``POST /tools/create-dicom``."""

from __future__ import annotations

from typing import Any

from orthanclite.core.errors import (
    BadFileFormat,
    BadRequest,
    CreateDicomBadParent,
    CreateDicomNoPayload,
    CreateDicomNotString,
    CreateDicomPayloadIsNoUri,
)
from orthanclite.core.levels import Level
from orthanclite.core.model import ResourceRef
from orthanclite.dicom.writing.from_json import DataUri, parse_data_uri
from orthanclite.services.edit.create import CreateService, CreationRequest, Slice
from orthanclite.services.ingest.arrival import IngestOrigin
from orthanclite.web.answers.responses import Response, json_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Body, Router

_LARGEST_BODY = 256 << 20
"""Bytes: files stand in it, as data URIs."""
_PIXEL_DATA_NAMES = ("PixelData", "7fe0,0010", "7fe00010", "7fe0-0010")


def create_routes(creation: CreateService) -> Router:
    """The route that makes new instances."""
    router = Router("Tools")

    @router.post(
        "/tools/create-dicom",
        "Create a DICOM instance, or a series",
        description="Without `Tags`, every member of the body is a tag (deprecated).",
        body=Body(
            fields={
                "Tags": "object: The tags of the instance; sequences are arrays of objects",
                "Content": "string: Picture or document as a data URI; an array of them makes a series",
                "Parent": "string: Patient, study or series that the instance shall belong to",
                "Force": "boolean: Allow tags that would be generated or come from the parent",
                "PrivateCreator": "string: Private creator of the private tags",
                "InterpretBinaryTags": "boolean: Decode data URIs among the tags (the default)",
                "Encapsulate": "boolean: Keep a JPEG picture compressed",
            },
            largest=_LARGEST_BODY,
        ),
        answers="application/json",
    )
    def create(call: Call) -> Response:
        body = call.json_object(BadRequest)
        request = _request(body) if "Tags" in body else _old_request(body)
        origin = IngestOrigin.of(call.principal)
        results = creation.create(request, origin)
        if isinstance(request.content, DataUri) or request.content is None:
            return json_response(results[0].to_json())
        series = ResourceRef(Level.SERIES, results[0].ids.series)
        return json_response({"ID": series.id, "Path": series.path, "Status": results[0].status.value})

    return router


def _request(body: dict[str, Any]) -> CreationRequest:
    tags = body["Tags"]
    if not isinstance(tags, dict):
        raise BadRequest("Tags must be a JSON object")
    parent = body.get("Parent")
    if parent is not None and not isinstance(parent, str):
        raise CreateDicomBadParent
    return CreationRequest(
        tags,
        _content(body.get("Content")),
        parent,
        _boolean(body, "Force", False),
        _creator(body),
        _boolean(body, "InterpretBinaryTags", True),
        _boolean(body, "Encapsulate", False),
    )


def _old_request(body: dict[str, Any]) -> CreationRequest:
    if not all(isinstance(value, str) for value in body.values()):
        raise CreateDicomNotString
    pixels = [body.pop(name) for name in _PIXEL_DATA_NAMES if name in body]
    return CreationRequest(body, _content(pixels[0]) if pixels else None, force=True, dated=False)


def _content(value: object) -> DataUri | list[Slice] | None:
    if value is None or value == []:
        return None
    if isinstance(value, list):
        return [_slice(item) for item in value]
    if not isinstance(value, str):
        raise CreateDicomPayloadIsNoUri
    return _uri(value)


def _slice(item: object) -> Slice:
    """One instance of a series: its content, or an object with content and tags."""
    if isinstance(item, str):
        return Slice(_uri(item))
    if not isinstance(item, dict) or "Content" not in item:
        raise CreateDicomNoPayload
    content, tags = item["Content"], item.get("Tags", {})
    if not isinstance(content, str):
        raise CreateDicomPayloadIsNoUri
    if not isinstance(tags, dict):
        raise BadRequest("Tags must be a JSON object")
    return Slice(_uri(content), tags)


def _uri(text: str) -> DataUri:
    uri = parse_data_uri(text)
    if uri is None:
        raise BadFileFormat("The content must be a data URI in base 64")
    return uri


def _boolean(body: dict[str, Any], name: str, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise BadRequest(f"{name} must be a Boolean value")
    return value


def _creator(body: dict[str, Any]) -> str:
    value = body.get("PrivateCreator", "")
    if not isinstance(value, str):
        raise BadRequest("PrivateCreator must be a string")
    return value
