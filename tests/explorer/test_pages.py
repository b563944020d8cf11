"""The start page and the API documentation, in a real browser that reaches nothing but the server."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root, nor in many containers.
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Server]:
    with running(orthanclite(tmp_path, {"Name": "Ward <7>"})) as started:
        yield started


@pytest.fixture
def page(browser: Browser, site: Server) -> Iterator[Page]:
    """A page without a network beyond the server; anything it complains about fails the test."""
    context = browser.new_context(base_url=site.url)
    context.set_default_timeout(20_000)
    opened = context.new_page()
    complaints: list[str] = []

    def route(request: Route) -> None:
        if request.request.url.startswith(site.url):
            request.continue_()
        else:
            complaints.append(f"request to {request.request.url}")
            request.abort()

    context.route("**/*", route)
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []


def study(number: int, name: str) -> bytes:
    return dicom_file(
        patient=f"p{number}",
        study=f"1.2.{number}",
        series=f"1.2.{number}.1",
        instance=f"1.2.{number}.1.1",
        PatientName=name,
        StudyDate="20240131",
        StudyDescription="<b>Head</b>",
    )


@needs_browser
def test_the_start_page_shows_what_is_stored(page: Page, site: Server) -> None:
    page.goto("/")
    expect(page).to_have_title("Ward <7>")
    expect(page.locator("#none")).to_be_visible()
    expect(page.locator("#instances")).to_have_text("0")
    for number in range(2):
        site.upload(study(number, f"Doe^{number}"))
    page.reload()
    expect(page.locator("#studies")).to_have_text("2")
    rows = page.locator("#newest tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Doe^1 (p1)")
    expect(rows.first).to_contain_text("2024-01-31")
    expect(rows.first).to_contain_text("<b>Head</b>")  # text, never markup
    expect(page.locator("#error")).to_be_empty()


@needs_browser
def test_links_of_the_start_page(page: Page, site: Server) -> None:
    site.upload(study(1, "Doe^John"))
    page.goto("/")
    with page.expect_download() as download:
        page.get_by_role("link", name="ZIP").click()
    assert zipfile.is_zipfile(download.value.path())
    page.get_by_role("link", name="JSON").click()
    assert json.loads(page.locator("body").inner_text())["Type"] == "Study"


@needs_browser
def test_files_are_sent_from_the_start_page(page: Page, site: Server, tmp_path: Path) -> None:
    files = []
    for number in range(3):
        files.append(tmp_path / f"{number}.dcm")
        files[-1].write_bytes(study(number, "Doe^John"))
    page.goto("/")
    page.locator("#files").set_input_files(files)
    expect(page.locator("#outcome")).to_have_text("3 files stored.")
    expect(page.locator("#patients")).to_have_text("3")
    assert site.get("/statistics")["CountInstances"] == 3


@needs_browser
def test_the_documentation_shows_every_operation(page: Page, site: Server) -> None:
    page.goto("/")
    page.get_by_role("link", name="API documentation").click()
    expect(page).to_have_url(re.compile(r"/docs$"))
    document = site.get("/openapi.json")
    count = sum(len(methods) for methods in document["paths"].values())
    operations = page.locator("#operations details")
    expect(operations).to_have_count(count)
    page.locator("#filter").fill("get /changes")
    expect(page.locator("#operations details:visible")).to_have_count(1)
    page.locator("#operations details:visible summary").click()
    expect(page.locator("#operations details[open]")).to_contain_text("since")
    expect(page.locator("#error")).to_be_empty()


@needs_browser
def test_the_address_of_orthancs_user_interface_leads_to_the_start_page(page: Page) -> None:
    page.goto("/app/explorer.html")
    expect(page.locator("h1")).to_have_text("Ward <7>")


def test_pages_forbid_everything_from_outside(site: Server) -> None:
    for path in ("/", "/docs"):
        answer = site.client.get(path)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "//" not in re.sub(r"<!--.*?-->", "", answer.text)
    assert site.client.get("/favicon.ico", follow_redirects=True).headers["content-type"] == "image/svg+xml"


def test_without_the_explorer_there_is_no_start_page(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, {"OrthancExplorerEnabled": False})) as server:
        answer: httpx.Response = server.client.get("/")
        assert not answer.headers["content-type"].startswith("text/html")
        assert server.client.get("/app/explorer.html").status_code == 404
        assert server.client.get("/docs").status_code == 200
