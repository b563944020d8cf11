"""The list of studies: what its filters count, and the order of its columns."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.explorer.studies import stored
from tests.support.server import Server

pytestmark = pytest.mark.usefixtures("built")


def titles_are(page: Page, names: list[str]) -> None:
    # A mark of the order may follow.
    expect(page.locator(".head .title")).to_have_text([re.compile(rf"^{name}[ ▲▼]*$") for name in names])


def test_filters_tell_how_many_studies_they_would_find(page: Page, site: Server) -> None:
    for number, (name, modality) in enumerate((("Doe", "CT"), ("Doe", "MR"), ("Roe", "MR"))):
        id = stored(site, number, name, Modality=modality)
        if modality == "MR":
            site.client.put(f"/studies/{id}/labels/knee", content=b"").raise_for_status()
    page.goto("/")
    page.get_by_role("button", name="Filter by: Modalities").click()
    menu = page.locator(".menu.modalities")
    expect(menu.get_by_text("MR 2")).to_be_visible()
    expect(menu.get_by_text("CT 1")).to_be_visible()
    page.keyboard.press("Escape")
    page.goto("/ui/app/#/?PatientName=doe")
    expect(page.locator(".grid .line")).to_have_count(2)
    page.get_by_role("button", name="Filter by: Modalities").click()
    expect(menu.get_by_text("MR 1")).to_be_visible()
    menu.get_by_label("MR").check()
    expect(page.locator(".grid .line")).to_have_count(1)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Labels").click()
    expect(page.locator(".menu").get_by_text("knee 1")).to_be_visible()


def test_columns_are_moved_by_drag_and_by_keyboard(page: Page, site: Server) -> None:
    stored(site, 1, "Doe^John")
    page.goto("/")
    expect(page.locator(".grid .line")).to_have_count(1)
    first, second, *rest = (name.strip(" ▲▼") for name in page.locator(".head .title").all_inner_texts())
    titles_are(page, [first, second, *rest])
    page.get_by_role("button", name="Patient ID", exact=True).focus()
    page.keyboard.press("Shift+ArrowLeft")
    titles_are(page, [second, first, *rest])
    expect(page.get_by_role("button", name="Patient ID", exact=True)).to_be_focused()
    page.keyboard.press("Shift+ArrowRight")
    titles_are(page, [first, second, *rest])
    page.get_by_role("button", name="Date", exact=True).drag_to(
        page.get_by_role("button", name=re.compile("^Patient$"))
    )
    expect(page.locator(".head .title").first).to_have_text("Date")
    page.reload()
    expect(page.locator(".head .title").first).to_have_text("Date")


def test_an_old_link_filters_by_what_is_no_column(page: Page, site: Server) -> None:
    stored(site, 1, "Doe^John")
    stored(site, 2, "Roe^Jane")
    page.goto("/ui/app/filtered-studies?StudyInstanceUID=1.2.2")
    expect(page.locator(".grid .line a")).to_have_text("Roe, Jane")


def test_searches_are_saved_and_come_back_by_the_keyboard(page: Page, site: Server) -> None:
    for number, name in enumerate(("Doe^John", "Roe^Jane")):
        stored(site, number, name)
    page.goto("/ui/app/#/?PatientName=doe")
    rows = page.locator(".grid .line")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Searches").press("Enter")
    field = page.get_by_label("Save the search as")
    for _ in range(3):
        page.keyboard.press("Tab")
        if field.evaluate("one => one === document.activeElement"):
            break
    page.keyboard.type("Mine <b>")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Clear the search").press("Enter")
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="Searches").press("Enter")
    page.get_by_role("button", name="Mine <b>").press("Enter")
    expect(rows).to_have_count(1)
    expect(page.get_by_role("button", name="Searches")).to_be_focused()
