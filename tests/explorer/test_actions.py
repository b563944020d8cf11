"""What is done with studies and series on their page: split, merged, attached, modified, added to."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.explorer.studies import png, stored
from tests.support.records import dicom_file
from tests.support.server import Server

pytestmark = pytest.mark.usefixtures("built")


def with_two_series(site: Server) -> str:
    """The study 1.2.1 of the patient p1, with series of one instance each: "one" and "two"."""
    for number, name in ((1, "one"), (2, "two")):
        uids = {"study": "1.2.1", "series": f"1.2.1.{number}", "instance": f"1.2.1.{number}.1"}
        content = dicom_file(
            patient="p1", **uids, SeriesDescription=name, StudyDescription="Head", PatientName="Doe^John"
        )
        answer = site.client.post("/instances", content=content)
    return str(answer.json()["ParentStudy"])


def chosen(page: Page, id: str, action: str) -> Locator:
    """The dialog of an action that the menu of a study has."""
    page.goto(f"/ui/app/#/studies/{id}")
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name=action).click()
    return page.get_by_role("dialog")


def result(page: Page) -> None:
    """Wait for the job, and go where it leads."""
    expect(page.locator(".job-dock [role=status]")).to_have_text("Done", timeout=20_000)
    page.locator(".job-dock").get_by_role("link", name="Show the result").click()
    expect(page.locator(".job-dock")).to_have_count(0)  # it has been shown


def test_a_series_is_split_off(page: Page, site: Server) -> None:
    id = with_two_series(site)
    dialog = chosen(page, id, "Split")
    expect(dialog.get_by_role("button", name="Split")).to_be_disabled()
    dialog.get_by_label("two").check()
    dialog.get_by_label("Description").fill("Knee")
    dialog.get_by_role("button", name="Split").click()
    result(page)
    expect(page.locator("h1")).to_contain_text("Knee")
    expect(page.locator(".series-cards button")).to_have_count(1)
    expect(page.locator(".series-cards button")).to_contain_text("two")
    studies = {one["MainDicomTags"]["StudyDescription"]: one for one in site.get("/studies?expand")}
    assert {name: len(one["Series"]) for name, one in studies.items()} == {"Head": 1, "Knee": 1}


def test_a_study_is_merged_into_another(page: Page, site: Server) -> None:
    id = with_two_series(site)
    other = stored(site, 7, "Roe^Jane", StudyDescription="Foot")
    dialog = chosen(page, id, "Merge")
    dialog.get_by_role("searchbox", name="Other study").fill("foot")
    dialog.get_by_label("Roe, Jane").check()
    dialog.get_by_role("button", name="Merge").click()
    result(page)
    expect(page.locator(".series-cards button")).to_have_count(3)
    assert site.get("/studies") == [id]
    assert other != id


def test_a_study_is_attached_to_another_patient_and_its_page_follows(page: Page, site: Server) -> None:
    id = stored(site, 1, "Doe^John", PatientSex="M")
    stored(site, 2, "Roe^Jane", PatientBirthDate="19700102")
    dialog = chosen(page, id, "Attach")
    dialog.get_by_label("Patient", exact=True).fill("roe")
    dialog.get_by_label("Roe, Jane").check()
    dialog.get_by_role("button", name="Attach").click()
    expect(page.locator("h1")).to_contain_text("Roe, Jane")
    (patient,) = site.get("/patients?expand")
    assert patient["MainDicomTags"]["PatientID"] == "p2"
    for one in site.get("/studies?expand"):
        tags = one["PatientMainDicomTags"]
        assert (tags["PatientName"], tags["PatientBirthDate"]) == ("Roe^Jane", "19700102")
        assert tags.get("PatientSex", "") == ""


def test_whoever_looks_at_what_an_action_removes_is_led_on(page: Page, site: Server) -> None:
    id = with_two_series(site)
    dialog = chosen(page, id, "Split")
    for name in ("CT one", "CT two"):
        dialog.get_by_label(name).check()
    dialog.get_by_label("Description").fill("Knee")
    dialog.get_by_role("button", name="Split").click()
    expect(page.locator("h1")).to_contain_text("Knee")
    page.get_by_role("button", name="Modify").click()
    dialog.get_by_label("Description").fill("Foot")
    dialog.get_by_label("Identifiers and original").select_option("modify-new-uids")
    dialog.get_by_role("button", name="Modify").click()
    expect(page.locator("h1")).to_contain_text("Foot")
    page.locator(".series-cards button", has_text="two").click()
    panel = page.locator("section", has=page.locator(".instances"))
    panel.get_by_role("button", name="Modify").click()
    dialog.get_by_label("Series description").fill("three")
    dialog.get_by_label("Identifiers and original").select_option("modify-new-uids")
    dialog.get_by_role("button", name="Modify").click()
    expect(panel.locator("h2").first).to_have_text("CT three")
    expect(page.locator(".series-cards button")).to_have_count(2)
    page.locator("header").get_by_role("button", name="Delete").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Nothing is stored yet")).to_be_visible()


def test_a_series_is_modified_and_the_old_link_of_the_result_leads_to_it(page: Page, site: Server) -> None:
    id = with_two_series(site)
    page.goto(f"/ui/app/#/studies/{id}")
    page.locator(".series-cards button", has_text="two").click()
    panel = page.locator("section", has=page.locator(".instances"))
    panel.get_by_role("button", name="Modify").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Series description").fill("three")
    expect(dialog.get_by_label("Identifiers and original")).to_have_value("duplicate")
    dialog.get_by_role("button", name="Modify").click()
    result(page)
    expect(panel.locator("h2").first).to_have_text("CT three")
    (made,) = (
        one for one in site.get("/series?expand") if one["MainDicomTags"]["SeriesDescription"] == "three"
    )
    assert len(site.get("/series")) == 3
    for address in (f"/app/explorer.html#series?uuid={made['ID']}", f"/ui/app/#/series/{made['ID']}"):
        page.goto("about:blank")
        page.goto(address)
        expect(panel.locator("h2").first).to_have_text("CT three")
    page.goto("about:blank")
    page.goto(f"/app/explorer.html#instance?uuid={made['Instances'][0]}")
    expect(panel.locator("h2").first).to_have_text("CT three")
    page.goto("about:blank")
    page.goto(f"/app/explorer.html#patient?uuid={made['ParentStudy'] and site.get('/patients')[0]}")
    expect(page.locator(".grid .line a")).to_have_text("Doe, John")


def test_documents_and_pictures_are_added(page: Page, site: Server, tmp_path: Path) -> None:
    id = stored(site, 1, "Doe^John")
    (tmp_path / "letter.pdf").write_bytes(b"%PDF-1.4\n%%EOF\n")
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(png(16, 16))
    dialog = chosen(page, id, "Add a PDF")
    dialog.get_by_label("Files").set_input_files([tmp_path / "letter.pdf", tmp_path / "0.png"])
    expect(dialog.get_by_role("alert")).to_contain_text("Choose one PDF")
    dialog.get_by_label("Files").set_input_files(tmp_path / "letter.pdf")
    expect(dialog.get_by_label("Modality")).to_have_value("DOC")
    dialog.get_by_label("Series description").fill("Letter")
    dialog.get_by_role("button", name="Add").click()
    expect(page.locator(".series-cards button")).to_have_count(2)
    expect(page.locator("h2", has_text="DOC Letter")).to_be_visible()
    dialog = chosen(page, id, "Add a PDF")
    dialog.get_by_label("Files").set_input_files([tmp_path / "0.png", tmp_path / "1.png"])
    dialog.get_by_label("As a new study").check()
    dialog.get_by_label("Description", exact=True).fill("Photos")
    dialog.get_by_role("button", name="Add").click()
    expect(page.locator("h1")).to_contain_text("Photos")
    made = next(
        one for one in site.get("/studies?expand") if one["MainDicomTags"]["StudyDescription"] == "Photos"
    )
    assert made["ParentPatient"] == site.get(f"/studies/{id}")["ParentPatient"]
    assert len(site.get(f"/studies/{made['ID']}/instances")) == 2


def test_a_patient_is_protected(page: Page, site: Server) -> None:
    id = stored(site, 1, "Doe^John")
    page.goto(f"/ui/app/#/studies/{id}")
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Protect the patient").click()
    expect(page.get_by_text("Protected", exact=True)).to_be_visible()
    assert site.client.get(f"/patients/{site.get('/patients')[0]}/protected").text == "1"
