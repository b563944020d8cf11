"""Volumes, cut in three planes."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.explorer.viewer.looking import drawn, pixels, shown
from tests.explorer.viewer.series import UID
from tests.support.server import Server

pytestmark = pytest.mark.usefixtures("built")


def test_a_volume_is_cut_in_three_planes(page: Page, site: Server) -> None:
    shown(page, site)
    page.get_by_role("button", name="Planes").click()
    planes = page.locator(".planes[data-shown]")
    expect(planes).to_be_visible(timeout=120_000)
    expect(planes.locator("output")).to_have_text(
        ["6 / 12", re.compile("6[45] / 128"), re.compile("6[45] / 128")], timeout=60_000
    )
    coronal = planes.locator("[data-plane=coronal]")
    expect(coronal.locator(".side-top")).to_have_text("H")
    drawn(page, lambda: (pixels(coronal)[:, :, 0] > 150).sum() > 1000)
    page.keyboard.press("ArrowDown")
    expect(planes.locator("output").first).to_have_text(re.compile("^[57] / 12"))
    page.keyboard.press("1")  # the abdomen, in all three
    expect(planes.get_by_text("W 400 L 40")).to_have_count(3)
    page.keyboard.press("n")
    expect(coronal).to_have_class(re.compile("focused"))
    page.keyboard.press("m")
    expect(page.locator(".pane[data-shown]")).to_have_count(1)
    page.goto("about:blank")


def test_what_is_no_volume_is_not_cut(page: Page, site: Server) -> None:
    shown(page, site, f"{UID}.1.3")
    expect(page.get_by_role("button", name="Planes")).to_be_disabled()
