"""The web interface in a real browser that reaches nothing but the server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from orthanclite.explorer.pages import STATIC
from tests.support.server import Server, orthanclite, running

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
expect.set_options(timeout=30_000)  # ms; what is drawn without a graphics processor takes its time


# Of a module: while Playwright is at work, the thread has an event loop, and other tests start their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root, nor in many containers.
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def built() -> None:
    """Skips where the package was installed without the web interface."""
    if not (STATIC / "index.html").is_file():
        pytest.skip("The web interface was not built")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {
        "Name": "Ward <7>",
        "Worklists": {"Enable": True, "SaveInOrthancDatabase": True},
        "DicomModalitiesInDatabase": True,
    }
    with running(orthanclite(tmp_path_factory.mktemp("site"), settings)) as started:
        yield started


@pytest.fixture
def site(server: Server) -> Server:
    """A server with nothing in it."""
    everything = server.get("/patients")
    if everything:
        server.client.post("/tools/bulk-delete", json={"Resources": everything}).raise_for_status()
    return server


@pytest.fixture
def complaints() -> list[str]:
    """What the page complains about; a test that expects something takes it out."""
    return []


@pytest.fixture
def page(browser: Browser, site: Server, complaints: list[str]) -> Iterator[Page]:
    """A page without a network beyond the server; anything it complains about fails the test."""
    context = browser.new_context(base_url=site.url, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(20_000)
    opened = context.new_page()

    def route(request: Route) -> None:
        if request.request.url.startswith((site.url, "blob:", "data:")):
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
