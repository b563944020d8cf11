"""How the web interface is served, and the API documentation."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import cast

import httpx
import pytest
from playwright.sync_api import Page, expect

from orthanclite.core.constants import Origin
from orthanclite.core.principal import Principal
from orthanclite.explorer.pages import Offered, explorer_routes
from orthanclite.web.call import Call
from orthanclite.web.routing import SyncHandler
from tests.support.server import Server, orthanclite, running

_OFFERED = Offered(options={}, read_only=False, theme="", title="", dicomweb_root=None)


def test_the_documentation_shows_every_operation(page: Page, site: Server) -> None:
    page.goto("/docs")
    document = site.get("/openapi.json")
    count = sum(len(methods) for methods in document["paths"].values())
    operations = page.locator("#operations details")
    expect(operations).to_have_count(count)
    page.locator("#filter").fill("get /changes")
    expect(page.locator("#operations details:visible summary", has_text="/changes").first).to_be_visible()
    page.locator("#operations details:visible summary").first.click()
    expect(page.locator("#operations details[open]")).to_contain_text("since")
    expect(page.locator("#error")).to_be_empty()


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/", "/ui/app/"),
        ("/ui", "/ui/app/"),
        ("/ui/", "/ui/app/"),
        ("/ui/app", "/ui/app/"),
        ("/app/explorer.html", "/ui/app/"),
        ("/app/explorer.html?x=1", "/ui/app/"),
        (
            "/ui/app/filtered-studies?StudyInstanceUID=1.2&x=%22",
            "/ui/app/#/filtered-studies?StudyInstanceUID=1.2&x=%22",
        ),
        (
            "/ui/app/retrieve-and-view.html?StudyInstanceUID=1.2&modality=pacs",
            "/ui/app/#/retrieve-and-view?StudyInstanceUID=1.2&modality=pacs",
        ),
        ("/ui/app/worklists/%0d%0aX:%20y", "/ui/app/#/worklists/%0D%0AX%3A%20y"),
    ],
)
def test_addresses_of_other_interfaces_lead_here(built: None, site: Server, path: str, leads_to: str) -> None:
    answer = site.client.get(path)
    assert answer.status_code in (301, 302)
    assert httpx.URL(f"{site.url}{path}").join(answer.headers["location"]) == httpx.URL(
        f"{site.url}{leads_to}"
    )


def test_pages_forbid_everything_from_outside(built: None, site: Server) -> None:
    for path in ("/ui/app/", "/docs"):
        answer = site.client.get(path)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy.replace("'wasm-unsafe-eval'", "")
        assert "//" not in re.sub(r"<!--.*?-->", "", answer.text)
    assert site.client.get("/favicon.ico", follow_redirects=True).headers["content-type"] == "image/svg+xml"


def test_files_of_the_build_are_compressed_and_kept_for_ever(built: None, site: Server) -> None:
    page = site.client.get("/ui/app/").text
    script = re.search(r'src="\./(assets/[^"]+\.js)"', page)
    assert script is not None
    bodies = set()
    for coding in ("br", "gzip", "identity"):
        # httpx undoes gzip itself, and br where it can.
        with site.client.stream("GET", f"/ui/app/{script[1]}", headers={"accept-encoding": coding}) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers.get("content-encoding", "identity") == coding
        assert answer.headers["vary"] == "accept-encoding"
        bodies.add(raw)
    assert len(bodies) == 3


@pytest.mark.parametrize(
    "name",
    [
        "assets/none.js",
        "index.html.gz",
        "sources.sha256",
        "..%2fpages.py",
        "assets/..%2f..%2f..%2fpages.py",
        "%2e%2e/pages.py",
    ],
)
def test_nothing_but_files_of_the_build_is_served(built: None, site: Server, name: str) -> None:
    assert site.client.get(f"/ui/app/{name}").status_code == 404


def test_what_may_be_offered_follows_the_configuration(tmp_path: Path) -> None:
    settings = {
        "ReadOnly": True,
        "OrthancExplorer2": {
            "Theme": "dark",
            "UiOptions": {"EnableUpload": False, "Modifications": {"DefaultMode": "modify-new-uids"}},
        },
    }
    with running(orthanclite(tmp_path, settings)) as server:
        told = server.get("/ui/api/configuration")
    assert told["ReadOnly"] is True
    assert told["UiOptions"]["EnableUpload"] is False
    assert told["UiOptions"]["EnableSendTo"] is True
    assert told["UiOptions"]["EnableWorklists"] is False  # the server has none
    assert told["UiOptions"]["Modifications"]["DefaultMode"] == "modify-new-uids"
    assert told["Rights"] == ["administer", "read", "send"]
    assert (told["Theme"], told["DicomWebRoot"]) == ("dark", "dicom-web/")


def test_an_installation_without_it_says_so(tmp_path: Path) -> None:
    table = {operation.path: operation for operation in explorer_routes(_OFFERED, tmp_path).operations}
    handler = cast(SyncHandler, table["/ui/app/{name:path}"].handler)
    answer = handler(Call("GET", "/ui/app/", Principal(Origin.REST_API), {"name": ""}))
    assert answer is not None
    assert b"has no web interface" in answer.body


def test_without_the_explorer_there_is_none_of_it(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, {"OrthancExplorerEnabled": False})) as server:
        answer: httpx.Response = server.client.get("/")
        assert not answer.headers["content-type"].startswith("text/html")
        for path in ("/app/explorer.html", "/ui/app/", "/ui/api/configuration"):
            assert server.client.get(path).status_code == 404
        assert server.client.get("/docs").status_code == 200


def test_the_notices_of_third_parties_are_there(built: None, site: Server) -> None:
    notices = site.client.get("/ui/app/third-party-notices.md").text
    for name in ("vue", "reka-ui", "@cornerstonejs/core", "@tanstack/vue-query"):
        assert f"## {name}" in notices or name in notices
    assert json.loads(Path("explorer/package.json").read_text())["license"] == "Apache-2.0"
