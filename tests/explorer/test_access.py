"""The web interface for everybody: by the keyboard alone, by a screen reader, on a phone, in both themes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.explorer.studies import stored, study
from tests.support.records import dicom_file
from tests.support.server import Server

AXE = Path("explorer/node_modules/axe-core/axe.min.js")
AXE_RUN = """async () => {
  const found = await axe.run(document, {
    resultTypes: ['violations'],
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
  })
  return found.violations.filter((one) => ['serious', 'critical'].includes(one.impact))
    .map((one) => [one.id, one.nodes[0].html, one.nodes[0].failureSummary])
}"""
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 800}
FOCUS = """(element) => {
  const shown = element.closest('label.button') ?? element
  const style = getComputedStyle(shown)
  const box = shown.getBoundingClientRect()
  return {
    isMarked: element.id === 'main' || style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1,
    isInView: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    what: shown.outerHTML.slice(0, 200),
  }
}"""

pytestmark = pytest.mark.usefixtures("built")


def serious(page: Page) -> list[Any]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    found: list[Any] = page.evaluate(AXE_RUN)
    return found


def faults(page: Page, what: str) -> list[Any]:
    """Serious findings of axe-core in any theme and size, and whether the page scrolls sideways."""
    found: list[Any] = []
    for size in (PHONE, DESK):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        for theme in ("dark", "light"):
            page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
            found += [(what, size, theme, one) for one in serious(page)]
        if page.evaluate("document.documentElement.scrollWidth") > size["width"]:
            found.append((what, size, "scrolls sideways"))
    return found


def test_screens_are_accessible_in_both_themes_at_both_sizes(
    page: Page, site: Server, complaints: list[str]
) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is installed by `npm ci` in explorer/")
    id = stored(site, 1, "Doe^John", SeriesDescription="Axial")
    site.client.put(f"/studies/{id}/labels/urgent", content=b"").raise_for_status()
    itself = {"AET": "ORTHANC", "Host": "127.0.0.1", "Port": site.dicom_port}
    site.client.put("/modalities/self", json=itself).raise_for_status()
    site.client.put("/dicom-web/servers/web", json={"Url": "http://127.0.0.1:1/"}).raise_for_status()
    archive = {"Resources": [id], "Asynchronous": True}
    site.client.post("/tools/create-archive", json=archive).raise_for_status()
    tags = {"PatientName": "Doe^John", "PatientID": "4711"}
    entry = site.client.post("/worklists/create", json={"Tags": tags}).json()["ID"]
    page.emulate_media(reduced_motion="reduce")
    page.goto("/ui/app/")
    expect(page.locator(".grid .line a")).to_have_count(1)
    page.locator(".grid .line").click()
    expect(page.locator(".preview h2")).to_be_visible()
    page.locator(".grid .choose input").last.check()
    found = faults(page, "list")
    openers = page.locator("[aria-haspopup]:visible")
    expect(openers.nth(4)).to_be_visible()  # saved filters, columns, view, labels, modalities, dates
    for opener in openers.all():
        opener.click()
        expect(opener).to_have_attribute("aria-expanded", "true")
        found += faults(page, opener.inner_text())
        page.keyboard.press("Escape")
        expect(opener).to_have_attribute("aria-expanded", "false")
    for where, there in {
        "jobs": ".jobs li",
        "network": "tbody tr",
        "worklists": "tbody tr",
        "query": ".query select",
        "upload": "input[type=file]",
        "system": ".graphs li",
        f"studies/{id}": ".series-cards button",
        "nowhere": "h1",
    }.items():
        page.evaluate("where => (location.hash = '#/' + where)", where)
        expect(page.locator(there).first).to_be_attached()
        if where == "query":
            page.get_by_label("Ask").select_option("self")
            page.get_by_role("button", name="Search").click()
            expect(page.locator("tbody tr")).to_have_count(1)
        if where == "upload":
            file = FilePayload(name="no.dcm", mimeType="", buffer=b"no DICOM")
            page.locator("input[type=file]").first.set_input_files([file])
            expect(page.locator("tbody tr")).to_have_count(1)
        found += faults(page, where)
    complaints[:] = [one for one in complaints if "status of 400" not in one]  # the upload is no DICOM file
    site.client.request("DELETE", "/modalities/self").raise_for_status()
    site.client.request("DELETE", "/dicom-web/servers/web").raise_for_status()
    site.client.request("DELETE", f"/worklists/{entry}").raise_for_status()
    assert found == []


def test_dialogs_are_accessible_in_both_themes_at_both_sizes(page: Page, site: Server) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is installed by `npm ci` in explorer/")
    id = stored(site, 1, "Doe^John", SeriesDescription="Axial")
    stored(site, 2, "Doe^John")
    second = dicom_file("p1", "1.2.1", "1.2.1.2", "1.2.1.2.1", PatientName="Doe^John", Modality="CT")
    site.client.post("/instances", content=second).raise_for_status()
    page.emulate_media(reduced_motion="reduce")
    found: list[Any] = []

    def look(what: str) -> None:
        expect(page.get_by_role("dialog").or_(page.get_by_role("alertdialog"))).to_be_visible()
        found.extend(faults(page, what))
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)

    page.goto(f"/ui/app/#/studies/{id}")
    for button in ("Anonymize", "Modify", "Send", "Delete"):
        page.get_by_role("button", name=button, exact=True).first.click()
        if button == "Anonymize":
            page.get_by_role("button", name="Show what would change").click()
            expect(page.get_by_role("row", name="PatientName")).to_be_visible()
        if button == "Modify":
            page.get_by_role("dialog").get_by_role("button", name="Add").click()
        look(button)
    more = page.get_by_role("button", name="More")
    for item in ("Split", "Merge", "Attach to patient", "Add a PDF or pictures"):
        more.click()
        page.get_by_role("menuitem", name=item).click()
        look(item)
    more.click()
    expect(page.get_by_role("menu")).to_be_visible()
    found += faults(page, "More")
    page.keyboard.press("Escape")
    page.locator(".series-cards button").first.click()
    panel = page.locator("section", has=page.locator(".instances"))
    for button in ("Modify", "Send"):
        panel.get_by_role("button", name=button).click()
        look(f"series, {button}")
    found += faults(page, "series")
    page.goto("/ui/app/#/network")
    for section in ("DICOM modalities", "peers", "DICOMweb servers"):
        page.locator("section", has_text=section).get_by_role("button", name="Add").click()
        look(section)
    page.goto("/ui/app/#/worklists")
    expect(page.locator("section", has_text="DICOM modalities")).to_have_count(0)
    page.get_by_role("button", name="Add").click()
    look("worklist")
    assert found == []


def test_a_phone_has_room_for_the_page(page: Page, site: Server) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto("/ui/app/#/system")
    expect(page.get_by_role("navigation").get_by_role("link", name="System")).to_be_in_viewport(ratio=1)
    header = page.locator("header.top").bounding_box()
    assert header is not None
    assert header["height"] <= 50
    opener = page.get_by_role("button", name="Options")
    expect(page.get_by_label("Language")).to_be_hidden()
    opener.click()
    expect(opener).to_have_attribute("aria-expanded", "true")
    page.get_by_label("Theme").select_option("dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("navigation").get_by_role("link", name="Network").click()
    expect(page.get_by_label("Language")).to_be_hidden()


def reach(page: Page, target: Locator, key: str = "Tab") -> None:
    """Press Tab until a control has the focus; wherever the focus is on the way, it is seen."""
    for _ in range(80):
        page.keyboard.press(key)
        focus = page.locator(":focus")
        if focus.count() == 0:  # the end of the page, where the browser's own controls follow
            continue
        seen = focus.evaluate(FOCUS)
        assert seen["isMarked"], seen
        assert seen["isInView"], seen
        if target.count() == 1 and target.evaluate("one => one === document.activeElement"):
            return
    pytest.fail(f"{target} is not reached by {key}")


def go(page: Page, name: str) -> None:
    """Open one of the main pages from anywhere."""
    reach(page, page.get_by_role("navigation").get_by_role("link", name=name), "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(name)


def test_a_day_by_the_keyboard_alone(page: Page, site: Server, tmp_path: Path) -> None:
    """Find a study, open and label it, anonymise it after a dry run, send it, upload, look at the rest."""
    for number, name in enumerate(("Doe^John", "Roe^Jane")):
        stored(site, number, name)
    site.client.put(
        "/modalities/self", json={"AET": "ORTHANC", "Host": "127.0.0.1", "Port": site.dicom_port}
    ).raise_for_status()
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    page.on("filechooser", lambda chooser: None)  # the browser tells of them from now on
    page.goto("/ui/app/")
    expect(page.locator(".grid .line")).to_have_count(2)

    page.keyboard.press("/")
    page.keyboard.type("roe")
    page.keyboard.press("Enter")
    expect(page.locator(".grid .line a")).to_have_text(["Roe, Jane"])
    reach(page, page.get_by_role("grid"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Roe, Jane")

    reach(page, page.get_by_label("New label"))
    page.keyboard.type("urgent")
    page.keyboard.press("Enter")
    expect(page.locator(".labels .chip")).to_contain_text("urgent")

    reach(page, page.get_by_role("button", name="Anonymize", exact=True), "Shift+Tab")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    reach(page, dialog.get_by_label("Patient", exact=True))
    page.keyboard.type("Nobody")
    reach(page, dialog.get_by_role("button", name="Show what would change"))
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("row", name=re.compile("PatientName"))).to_contain_text("Nobody")
    reach(page, dialog.get_by_role("button", name="Anonymize", exact=True))
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="Anonymize", exact=True)).to_be_focused()

    reach(page, page.get_by_role("button", name="Send", exact=True), "Shift+Tab")
    page.keyboard.press("Enter")
    reach(page, dialog.get_by_role("combobox"))
    page.keyboard.type("self")
    reach(page, dialog.get_by_role("button", name="Send", exact=True))
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)

    file = tmp_path / "new.dcm"
    file.write_bytes(study(7, "Poe^Edgar"))
    go(page, "Upload")
    reach(page, page.get_by_label("Choose files"))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(file)
    expect(page.locator(".upload-report [role=status]")).to_contain_text("1 new")

    go(page, "Jobs")
    expect(page.locator(".jobs li").nth(1)).to_contain_text("Done", timeout=20_000)
    expect(page.locator(".jobs li").nth(0)).to_contain_text("Done", timeout=20_000)
    reach(page, page.locator(".jobs summary").first)
    page.keyboard.press("Enter")
    expect(page.locator(".jobs pre").first).to_be_visible()
    go(page, "System")
    reach(page, page.get_by_label("Log level"))
    go(page, "Studies")
    expect(page.locator(".grid .line a", has_text="Nobody")).to_have_count(1)
    site.client.request("DELETE", "/modalities/self").raise_for_status()
