"""The list of studies on a phone: cards without sideways scrolling, filters behind a button."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.explorer.studies import stored
from tests.explorer.test_access import AXE, PHONE, serious
from tests.support.server import Server

SMALLEST_TARGET = 24  # pixels (WCAG 2.2, 2.5.8)
TWO_LINES = 90  # pixels, of buttons with their margins
OVERFLOW = "list => list.scrollWidth - list.clientWidth"
BLANKS = """list => {
  const box = list.getBoundingClientRect()
  const heights = [...Array(20).keys()].map((part) => box.top + 1 + (part * (box.height - 2)) / 20)
  return heights.filter((y) => !document.elementFromPoint(box.left + box.width / 2, y)?.closest('.line'))
}"""

pytestmark = pytest.mark.usefixtures("built")


@pytest.fixture(autouse=True)
def phone(page: Page) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]


def box(one: Locator) -> dict[str, float]:
    found = one.bounding_box()
    assert found is not None
    return dict(found)


def test_a_study_is_a_card_of_two_lines(page: Page, site: Server) -> None:
    name = "Wolfeschlegelsteinhausenbergerdorff^Hubert Blaine"
    id = stored(site, 1, name, StudyDescription="Thorax, abdomen and pelvis with contrast, late phase")
    site.client.put(f"/studies/{id}/labels/urgent", content=b"").raise_for_status()
    page.goto("/ui/app/")
    row = page.get_by_role("row").filter(has=page.get_by_role("link"))
    link, date = row.get_by_role("link"), row.get_by_text("31/01/2024")
    second = [
        row.get_by_role("gridcell", name=name)
        for name in (re.compile("^CT"), re.compile("^Thorax"), "p1", "Images 1")
    ]
    first_line, second_line = box(link), box(second[0])
    assert first_line["x"] + first_line["width"] <= box(date)["x"]
    assert abs(first_line["y"] - box(date)["y"]) < 4
    assert second_line["y"] >= first_line["y"] + first_line["height"] - 4
    for left, right in zip(second, [*second[1:], None], strict=True):
        expect(left).to_be_in_viewport(ratio=1)
        assert box(left)["y"] == second_line["y"]
        assert right is None or box(left)["x"] + box(left)["width"] <= box(right)["x"]
    assert box(second[3])["y"] + box(second[3])["height"] <= box(row)["y"] + box(row)["height"]
    for target in (link, row.get_by_role("checkbox")):
        assert min(box(target)["width"], box(target)["height"]) >= SMALLEST_TARGET
    assert page.get_by_role("grid").evaluate(OVERFLOW) == 0
    row.get_by_role("checkbox").check()
    expect(row).to_have_attribute("aria-selected", "true")
    link.click()
    expect(page.locator("h1")).to_contain_text("Wolfe")


def test_a_card_has_the_chosen_columns(page: Page, site: Server) -> None:
    stored(site, 1, "Doe^John", InstitutionName="Ward 7")
    page.add_init_script(
        "localStorage.setItem('orthanclite.columns', '[\"PatientName\", \"InstitutionName\"]')"
    )
    page.goto("/ui/app/")
    row = page.get_by_role("row").filter(has=page.get_by_role("link"))
    expect(row.get_by_role("gridcell")).to_have_text(["", "Doe, John", "Ward 7"])
    institution = row.get_by_text("Ward 7")
    expect(institution).to_be_in_viewport(ratio=1)
    assert box(institution)["y"] > box(row.get_by_role("link"))["y"] + SMALLEST_TARGET / 2


@pytest.mark.parametrize("language", ["en", "fr", "de", "es"])
def test_filters_and_sorting_are_behind_a_button(page: Page, site: Server, language: str) -> None:
    for number, name in enumerate(("Doe^John", "Roe^Jane")):
        stored(site, number, name)
    page.add_init_script(f"localStorage.setItem('orthanclite.language', '\"{language}\"')")
    page.goto("/ui/app/")
    names = page.locator(".grid .line a")
    expect(names).to_have_count(2)
    expect(page.locator("html")).to_have_attribute("lang", language)
    assert box(page.locator(".toolbar"))["height"] <= TWO_LINES
    fields = page.locator(".head input[type=search]")
    expect(fields.first).to_be_hidden()
    opener = page.get_by_role("button", name=re.compile(r"^Filt\w+$"))
    opener.press("Enter")
    expect(opener).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("grid").get_by_role("checkbox").first).to_be_visible()
    for field in fields.all():
        expect(field).to_be_in_viewport(ratio=1)
    assert page.get_by_role("grid").evaluate(OVERFLOW) == 0
    assert page.locator(".head").evaluate(OVERFLOW) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for order in (["Doe, John", "Roe, Jane"], ["Roe, Jane", "Doe, John"]):
        page.locator(".head .title").first.click()
        expect(names).to_have_text(order)
    page.locator(".head [aria-haspopup]").last.click()
    choices = page.locator(".menu.modalities")
    expect(choices.get_by_role("checkbox").first).to_be_in_viewport(ratio=1)
    assert box(choices)["y"] >= 0
    assert box(choices)["y"] + box(choices)["height"] <= PHONE["height"]
    page.keyboard.press("Escape")
    fields.first.fill("roe")
    expect(names).to_have_text(["Roe, Jane"])
    opener.click()
    expect(fields.first).to_be_hidden()
    expect(names).to_have_text(["Roe, Jane"])


def test_a_card_follows_a_language_that_comes_late(page: Page, site: Server) -> None:
    stored(site, 1, "Doe^John")
    held: list[Route] = []
    page.route(re.compile(r"/de-[^/]*\.js$"), lambda route: held.append(route))
    page.add_init_script("localStorage.setItem('orthanclite.language', '\"de\"')")
    page.goto("/ui/app/")
    row = page.get_by_role("row").filter(has=page.get_by_role("link"))
    expect(row.get_by_role("gridcell", name="Images 1")).to_be_visible()
    held[0].continue_()
    expect(row.get_by_role("gridcell", name="Bilder 1")).to_be_visible()
    expect(row.get_by_role("checkbox", name="Auswählen")).to_be_visible()


def test_scrolling_shows_no_blank_rows(page: Page, site: Server) -> None:
    """The server is one that counts a thousand studies."""
    count = 1000

    def found(route: Route) -> None:
        asked = json.loads(route.request.post_data or "{}")
        first = asked.get("Since", count)
        studies = [
            {
                "ID": str(row),
                "Type": "Study",
                "Labels": [],
                "MainDicomTags": {"StudyDate": "20240131"},
                "PatientMainDicomTags": {"PatientName": f"P{row}"},
            }
            for row in range(first, min(first + asked.get("Limit", 0), count))
        ]
        route.fulfill(body=json.dumps(studies))

    page.route("**/tools/count-resources", lambda route: route.fulfill(body=json.dumps({"Count": count})))
    page.route("**/tools/find", found)
    page.goto("/ui/app/")
    names, grid = page.locator(".grid .line a"), page.get_by_role("grid")
    expect(names.first).to_have_text("P0")
    assert grid.evaluate(BLANKS) == []
    grid.focus()
    page.keyboard.press("End")
    expect(names.last).to_have_text("P999")
    expect(page.locator(".line.active a")).to_be_in_viewport(ratio=1)
    assert grid.evaluate(BLANKS) == []
    page.keyboard.press("PageUp")
    expect(page.locator(".line.active a")).to_be_in_viewport(ratio=1)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    grid.evaluate("list => list.scrollTo({ top: list.scrollHeight / 2 })")
    expect(page.locator(".grid .line a", has_text="P500")).to_be_in_viewport()
    assert grid.evaluate(BLANKS) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_cards_are_accessible(page: Page, site: Server, theme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is installed by `npm ci` in explorer/")
    for number, name in enumerate(("Doe^John", "Roe^Jane")):
        stored(site, number, name)
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
    page.goto("/ui/app/")
    page.locator(".grid .line").first.get_by_role("checkbox").check()
    assert serious(page) == []
    page.get_by_role("button", name="Filters").click()
    expect(page.locator(".head input[type=search]").first).to_be_visible()
    assert serious(page) == []
