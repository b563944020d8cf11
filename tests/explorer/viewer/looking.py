"""What tests do with the viewer, and how they look at it."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.explorer.viewer.series import UID
from tests.support.server import Server


def series(server: Server, uid: str) -> str:
    found = server.client.post("/tools/lookup", content=uid).json()
    return next(str(one["ID"]) for one in found if one["Type"] == "Series")


def shown(page: Page, server: Server, uid: str = f"{UID}.1.1") -> Locator:
    """The pane, once it shows the first picture of a series."""
    parent = series(server, uid)
    study = server.get(f"/series/{parent}")["ParentStudy"]
    page.goto(f"/ui/app/#/view/{study}/{parent}")
    pane = page.locator(".pane[data-shown]").first
    expect(pane).to_be_visible(timeout=60_000)
    return pane


def pixels(locator: Locator) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(locator.screenshot())).convert("RGB"))


def view(page: Page, server: Server, uid: str) -> None:
    """The viewer with a series that has no pictures."""
    parent = series(server, uid)
    page.goto(f"{server.url}/ui/app/#/view/{server.get(f'/series/{parent}')['ParentStudy']}/{parent}")


def drawn(page: Page, look: Callable[[], bool]) -> None:
    """Wait until what is drawn looks so: no element tells when a picture is on the screen."""
    for _ in range(100):
        if look():
            return
        page.wait_for_timeout(300)
    raise AssertionError("It is not drawn")


def measured(page: Page) -> Locator:
    return page.get_by_role("region", name="Measurements")


def hold(page: Page, count: int = 1) -> None:
    """Press the button of the keyboard's pointer, and wait until there are so many measurements.

    Cornerstone waits for a double click before it begins one.
    """
    page.keyboard.press("Enter")
    expect(measured(page).locator("li")).to_have_count(count)


def probed(page: Page, value: str) -> None:
    """Measure the middle of the picture, by keys; the value is what the measurement tells."""
    page.keyboard.press("o")
    hold(page)
    page.keyboard.press("Enter")
    expect(measured(page)).to_contain_text(value)


def bright(pane: Locator) -> int:
    """Bright pixels in the line through the middle."""
    picture = pixels(pane)
    return int((picture[picture.shape[0] // 2, :, 0] > 150).sum())
