"""The viewer of a server without DICOMweb reads whole files; what it tells of them is the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.explorer.viewer.looking import bright, drawn, pixels, probed, shown
from tests.explorer.viewer.series import HOUR_LEFT, UID, fill
from tests.support.server import Server, orthanclite, running

pytestmark = pytest.mark.usefixtures("built")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"DicomWeb": {"Enable": False}}
    with running(orthanclite(tmp_path_factory.mktemp("files"), settings)) as started:
        fill(started)
        yield started


def test_files_are_read(page: Page, site: Server) -> None:
    requests: list[str] = []
    page.on("request", lambda one: requests.append(one.url))
    assert bright(shown(page, site)) > 20
    assert [url for url in requests if re.search("/instances/.*/file$", url)]
    assert not [url for url in requests if "/dicom-web/" in url]


def test_corners_and_windows_tell_what_the_file_says(page: Page, site: Server) -> None:
    pane = shown(page, site)
    for text in ("Curie, Marie", "120 kV, 75 mAs", "Slice 2 mm at 0 mm", "W 2000 L 0"):
        expect(pane).to_contain_text(text)
    sides = pane.locator(".side-left, .side-right, .side-top, .side-bottom")
    expect(sides).to_have_text(["R", "L", "A", "P"])
    expect(page.get_by_label("Windows").locator("option").last).to_have_text("Dense <b>")
    page.keyboard.press("ArrowDown")
    expect(pane).to_contain_text("at 2 mm")
    probed(page, "500 HU")


def test_uptake_is_told(page: Page, site: Server) -> None:
    pane = shown(page, site, f"{UID}.1.7")
    expect(pane).to_contain_text("W 20000 L 10000")
    probed(page, f"15240 BQML (SUV {15_240 * 70_000 / HOUR_LEFT:.2f})")


def test_frames_of_one_file_are_shown(page: Page, site: Server) -> None:
    pane = shown(page, site, f"{UID}.1.3")
    expect(pane.locator("output")).to_have_text("1 / 5")
    page.keyboard.press("End")
    expect(pane.locator("output")).to_have_text("5 / 5")
    drawn(page, lambda: pixels(pane)[300, 600][0] == 240)
