"""The OpenAPI document: complete, and of the form that tools expect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis

from tests.support.server import Server, orthanclite, running

METHODS = {"get", "put", "post", "delete", "options"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(orthanclite(tmp_path_factory.mktemp("site"))) as started:
        yield started


@pytest.fixture(scope="module")
def document(site: Server) -> dict[str, Any]:
    found: dict[str, Any] = site.get("/openapi.json")
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        assert set(methods) <= METHODS
        for method, operation in methods.items():
            yield path, method, operation


def test_the_form_of_the_document(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert set(document["info"]) >= {"title", "version"}
    tags = {tag["name"] for tag in document["tags"]}
    seen: set[str] = set()
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert path.startswith("/"), where
        assert operation["summary"], where
        assert set(operation["tags"]) <= tags, where
        assert operation["operationId"] not in seen, where
        seen.add(operation["operationId"])
        assert {"200", "default"} <= set(operation["responses"]), where
        assert all(answer["description"] for answer in operation["responses"].values()), where
        parameters = operation.get("parameters", [])
        in_path = {one["name"] for one in parameters if one["in"] == "path"}
        assert in_path == set(re.findall(r"{([^}]+)}", path)), where
        names = [(one["in"], one["name"]) for one in parameters]
        assert len(names) == len(set(names)), where
        assert all(one["required"] for one in parameters if one["in"] == "path"), where


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, item in value.items():
                if key == "$ref":
                    yield item
                else:
                    yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    found = set(references(document))
    assert found
    for reference in found:
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_tools_can_load_it(site: Server) -> None:
    schema = schemathesis.openapi.from_url(f"{site.url}/openapi.json")
    loaded = [operation.ok() for operation in schema.get_all_operations()]
    assert len(loaded) > 100


def test_every_operation_without_arguments_answers(site: Server, document: dict[str, Any]) -> None:
    for path, method, _ in operations(document):
        if method == "get" and "{" not in path:
            answer: httpx.Response
            with site.client.stream("GET", path) as answer:  # that of /jobs/events has no end
                pass
            # Some tools ask for arguments.
            allowed = (200, 400, 404) if path.startswith(("/tools/", "/wado")) else (200, 301)
            assert answer.status_code in allowed, path


def test_what_is_off_is_not_shown(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, {"ReadOnly": True})) as server:
        paths = server.get("/openapi.json")["paths"]
    assert "post" not in paths["/instances"]
    assert "delete" not in paths["/studies/{id}"]
    assert "get" in paths["/studies/{id}"]
