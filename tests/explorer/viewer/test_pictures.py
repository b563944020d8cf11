"""Pictures: how they are fetched, what stands in their corners, and their windows."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Request, expect
from pydicom.uid import JPEG2000Lossless

from tests.explorer.viewer.looking import bright, drawn, pixels, shown
from tests.explorer.viewer.series import SLICES, UID
from tests.support.server import Server

pytestmark = pytest.mark.usefixtures("built")


def test_frames_come_over_dicomweb_as_they_are_needed(page: Page, site: Server) -> None:
    requests: list[Request] = []
    page.on("request", lambda one: requests.append(one))
    pane = shown(page, site)
    expect(pane.locator("output")).to_have_text(f"1 / {SLICES}")
    first = bright(pane)
    page.keyboard.press("End")
    expect(pane.locator("output")).to_have_text(f"{SLICES} / {SLICES}")
    page.wait_for_function("document.querySelectorAll('.pane[data-shown]').length === 1")
    drawn(page, lambda: bright(pane) > first > 0)
    frames = [one for one in requests if "/frames/" in one.url]
    numbers = [int(one.url.split("/instances/")[1].split("/")[0].rpartition(".")[2]) for one in frames]
    assert numbers[:5] == [1, 2, 3, 4, 5]
    assert sorted(set(numbers)) == sorted(numbers)  # none twice
    assert "/dicom-web/" in frames[0].url
    answer = frames[0].response()
    assert answer is not None
    assert answer.headers["content-type"] == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    assert not [one.url for one in requests if one.url.endswith("/file")]


def test_compressed_frames_come_as_they_are_stored(page: Page, site: Server) -> None:
    answers: list[str] = []
    page.on(
        "response",
        lambda one: answers.append(one.headers["content-type"]) if "/frames/" in one.url else None,
    )
    assert bright(shown(page, site, f"{UID}.1.2")) > 20
    assert answers == [f"application/octet-stream; transfer-syntax={JPEG2000Lossless}"]


def test_frames_of_one_file_are_fetched_one_by_one(page: Page, site: Server) -> None:
    pane = shown(page, site, f"{UID}.1.3")
    expect(pane.locator("output")).to_have_text("1 / 5")
    red, green, _ = pixels(pane)[300, 600]
    assert (red, green) == (40, 0)
    page.keyboard.press("End")
    expect(pane.locator("output")).to_have_text("5 / 5")
    drawn(page, lambda: pixels(pane)[300, 600][0] == 240)


def test_corners_tell_patient_technique_and_sides(page: Page, site: Server) -> None:
    pane = shown(page, site)
    for text in (
        "Curie, Marie",
        "07/11/1867",
        "Thorax",
        "120 kV, 75 mAs",
        "Slice 2 mm at 0 mm",
        "W 2000 L 0",
    ):
        expect(pane).to_contain_text(text)
    sides = pane.locator(".side-left, .side-right, .side-top, .side-bottom")
    expect(sides).to_have_text(["R", "L", "A", "P"])
    page.keyboard.press("f")
    expect(sides).to_have_text(["L", "R", "A", "P"])
    page.keyboard.press("0")
    page.keyboard.press("r")
    expect(sides).to_have_text(["P", "A", "R", "L"])
    page.keyboard.press("t")
    expect(pane).not_to_contain_text("Curie")
    page.keyboard.press("0")
    page.keyboard.press("t")
    page.keyboard.press("4")
    expect(pane).to_contain_text("W 1500 L -600")
    dark = pixels(pane)[300, 640].mean()
    page.keyboard.press("i")
    drawn(page, lambda: pixels(pane)[300, 640].mean() < dark)
    expect(pane).to_contain_text("Slice 2 mm at 0 mm")
    page.keyboard.press("ArrowDown")
    expect(pane).to_contain_text("at 2 mm")


def test_a_file_names_windows_of_its_own(page: Page, site: Server) -> None:
    pane = shown(page, site)
    windows = page.get_by_label("Windows")
    expect(windows.locator("option")).to_have_text(
        ["Windows", "Abdomen", "Bone", "Brain", "Lung", "Mediastinum", "All", "Dense <b>"]
    )
    windows.select_option("Dense <b>")
    expect(pane).to_contain_text("W 1500 L 300")
    windows.evaluate("select => select.blur()")
    page.keyboard.press("6")
    expect(pane).to_contain_text("W 2000 L 0")
