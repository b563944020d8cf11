"""Series that have no pictures: reports, documents, videos."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.explorer.viewer.looking import view
from tests.explorer.viewer.series import HOSTILE, SLICES, UID
from tests.support.server import Server

pytestmark = pytest.mark.usefixtures("built")


def test_reports_are_read_as_trees(page: Page, site: Server) -> None:
    view(page, site, f"{UID}.1.4")
    told = page.locator(".report")
    expect(told.get_by_role("heading")).to_have_text("Imaging Measurement Report")
    expect(told).to_contain_text("COMPLETE")
    expect(told).to_contain_text("Diameter: 12.5 mm")
    expect(told).to_contain_text("Observer: Roe, Jane")
    expect(told).to_contain_text(HOSTILE)
    expect(told).to_contain_text("long end")
    told.get_by_role("button", name="Show").click()
    expect(page.locator(".pane[data-shown] output")).to_have_text(f"1 / {SLICES}", timeout=60_000)


def test_documents_are_shown_by_the_browser(page: Page, site: Server) -> None:
    page.context.unroute_all()  # the browser's own viewer is made of files of its own
    view(page, site, f"{UID}.1.5")
    frame = page.locator("iframe")
    expect(frame).to_have_attribute("title", "PDF document")
    source = frame.get_attribute("src")
    assert source is not None
    answer = site.client.get(source.removeprefix(site.url))
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")
    assert page.get_by_role("link", name="In a new tab").get_attribute("href") == source


def test_a_video_that_cannot_be_played_is_offered_for_download(page: Page, site: Server) -> None:
    with page.expect_response(re.compile("/rendered$")) as asked:
        view(page, site, f"{UID}.1.6")
    expect(page.get_by_role("alert")).to_contain_text("cannot play")
    assert asked.value.status in (200, 206)
    link = page.get_by_role("link", name="Download").get_attribute("href")
    assert link is not None
    path = link.removeprefix(site.url)
    part = site.client.get(path, headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
