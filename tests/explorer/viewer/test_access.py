"""The viewer for everybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.explorer.viewer.looking import shown, view
from tests.explorer.viewer.series import UID
from tests.support.server import Server

_AXE = Path("explorer/node_modules/axe-core/axe.min.js")

pytestmark = pytest.mark.usefixtures("built")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_viewer_is_accessible(page: Page, site: Server, theme: str) -> None:
    if not _AXE.is_file():
        pytest.skip("axe-core is installed by `npm ci` in explorer/")
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    for uid, what in (
        (f"{UID}.1.1", ".pane[data-shown]"),
        (f"{UID}.1.1", ".planes[data-shown]"),
        (f"{UID}.1.4", ".report h2"),
    ):
        view(page, site, uid)
        if "planes" in what:
            page.get_by_role("button", name="Planes").click()
        page.locator(what).wait_for(timeout=120_000)
        page.evaluate(_AXE.read_text("utf-8"))
        found = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})")
        serious = [
            (one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"])
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], what


def test_a_phone_shows_the_viewer(page: Page, site: Server) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    pane = shown(page, site)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = pane.bounding_box()
    assert box is not None
    assert box["height"] > 400
