"""What the options of Orthanc Explorer 2 change of the web interface."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.explorer.studies import png, stored
from tests.support.cli import command_line
from tests.support.server import Server, orthanclite, running

pytestmark = pytest.mark.usefixtures("built")

_OPTIONS = {
    "AvailableLabels": ["urgent", "teaching"],
    "AvailableLanguages": ["de", "fr"],
    "DefaultLanguage": "fr",
    "DateFormat": "yyyy-MM-dd",
    "EnableAnonymization": False,
    "EnableApiViewMenu": False,
    "EnableDicomModalities": False,
    "EnableDownloadDicomDir": False,
    "EnableUpload": False,
    "Modifications": {"AllowedModes": ["duplicate", "modify-new-uids"], "DefaultMode": "modify-new-uids"},
    "ModalitiesFilter": ["CT", "MR"],
    "PatientNameFormatting": "$2 $1",
    "NewWorklistDefaultTags": {
        "AccessionNumber": "A$TODAY$",
        "ScheduledProcedureStepSequence": [{"Modality": "MR"}],
    },
    "PatientMainTags": ["PatientID"],
    "StudyListColumns": ["PatientName", "modalities", "RequestedProcedureDescription", "StudyDate"],
    "StudyListContentIfNoSearch": "empty",
    "StudyListSearchMode": "search-button",
    "TranslateDicomTags": False,
    "WorklistsColumns": ["PatientID", "Modality"],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("options")
    (folder / "ours.css").write_text("h1 { letter-spacing: 3px }")
    (folder / "logo.png").write_bytes(png(64, 16))
    settings = {
        "Worklists": {"Enable": True, "SaveInOrthancDatabase": True},
        "OrthancExplorer2": {
            "Theme": "dark",
            "CustomTitle": "Archive <3>",
            "CustomCssPath": str(folder / "ours.css"),
            "CustomLogoPath": str(folder / "logo.png"),
            "CustomFavIconPath": str(folder / "logo.png"),
            "UiOptions": _OPTIONS,
        },
    }
    with running(orthanclite(folder, settings)) as started:
        yield started


def test_the_list_is_as_configured(page: Page, site: Server) -> None:
    stored(site, 1, "Doe^John", RequestedProcedureDescription="Survey")
    stored(site, 2, "Roe^Jane")
    page.goto("/")
    expect(page.get_by_text("Cherchez")).to_be_visible()
    expect(page.locator(".grid .line")).to_have_count(0)
    expect(page).to_have_title("Archive <3>")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("nav a").first).to_have_text("Études")
    expect(page.get_by_label("Langue").locator("option")).to_have_text(["Deutsch", "Français"])
    expect(page.get_by_role("link", name="API")).to_have_count(0)
    expect(page.get_by_role("link", name="Envoyer")).to_have_count(0)
    expect(page.locator(".head .title")).to_have_text(
        ["PatientName", "ModalitiesInStudy", "RequestedProcedureDescription", "StudyDate"]
    )
    name = page.get_by_role("searchbox", name=re.compile("PatientName"))
    name.fill("doe")
    page.wait_for_timeout(300)  # nothing happens, however long one waits
    expect(page.locator(".grid .line")).to_have_count(0)
    name.press("Enter")
    expect(page.locator(".grid .line")).to_have_count(1)
    expect(page.locator(".grid .line")).to_contain_text("2024-01-31")
    expect(page.locator(".grid .line")).to_contain_text("Survey")
    page.get_by_role("button", name=re.compile("ModalitiesInStudy")).click()
    expect(page.locator(".menu.modalities label")).to_have_text(["CT 1", "MR 0"])


def test_a_study_is_shown_and_modified_as_configured(page: Page, site: Server) -> None:
    id = stored(site, 1, "Doe^John", PatientSex="M")
    page.goto(f"/ui/app/#/studies/{id}")
    expect(page.locator(".facts .card").first.locator("dt")).to_have_text(["PatientID"])
    expect(page.get_by_role("link", name="DICOMDIR")).to_have_count(0)
    expect(page.get_by_role("button", name="Anonymiser")).to_have_count(0)
    label = page.locator(".labels select")
    expect(label.locator("option")).to_have_text(["urgent", "teaching"])
    label.select_option("teaching")
    page.get_by_role("button", name="Ajouter").click()
    expect(page.locator(".labels .chip")).to_contain_text("teaching")
    page.get_by_role("button", name="Modifier").click()
    mode = page.get_by_role("dialog").get_by_label("Identifiants")
    expect(mode).to_have_value("modify-new-uids")
    expect(mode.locator("option")).to_have_count(2)


def test_style_logo_and_names_are_as_configured(page: Page, site: Server) -> None:
    id = stored(site, 1, "Doe^John", ReferringPhysicianName="Roe")
    page.goto(f"/ui/app/#/studies/{id}")
    expect(page.locator("h1")).to_contain_text("John Doe")
    expect(page.locator("h1")).to_have_css("letter-spacing", "3px")
    expect(page.locator(".brand img")).to_have_js_property("naturalWidth", 64)
    expect(page.locator("link[rel=icon]")).to_have_attribute("href", "custom-icon")
    answer = site.client.get("/ui/app/custom-logo")
    assert answer.headers["content-type"] == "image/png"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"CustomCssPath": "none.css"}, "none.css"),
        ({"CustomCssPath": "/etc/passwd"}, "CustomCssPath"),
        ({"CustomLogoPath": "logo.html"}, "CustomLogoPath"),
        ({"UiOptions": {"PatientNameCapture": "([^"}}, "PatientNameCapture"),
    ],
)
def test_what_the_pages_cannot_show_is_refused_at_the_start(
    tmp_path: Path, given: dict[str, object], told: str
) -> None:
    (tmp_path / "orthanc.json").write_text(json.dumps({"OrthancExplorer2": given}))
    process = command_line("orthanc.json", cwd=tmp_path)
    assert process.returncode != 0
    assert told in process.stderr


def test_a_worklist_begins_as_configured(page: Page, site: Server) -> None:
    site.client.post("/worklists/create", json={"Tags": {"PatientID": "1", "PatientName": "A"}})
    page.goto("/ui/app/#/worklists")
    expect(page.locator("th")).to_contain_text(["PatientID", "Modality"])
    page.get_by_role("button", name="Ajouter").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("AccessionNumber")).to_have_value(re.compile(r"^A\d{8}$"))
    expect(dialog.get_by_label("Modality")).to_have_value("MR")
