"""Contents that a browser would run: whoever opens one must not hand over the server with it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from orthanclite.web.answers.confinement import confined
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

PAGE = b"<html><script>fetch('/patients')</script></html>"
TYPES = {
    "page": "text/html",
    "shouted": "TEXT/HTML; charset=utf-8",
    "xhtml": "application/xhtml+xml",
    "drawing": "image/svg+xml",
    "xml": "text/xml",
    "style": "text/xsl",
    "parts": "multipart/x-mixed-replace",
    "unheard-of": "x-page/x-active",
    "document": "application/pdf",
    "picture": "image/png",
}
INERT = {"document", "picture"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    types = {name: [2000 + number, text] for number, (name, text) in enumerate(TYPES.items())}
    config = {"UserContentType": types, "StableAge": 60}
    with running(orthanclite(tmp_path_factory.mktemp("active"), config)) as started:
        yield started


@pytest.fixture(scope="module")
def instance(server: Server) -> str:
    path = server.upload(dicom_file("p", "1.1", "1.1.1", "1.1.1.1"))["Path"]
    return str(path)


def is_sandboxed(answer: httpx.Response) -> bool:
    policy = answer.headers.get("content-security-policy", "")
    return "sandbox" in policy and "allow" not in policy and "default-src 'none'" in policy


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("size", [len(PAGE), 1 << 20])
def test_attachments_have_no_origin(server: Server, instance: str, name: str, size: int) -> None:
    path = f"{instance}/attachments/{name}"
    server.client.put(path, content=PAGE.ljust(size)).raise_for_status()
    for below in ("data", "compressed-data"):
        answer = server.client.get(f"{path}/{below}")
        assert (answer.status_code, len(answer.content)) == (200, size)
        assert answer.headers["content-type"] == TYPES[name]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert is_sandboxed(answer) is (name not in INERT)
    part = server.client.get(f"{path}/data", headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.headers["content-type"]) == (206, "application/octet-stream")
    server.client.delete(path).raise_for_status()


@pytest.mark.parametrize(
    "path", ["/app/explorer.html", "/system", "/statistics", "/instances", "/tools/now", "/changes"]
)
def test_what_the_server_itself_says_is_left_alone(server: Server, path: str) -> None:
    assert not is_sandboxed(server.client.get(path, follow_redirects=True))


@pytest.mark.parametrize("accept", ["application/dicom+xml", "application/dicom+json"])
def test_a_file_as_text(server: Server, instance: str, accept: str) -> None:
    """Names and values of a file are a stranger's, too."""
    answer = server.client.get(f"{instance}/file", headers={"Accept": accept})
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert is_sandboxed(answer) is (accept == "application/dicom+xml")


def test_a_body_without_a_type_is_confined() -> None:
    assert len(confined([])) == 1
    own = [(b"content-type", b"text/html"), (b"content-security-policy", b"default-src 'self'")]
    assert confined(own) == own
