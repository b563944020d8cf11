"""Screens of other servers: modalities, peers, DICOMweb servers, what is sent and fetched; and worklists."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.explorer.studies import stored, study
from tests.support.server import Server, orthanclite, running

pytestmark = pytest.mark.usefixtures("built")


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Another server, with two studies."""
    settings = {"DicomAet": "REMOTE", "DicomAlwaysAllowFind": True}
    with running(orthanclite(tmp_path_factory.mktemp("remote"), settings)) as started:
        for number, name in ((1, "Doe^John"), (2, "Doe^Jane")):
            started.client.post("/instances", content=study(number, name)).raise_for_status()
        yield started


def become(page: Page, what: Callable[[], object], wanted: object) -> None:
    """Wait until the server tells what is wanted."""
    for _ in range(100):
        if what() == wanted:
            return
        page.wait_for_timeout(100)
    assert what() == wanted


def count(page: Page) -> Callable[[], object]:
    # The browser asks: the connection of the client may be closed for its idleness at any moment.
    return lambda: page.request.get("/statistics").json()["CountStudies"]


def test_modalities_are_added_tested_and_removed(page: Page, site: Server, complaints: list[str]) -> None:
    page.goto("/ui/app/#/network")
    section = page.locator("section", has_text="DICOM modalities")
    section.get_by_role("button", name="Add").click()
    dialog = page.get_by_role("dialog")
    for label, value in (("Name", "self"), ("AET", "ORTHANC"), ("Host", "127.0.0.1"), ("Port", "1")):
        dialog.get_by_label(label, exact=True).fill(value)
    dialog.get_by_role("button", name="Save").click()
    row = section.get_by_role("row", name=re.compile("self"))
    expect(row).to_contain_text("127.0.0.1")
    row.get_by_role("button", name="Test").click()
    expect(row.get_by_role("status")).to_have_class("bad", timeout=20_000)
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(section.get_by_role("row", name=re.compile("self"))).to_have_count(0)
    assert site.get("/modalities") == []
    complaints.clear()


def test_who_has_nowhere_to_send_to_is_led_to_where_it_is_added(page: Page, site: Server) -> None:
    page.goto("/ui/app/#/query")
    expect(page.locator("main").get_by_role("link", name="Network")).to_be_visible()
    page.goto(f"/ui/app/#/studies/{stored(site, 9, 'Roe^Jane')}")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("dialog").get_by_role("link", name="Network").click()
    expect(page.get_by_role("heading", name="DICOM modalities")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_what_no_field_shows_of_a_modality_outlives_an_edit(page: Page, site: Server) -> None:
    given = {"AET": "OTHER", "Host": "h", "Port": 104, "AllowEcho": False, "LocalAet": "ME", "Timeout": 7}
    site.client.put("/modalities/other", json=given).raise_for_status()
    page.goto("/ui/app/#/network")
    page.get_by_role("row", name=re.compile("OTHER")).get_by_role("button", name="Edit").click()
    page.get_by_role("dialog").get_by_label("Host").fill("h2")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name=re.compile("OTHER"))).to_contain_text("h2")
    known = site.get("/modalities?expand")["other"]
    assert {key: known[key] for key in given} == {**given, "Host": "h2"}
    site.client.request("DELETE", "/modalities/other").raise_for_status()


def test_dicomweb_servers_are_added_tested_edited_and_removed(
    page: Page, site: Server, remote: Server, complaints: list[str]
) -> None:
    page.goto("/ui/app/#/network")
    section = page.locator("section", has_text="DICOMweb servers")
    section.get_by_role("button", name="Add").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("web")
    dialog.get_by_label("Address").fill(f"{remote.url}/nowhere/")
    dialog.get_by_label("Deletes when asked").check()
    dialog.get_by_role("button", name="Save").click()
    row = section.get_by_role("row", name=re.compile("web"))
    row.get_by_role("button", name="Test").click()
    expect(row.get_by_role("status")).to_have_class("bad")
    row.get_by_role("button", name="Edit").click()
    expect(dialog.get_by_label("Deletes when asked")).to_be_checked()
    dialog.get_by_label("Address").fill(f"{remote.url}/dicom-web/")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("/dicom-web/")
    row.get_by_role("button", name="Test").click()
    expect(row.get_by_role("status")).to_have_text("Answers")
    assert site.get("/dicom-web/servers?expand")["web"]["HasDelete"] == "1"
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    assert site.get("/dicom-web/servers") == []
    complaints.clear()


def know(site: Server, remote: Server, way: str) -> str:
    """Make the remote server known as "there"; its path in the API."""
    if way == "DICOMweb":
        path = "/dicom-web/servers/there"
        site.client.put(path, json={"Url": f"{remote.url}/dicom-web/"}).raise_for_status()
        return path
    for one, name, other, aet in ((remote, "here", site, "ORTHANC"), (site, "there", remote, "REMOTE")):
        described = {"AET": aet, "Host": "127.0.0.1", "Port": other.dicom_port}
        one.client.put(f"/modalities/{name}", json=described).raise_for_status()
    return "/modalities/there"


@pytest.mark.parametrize("way", ["DICOM", "DICOMweb"])
def test_a_link_from_elsewhere_fetches_a_study_and_shows_it(
    page: Page, site: Server, remote: Server, way: str
) -> None:
    path = know(site, remote, way)
    page.goto("/ui/app/retrieve-and-view.html?StudyInstanceUID=1.2.1&modality=there&viewer=stone-viewer")
    expect(page).to_have_url(re.compile("#/view/"))
    expect(page.locator(".viewer .top-left")).to_contain_text("Doe, John")
    for link, told in (
        ("StudyInstanceUID=1.2.777&modality=there", "there does not have the study"),
        ("StudyInstanceUID=1.2.2&modality=<b>", "no server that is known"),
        ("StudyInstanceUID=1.2.*&modality=there", "names no study"),
        ("modality=there", "names no study"),
    ):
        page.goto("about:blank")
        page.goto(f"/ui/app/retrieve-and-view.html?{link}")
        expect(page.locator("main").get_by_role("alert")).to_contain_text(told)
    assert site.get("/statistics")["CountStudies"] == 1
    site.client.request("DELETE", path).raise_for_status()


@pytest.mark.parametrize("way", ["DICOM", "DICOMweb"])
def test_a_server_is_asked_and_its_studies_are_fetched(
    page: Page, site: Server, remote: Server, way: str
) -> None:
    path = know(site, remote, way)
    stored(site, 2, "Doe^Jane")
    page.goto("/ui/app/#/query")
    expect(page.get_by_label("Ask")).to_contain_text("there" if way == "DICOM" else "there (DICOMweb)")
    page.get_by_label("Patient", exact=True).fill("doe")
    page.get_by_label("Date", exact=True).fill("2024-01-31")
    page.get_by_label("Modalities").fill("ct")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("row", name=re.compile("Doe, Jane"))).to_contain_text("already here")
    row = page.get_by_role("row", name=re.compile("Doe, John"))
    expect(row).to_contain_text("Head")
    expect(row).not_to_contain_text("already here")
    row.get_by_role("button", name="Retrieve").click()
    expect(page.locator(".job-dock [role=status]")).to_have_text("Done", timeout=20_000)
    become(page, count(page), 2)
    page.get_by_role("button", name="Search").click()
    expect(row).to_contain_text("already here")
    site.client.request("DELETE", path).raise_for_status()


def test_a_study_is_sent_to_a_dicomweb_server(page: Page, site: Server, remote: Server) -> None:
    site.client.put("/dicom-web/servers/there", json={"Url": f"{remote.url}/dicom-web/"}).raise_for_status()
    id = stored(site, 9, "Roe^Jane")
    page.goto(f"/ui/app/#/studies/{id}")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("dialog").get_by_role("combobox").select_option("there (DICOMweb servers)")
    page.get_by_role("dialog").get_by_role("button", name="Send").click()
    expect(page.locator(".job-dock [role=status]")).to_have_text("Done", timeout=20_000)
    assert remote.get(f"/studies/{id}")["PatientMainDicomTags"]["PatientName"] == "Roe^Jane"
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".job-dock")).to_have_count(0)
    site.client.request("DELETE", "/dicom-web/servers/there").raise_for_status()
    remote.client.request("DELETE", f"/studies/{id}").raise_for_status()


def test_worklists_are_made_edited_and_removed(page: Page, site: Server) -> None:
    page.goto("/ui/app/#/worklists")
    expect(page.get_by_text("The worklist is empty.")).to_be_visible()
    page.get_by_role("button", name="Add").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Patient", exact=True).fill("Doe^John")
    dialog.get_by_label("Patient ID").fill("4711")
    dialog.get_by_label("Modality").fill("CT")
    dialog.get_by_label("Scheduled", exact=True).fill("2026-12-24")
    dialog.get_by_role("button", name="Save").click()
    row = page.get_by_role("row", name=re.compile("4711"))
    expect(row).to_contain_text("24/12/2026")
    row.get_by_role("button", name="Edit").click()
    expect(dialog.get_by_label("Scheduled", exact=True)).to_have_value("2026-12-24")
    dialog.get_by_label("Modality").fill("MR")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("MR")
    (entry,) = site.get("/worklists?format=Simplify")
    (step,) = entry["Tags"]["ScheduledProcedureStepSequence"]
    assert (step["Modality"], step["ScheduledProcedureStepStartDate"]) == ("MR", "20261224")
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The worklist is empty.")).to_be_visible()


def test_what_no_field_shows_of_a_worklist_outlives_an_edit(page: Page, site: Server) -> None:
    step = {"Modality": "CT", "ScheduledProcedureStepStartTime": "103015", "ScheduledStationName": "CT 1"}
    tags = {"PatientName": "Doe", "PatientID": "1", "StudyInstanceUID": "1.2.3", "StudyDescription": "Head"}
    sequence = {"ScheduledProcedureStepSequence": [step]}
    site.client.post("/worklists/create", json={"Tags": {**tags, **sequence}}).raise_for_status()
    page.goto("/ui/app/#/worklists")
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("dialog").get_by_label("Patient", exact=True).fill("Roe")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name=re.compile("Roe"))).to_be_visible()
    (entry,) = site.get("/worklists?format=Simplify")
    assert {key: entry["Tags"][key] for key in tags} == {**tags, "PatientName": "Roe"}
    kept = entry["Tags"]["ScheduledProcedureStepSequence"][0]
    assert {key: kept[key] for key in step} == step
    site.client.request("DELETE", f"/worklists/{entry['ID']}").raise_for_status()
