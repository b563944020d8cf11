"""The screens of the web interface: the main path of each, and its main failure."""

from __future__ import annotations

import base64
import io
import json
import re
import time
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.explorer.studies import png, stored, study
from tests.support.server import Server

pytestmark = pytest.mark.usefixtures("built")


def test_the_list_shows_filters_and_sorts(page: Page, site: Server) -> None:
    for number, name in enumerate(("Doe^John", "Roe^Jane", "Doe^Ann")):
        stored(site, number, name, StudyDate=f"2024010{number + 1}")
    page.goto("/")
    expect(page.locator(".brand")).to_have_text("Ward <7>")
    expect(page.locator(".toolbar [role=status]")).to_have_text("3 studies")
    page.get_by_role("searchbox", name="Filter by: Patient", exact=True).fill("doe")
    expect(page.locator(".toolbar [role=status]")).to_have_text("2 studies")
    expect(page).to_have_url(re.compile("PatientName=doe"))
    page.get_by_role("button", name="Date", exact=True).click()
    expect(page.locator(".grid .line a").first).to_have_text("Doe, John")
    page.get_by_role("button", name=re.compile("^Date")).first.click()
    expect(page.locator(".grid .line a").first).to_have_text("Doe, Ann")
    for former in ("sort=StudyDate", "PatientName=doe$", "#/$"):
        page.go_back()
        expect(page).to_have_url(re.compile(former))
    expect(page.locator(".toolbar [role=status]")).to_have_text("3 studies")


def test_the_search_box_understands_words(page: Page, site: Server) -> None:
    stored(site, 1, "Doe^John", AccessionNumber="4711")
    stored(site, 2, "Roe^Jane", AccessionNumber="4712")
    page.goto("/")
    expect(page.locator(".grid .line")).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("4711 2024-01-31")
    page.keyboard.press("Enter")
    expect(page.locator(".toolbar .chips")).to_contain_text("Accession: 4711")
    expect(page.locator(".toolbar .chips")).to_contain_text("Date: 2024-01-31")
    expect(page.locator(".grid .line a")).to_have_text(["Doe, John"])


def test_hundreds_of_rows_are_scrolled_without_blanks(page: Page, site: Server) -> None:
    with io.BytesIO() as packed:
        with zipfile.ZipFile(packed, "w") as archive:
            for number in range(600):
                archive.writestr(f"{number}.dcm", study(number, f"P{number:05}"))
        site.client.post("/instances", content=packed.getvalue(), timeout=60).raise_for_status()
    page.goto("/#/?sort=PatientName".replace("/#", "/ui/app/#"))
    expect(page.locator(".toolbar [role=status]")).to_have_text("600 studies")
    page.locator(".grid").focus()
    page.keyboard.press("End")
    expect(page.locator(".grid .line a").last).to_have_text("P00599")
    page.keyboard.press("Home")
    expect(page.locator(".grid .line a").first).to_have_text("P00000")
    assert page.locator(".grid .line").count() < 80


def test_every_row_of_a_million_is_reached(page: Page, site: Server) -> None:
    """More pixels than browsers draw; the server is one that counts a million studies."""
    million = 1_000_000

    def found(route: Route) -> None:
        asked = json.loads(route.request.post_data or "{}")
        first = asked.get("Since", million)  # a preview asks for series, of which there are none
        rows = range(first, min(first + asked.get("Limit", 0), million))
        studies = [
            {
                "ID": str(row),
                "Type": "Study",
                "Labels": [],
                "MainDicomTags": {},
                "PatientMainDicomTags": {"PatientName": f"P{row}"},
            }
            for row in rows
        ]
        route.fulfill(body=json.dumps(studies))

    page.route("**/tools/count-resources", lambda route: route.fulfill(body=json.dumps({"Count": million})))
    page.route("**/tools/find", found)
    page.goto("/ui/app/")
    names = page.locator(".grid .line a")
    expect(names.first).to_have_text("P0")
    page.get_by_role("grid").focus()
    page.keyboard.press("End")
    expect(names.last).to_have_text("P999999")
    expect(names.last).to_be_in_viewport()
    page.keyboard.press("ArrowUp")
    expect(page.locator(".line.active")).to_contain_text("P999998")
    expect(page.locator(".line.active a")).to_be_in_viewport(ratio=1)
    for part in (0.5, 0.123):
        middle = page.evaluate(
            """part => {
              const grid = document.querySelector('.grid')
              grid.scrollTop = (grid.scrollHeight - grid.clientHeight) * part
              return part * 1_000_000
            }""",
            part,
        )
        near = page.locator(".grid .line a", has_text=re.compile(f"^P{str(round(middle))[:3]}"))
        expect(near.first).to_be_attached()
        expect(page.locator(".grid .waiting")).to_have_count(0)
    page.keyboard.press("Home")
    expect(names.first).to_have_text("P0")
    expect(names.first).to_be_in_viewport()


def test_the_list_follows_what_arrives(page: Page, site: Server) -> None:
    with page.expect_response("**/changes?last"):  # from now on it knows what is new
        page.goto("/")
    expect(page.get_by_text("Nothing is stored yet")).to_be_visible()
    stored(site, 1, "Doe^John")
    expect(page.locator(".grid .line a")).to_have_text("Doe, John", timeout=20_000)


def test_the_keyboard_alone_opens_selects_and_deletes(page: Page, site: Server) -> None:
    for number, name in enumerate(("A", "B", "C")):
        stored(site, number, name)
    page.goto("/ui/app/#/?sort=PatientName")
    expect(page.locator(".grid .line")).to_have_count(3)
    grid = page.get_by_role("grid")
    for _ in range(60):
        page.keyboard.press("Tab")
        if grid.evaluate("one => one === document.activeElement"):
            break
    expect(grid).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    expect(page.locator(".selection strong")).to_have_text("one selected")
    page.keyboard.press("Delete")
    expect(page.get_by_role("alertdialog")).to_contain_text("B · Head")
    page.keyboard.press("Escape")
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    assert site.get("/statistics")["CountStudies"] == 3
    grid.focus()
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Delete").last.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".grid .line a")).to_have_text(["A", "C"])
    grid.focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("A")


def test_the_study_has_its_series_tags_labels_and_archive(page: Page, site: Server) -> None:
    id = stored(site, 1, "Doe^John")
    page.goto(f"/ui/app/#/studies/{id}")
    expect(page.locator("h1")).to_contain_text("Doe, John")
    page.locator(".series-cards button").click()
    expect(page.locator(".elements").first).to_contain_text("StudyInstanceUID")
    page.get_by_label("Search in the tags").fill("patientname")
    expect(page.locator(".elements > li")).to_have_count(1)
    page.get_by_label("New label").fill("urgent")
    page.get_by_label("New label").press("Enter")
    expect(page.locator(".labels .chip")).to_contain_text("urgent")
    assert site.get(f"/studies/{id}/labels") == ["urgent"]
    page.get_by_role("button", name="Remove the label urgent").click()
    expect(page.locator(".labels .chip")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("link", name="ZIP").first.click()
    assert zipfile.is_zipfile(download.value.path())


def test_a_study_that_is_gone_is_told(page: Page, site: Server, complaints: list[str]) -> None:
    page.goto("/ui/app/#/studies/00000000-00000000-00000000-00000000-00000000")
    expect(page.get_by_role("alert")).to_contain_text("not on the server")
    page.wait_for_load_state("networkidle")
    assert all("404" in one for one in complaints)
    complaints.clear()


def test_files_are_uploaded_and_refusals_reported(
    page: Page, site: Server, tmp_path: Path, complaints: list[str]
) -> None:
    files = []
    for number in range(30):
        files.append(tmp_path / f"{number}.dcm")
        files[-1].write_bytes(study(number, "Doe^John"))
    files.append(tmp_path / "notes<b>.txt")
    files[-1].write_bytes(b"no DICOM file")
    page.goto("/ui/app/#/upload")
    page.locator("input[type=file]").first.set_input_files(files)
    report = page.locator(".upload-report [role=status]")
    expect(report).to_contain_text("31 of 31")
    expect(report).to_contain_text("30 new")
    expect(report).to_contain_text("1 refused")
    expect(page.locator("table")).to_contain_text("notes<b>.txt")
    assert site.get("/statistics")["CountInstances"] == 30
    page.get_by_role("navigation").get_by_role("link", name="Studies").click()
    expect(page.locator(".upload-dock [role=status]")).to_contain_text("1 refused")
    page.get_by_role("navigation").get_by_role("link", name="Upload").click()
    page.locator("input[type=file]").first.set_input_files(files[:2])
    expect(report).to_contain_text("2 there already")
    assert all("400" in one for one in complaints)
    complaints.clear()


def test_an_upload_that_went_well_is_told_once(page: Page, site: Server, tmp_path: Path) -> None:
    (tmp_path / "one.dcm").write_bytes(study(1, "Doe^John"))
    page.goto("/ui/app/#/upload")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "one.dcm")
    page.get_by_role("link", name="Doe, John · Head").click()
    expect(page.locator("h1")).to_contain_text("Doe, John")
    expect(page.locator(".upload-dock")).to_have_count(0)


def test_dropped_files_are_uploaded_and_named(page: Page, site: Server) -> None:
    """Dropped anywhere; a file that does not come from a disk has no entry of a file system."""
    page.goto("/ui/app/")
    expect(page.get_by_text("Nothing is stored yet")).to_be_visible()
    content = base64.b64encode(study(1, "Doe^John")).decode()
    page.evaluate(
        """(content) => {
          const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0))
          const dataTransfer = new DataTransfer()
          dataTransfer.items.add(new File([bytes], 'one.dcm'))
          for (const type of ['dragover', 'drop'])
            window.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }))
        }""",
        content,
    )
    expect(page.locator(".upload-dock [role=status]")).to_contain_text("1 new")
    expect(page.locator(".grid .line a")).to_have_text(["Doe, John"])
    page.locator(".upload-dock a").click()
    page.get_by_role("link", name="Doe, John · Head").click()
    expect(page.locator("h1")).to_contain_text("Doe, John")


def test_an_upload_survives_a_lost_connection(
    page: Page, site: Server, tmp_path: Path, complaints: list[str]
) -> None:
    file = tmp_path / "one.dcm"
    file.write_bytes(study(1, "Doe^John"))
    page.goto("/ui/app/#/upload")
    expect(page.locator("input[type=file]").first).to_be_attached()  # the files of the page are there
    page.context.set_offline(True)
    page.locator("input[type=file]").first.set_input_files([file])
    expect(page.get_by_text("The server does not answer")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator(".upload-report [role=status]")).to_contain_text("1 new", timeout=20_000)
    assert site.get("/statistics")["CountInstances"] == 1
    complaints.clear()


def test_jobs_are_live_and_their_archive_is_downloaded(page: Page, site: Server) -> None:
    id = stored(site, 1, "Doe^John")
    page.goto("/ui/app/#/jobs")
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    site.client.post(
        "/tools/create-archive", json={"Resources": [id], "Asynchronous": True}
    ).raise_for_status()
    expect(page.locator(".jobs li").first).to_contain_text("Done")
    expect(page.locator(".jobs li strong")).to_have_text("ZIP archive")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").first.click()
    assert zipfile.is_zipfile(download.value.path())


def test_a_study_is_anonymised_from_its_page(page: Page, site: Server) -> None:
    id = stored(site, 1, "Doe^John")
    page.goto(f"/ui/app/#/studies/{id}")
    page.get_by_role("button", name="Anonymize").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Patient", exact=True).fill("Nobody")
    dialog.get_by_role("button", name="Anonymize").click()
    expect(dialog).to_have_count(0)
    deadline = time.monotonic() + 20
    # The browser asks: the connection of the client may be closed for its idleness at any moment by now.
    while page.request.get("/statistics").json()["CountStudies"] < 2 and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    names = {one["PatientMainDicomTags"]["PatientName"] for one in site.get("/studies?expand")}
    assert names == {"Doe^John", "Nobody"}


def test_the_server_shows_itself(page: Page, site: Server) -> None:
    stored(site, 1, "Doe^John")
    page.goto("/ui/app/#/system")
    expect(page.locator(".counts")).to_contain_text("Studies1")
    expect(page.locator(".graphs")).to_contain_text("count_instances")
    page.get_by_label("Log level").select_option("verbose")
    expect(page.get_by_text("The log level is set.").first).to_be_visible()
    assert site.client.get("/tools/log-level").text == "verbose"
    site.client.put("/tools/log-level", content="default").raise_for_status()


def test_a_server_that_is_away_is_told(page: Page, site: Server, complaints: list[str]) -> None:
    page.goto("/")
    expect(page.get_by_text("Nothing is stored yet")).to_be_visible()
    page.context.set_offline(True)
    page.get_by_role("searchbox", name="Filter by: Patient", exact=True).fill("doe")
    expect(page.get_by_role("alert").first).to_contain_text("cannot be reached", timeout=20_000)
    again = page.get_by_role("button", name="Try again").first
    again.click()
    expect(again).to_be_visible()
    page.context.set_offline(False)  # found by the page itself
    expect(page.get_by_text("No study matches.")).to_be_visible()
    expect(again).to_have_count(0)
    complaints.clear()


def test_pictures_are_viewed(page: Page, site: Server) -> None:
    pixels = base64.b64encode(png(64, 64)).decode()
    tags = {"PatientName": "<b>Doe</b>", "Modality": "OT", "SpecificCharacterSet": "ISO_IR 192"}
    slices = [{"Content": f"data:image/png;base64,{pixels}"} for _ in range(3)]
    site.client.post("/tools/create-dicom", json={"Tags": tags, "Content": slices}).raise_for_status()
    page.goto(f"/ui/app/#/view/{site.get('/studies')[0]}")
    position = page.locator(".pane output")
    expect(position).to_have_text("1 / 3")
    expect(page.locator(".top-left")).to_contain_text("<b>Doe</b>")
    page.keyboard.press("ArrowDown")
    expect(position).to_have_text("2 / 3")
    page.keyboard.press("End")
    expect(position).to_have_text("3 / 3")
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Length")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Next picture")
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    expect(page.locator(".pane")).to_have_count(2)


@pytest.mark.parametrize(("language", "word"), [("de", "Studien"), ("fr", "Études"), ("es", "Estudios")])
def test_other_languages(page: Page, site: Server, language: str, word: str) -> None:
    page.goto("/")
    page.get_by_label("Language").select_option(language)
    expect(page.locator("nav a").first).to_have_text(word)
    expect(page.locator("html")).to_have_attribute("lang", language)
    page.reload()
    expect(page.locator("nav a").first).to_have_text(word)


def test_a_dry_run_shows_what_would_change(page: Page, site: Server) -> None:
    id = stored(site, 1, "Doe^John")
    page.goto(f"/ui/app/#/studies/{id}")
    page.get_by_role("button", name="Anonymize").click()
    page.get_by_role("button", name="Show what would change").click()
    change = page.get_by_role("row", name=re.compile("PatientName"))
    expect(change).to_contain_text("Doe^John")
    assert site.get("/statistics")["CountStudies"] == 1
