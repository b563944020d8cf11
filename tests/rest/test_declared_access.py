"""What each operation says it does: a new one that is not GET is a write, until it is named here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import Server, orthanclite, running

READING = {
    *(
        f"/{level}/{{id}}/{kind}"
        for level in ("patients", "studies", "series")
        for kind in ("archive", "media")
    ),
    *(
        f"/{level}/{{id}}/attachments/{{name}}/verify-md5"
        for level in ("patients", "studies", "series", "instances")
    ),
    "/instances/{id}/anonymize",
    "/instances/{id}/modify",
    "/tools/bulk-content",
    "/tools/count-resources",
    "/tools/create-archive",
    "/tools/create-media",
    "/tools/create-media-extended",
    "/tools/find",
    "/tools/lookup",
}
SENDING = {
    *(f"/dicom-web/servers/{{name}}/{operation}" for operation in ("delete", "get", "qido", "stow")),
    "/instances/{id}/export",
    *(
        f"/modalities/{{id}}/{name}"
        for name in (
            "echo",
            "find",
            "find-instance",
            "find-patient",
            "find-series",
            "find-study",
            "find-worklist",
            "query",
            "storage-commitment",
            "store",
            "store-straight",
        )
    ),
    "/peers/{id}/store",
    "/peers/{id}/store-straight",
    "/queries/{id}",
    *(f"/queries/{{id}}/answers/{{index}}/query-{level}" for level in ("instances", "series", "studies")),
    "/tools/dicom-echo",
}
ADMINISTERING = {
    "/dicom-web/servers/{name}",
    "/jobs/{id}",
    "/jobs/{id}/{key}",
    *(f"/jobs/{{id}}/{action}" for action in ("cancel", "pause", "resubmit", "resume")),
    "/modalities/{id}",
    "/peers/{id}",
    "/tools/accepted-transfer-syntaxes",
    "/tools/default-encoding",
    "/tools/execute-script",
    "/tools/invalidate-tags",
    "/tools/log-level",
    *(
        f"/tools/log-level-{category}"
        for category in ("dicom", "generic", "http", "jobs", "lua", "plugins", "sqlite")
    ),
    "/tools/metrics",
    "/tools/reset",
    "/tools/shutdown",
    "/tools/unknown-sop-class-accepted",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("site")
    with running(
        orthanclite(folder, {"Worklists": {"Enable": True, "SaveInOrthancDatabase": True}})
    ) as started:
        yield started


def test_every_operation_is_taken_for_what_it_does(site: Server) -> None:
    declared = {
        (method, path): operation["security"][0]["basic"][0]
        for path, methods in site.get("/openapi.json")["paths"].items()
        for method, operation in methods.items()
    }
    for (method, path), access in declared.items():
        expected = (
            "read"
            if method in ("get", "options") or path in READING
            else "send"
            if path in SENDING
            else "administer"
            if path in ADMINISTERING
            else "write"
        )
        assert access == expected, (method, path)
    changing = {path for method, path in declared if method not in ("get", "options")}
    assert changing >= READING | SENDING | ADMINISTERING
