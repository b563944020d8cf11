"""Keys, measurements and uptake."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.explorer.viewer.looking import hold, measured, probed, shown
from tests.explorer.viewer.series import HOUR_LEFT, UID
from tests.support.server import Server

pytestmark = pytest.mark.usefixtures("built")


def test_keys_measure_and_change_the_window(page: Page, site: Server) -> None:
    pane = shown(page, site)
    page.keyboard.press("Shift+ArrowRight")
    expect(pane).not_to_contain_text("W 2000")
    probed(page, "500 HU")
    found = measured(page)
    page.keyboard.press("l")
    for _ in range(4):  # what is measured already would be moved
        page.keyboard.press("Shift+ArrowDown")
    hold(page, 2)
    for _ in range(5):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    expect(found).to_contain_text(re.compile(r"Length.*\d+(\.\d+)? mm", re.DOTALL))
    page.keyboard.press("Delete")
    expect(found).not_to_contain_text("Length")
    found.get_by_role("button", name="Remove: Probe 1").click()
    expect(found).to_have_count(0)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Crosshairs")


@pytest.mark.parametrize(("tool", "told"), [("o", "500 HU"), ("b", "Ø 500 HU"), ("e", "Ø 500 HU")])
def test_every_slice_is_measured(page: Page, site: Server, tool: str, told: str) -> None:
    pane = shown(page, site)
    page.keyboard.press("ArrowDown")
    expect(pane).to_contain_text("at 2 mm")
    page.keyboard.press(tool)
    hold(page)
    for key in ("Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(measured(page)).to_contain_text(told)


def test_uptake_is_told_with_the_dose_that_is_left(page: Page, site: Server) -> None:
    shown(page, site, f"{UID}.1.7")
    page.keyboard.press("Shift+ArrowRight")
    probed(page, f"15240 BQML (SUV {15_240 * 70_000 / HOUR_LEFT:.2f})")


def test_the_window_of_a_pet_is_that_of_the_file_and_moves_by_its_values(page: Page, site: Server) -> None:
    pane = shown(page, site, f"{UID}.1.7")
    expect(pane).to_contain_text("W 20000 L 10000")
    page.keyboard.press("Shift+ArrowRight")
    expect(pane).to_contain_text(re.compile(r"W 20[1-9]\d\d L 10000"))
    page.keyboard.press("0")
    expect(pane).to_contain_text("W 20000 L 10000")
