"""The OpenAPI document, from what the routes say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from orthanclite.web.routing import Arg, Body, Operation

_ERROR_SCHEMA = {
    "type": "object",
    "description": "Why a request failed",
    "properties": {
        "Details": {"type": "string", "description": "What was wrong with this request"},
        "HttpError": {"type": "string"},
        "HttpStatus": {"type": "integer"},
        "Message": {"type": "string"},
        "Method": {"type": "string"},
        "OrthancError": {"type": "string", "description": "The kind of the error"},
        "OrthancStatus": {"type": "integer", "description": "The number of that kind"},
        "Uri": {"type": "string"},
    },
}

_VARIABLES = {
    "id": "Identifier of the resource",
    "name": "Name or number",
    "path": "Tags and item indices, separated by slashes",
    "frame": "Index of the frame, from 0",
    "index": "Index of the answer, from 0",
    "label": "The label",
    "key": "Name of the output",
}

_SCHEMA_TYPES = ("string", "number", "integer", "boolean", "object", "array")


def describe(operations: Iterable[Operation], title: str, version: str) -> dict[str, Any]:
    """The document for ``operations`` (OpenAPI 3.1)."""
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, None] = {}
    for operation in operations:
        path = operation.path.replace(":path}", "}")
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, path)
        tags.setdefault(operation.tag)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version,
            "description": "A DICOM server that speaks Orthanc's REST API.",
        },
        "tags": [{"name": tag} for tag in sorted(tags)],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {"Error": _ERROR_SCHEMA},
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
        "security": [{"basic": []}, {}],
    }


def merge(document: dict[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """``document`` with the paths and schemas of ``further``, which FastAPI has made of its own routes."""
    paths = {**further.get("paths", {}), **document["paths"]}
    schemas = {**further.get("components", {}).get("schemas", {}), **document["components"]["schemas"]}
    return {
        **document,
        "paths": dict(sorted(paths.items())),
        "components": {**document["components"], "schemas": schemas},
    }


def _operation(operation: Operation, path: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": _operation_id(operation.method, path),
        "tags": [operation.tag],
        "security": [{"basic": [operation.access.value]}, {}],
        "responses": _responses(operation),
    }
    if operation.description:
        shown["description"] = operation.description
    if operation.deprecated:
        shown["deprecated"] = True
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _VARIABLES.get(name, name),
            "schema": {"type": "string"},
        }
        for name in operation.variables
    ]
    parameters += [_parameter(argument, "query") for argument in operation.query]
    parameters += [_parameter(argument, "header") for argument in operation.headers]
    if parameters:
        shown["parameters"] = parameters
    if operation.body is not None:
        shown["requestBody"] = _request_body(operation.body)
    return shown


def _operation_id(method: str, path: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", path)
    return "_".join([method.lower(), *words])


def _parameter(argument: Arg, place: str) -> dict[str, Any]:
    parameter: dict[str, Any] = {"name": argument.name, "in": place, "schema": {"type": argument.type}}
    if argument.text:
        parameter["description"] = argument.text
    if place == "query":
        parameter["allowEmptyValue"] = True
    return parameter


def _request_body(body: Body) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for media_type in body.types:
        if media_type == "application/json":
            schema: dict[str, Any] = {"type": "object"} if body.fields else {}
            if body.fields:
                schema["properties"] = {name: _field(text) for name, text in body.fields.items()}
            content[media_type] = {"schema": schema}
        else:
            binary = {"type": "string"} if media_type.startswith("text/") else {}
            content[media_type] = {"schema": binary}
    shown: dict[str, Any] = {"content": content}
    if body.text:
        shown["description"] = body.text
    return shown


def _field(text: str) -> dict[str, Any]:
    """A member of a JSON body, written as ``type: description`` or just ``type``."""
    kind, _, description = text.partition(":")
    schema: dict[str, Any] = {"type": kind.strip()} if kind.strip() in _SCHEMA_TYPES else {}
    if description.strip():
        schema["description"] = description.strip()
    elif not schema:
        schema["description"] = text
    return schema


def _responses(operation: Operation) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Success"}
    if operation.answers:
        success["content"] = {media_type: {} for media_type in operation.answers}
    error = {
        "description": "Refused or failed",
        "content": {"text/plain": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    return {"200": success, "default": error}
