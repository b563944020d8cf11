"""Buttons that open a study, a series or an instance elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.explorer.studies import stored
from tests.support.server import Server, orthanclite, running

pytestmark = pytest.mark.usefixtures("built")

_OPTIONS = {
    "EnableOpenInOhifViewer3": True,
    "EnableOpenInOhifViewer": True,
    "OhifViewerPublicRoot": "https://two.example.com",
    "EnableOpenInMedDreamViewer": True,
    "MedDreamViewerPublicRoot": "https://dream.example.com/",
    "EnableOpenInWeasisViewer": True,
    "EnableOpenInSlicer": True,
    "ViewersOrdering": ["weasis", "ohif"],
    "CustomButtons": {
        "study": [
            {
                "Tooltip": "Ask the ward",
                "Url": "https://ward.example.com/?id={PatientID}&uid={StudyInstanceUID}",
            },
            {"Tooltip": "Facts", "Url": "/studies/{UUID}/statistics", "Target": "_self"},
            {"Tooltip": "Call <it> done", "HttpMethod": "PUT", "Url": "/studies/{UUID}/labels/done"},
            {"Tooltip": "Break", "HttpMethod": "POST", "Url": "studies/{UUID}/nothing"},
        ],
        "series": [{"Tooltip": "Radiant", "Url": "radiant://?n=p&v={PatientID}&s={SeriesInstanceUID}"}],
        "instance": [{"Tooltip": "Raw", "Url": "instances/{UUID}/file?of={StudyInstanceUID}"}],
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"OrthancExplorer2": {"UiOptions": _OPTIONS}}
    with running(orthanclite(tmp_path_factory.mktemp("openers"), settings)) as started:
        yield started


def test_each_viewer_has_its_link(page: Page, site: Server) -> None:
    id = stored(site, 1, "Doe^John")
    page.goto(f"/ui/app/#/studies/{id}")
    links = page.get_by_role("link", name="Open in")
    expect(links).to_have_text(
        [f"Open in {name}" for name in ("Weasis", "OHIF", "OHIF 2", "3D Slicer", "MedDream")]
    )
    weasis, ohif, ohif_2, slicer, meddream = (
        links.nth(place).evaluate("link => link.href") for place in range(5)
    )
    assert unquote(weasis) == f'weasis://$dicom:rs --url "{site.url}/dicom-web" -r "studyUID=1.2.1"'
    assert ohif == f"{site.url}/ohif/viewer?StudyInstanceUIDs=1.2.1"
    assert ohif_2 == "https://two.example.com/viewer/1.2.1"
    assert slicer.startswith("slicer://viewer/?")
    assert parse_qs(urlsplit(slicer).query) == {
        "studyUID": ["1.2.1"],
        "dicomweb_endpoint": [f"{site.url}/dicom-web"],
    }
    assert meddream == "https://dream.example.com/?study=1.2.1"
    assert links.first.get_attribute("rel") == "noopener"


def test_buttons_of_ones_own(page: Page, site: Server, complaints: list[str]) -> None:
    id = stored(site, 1, "Doe^John", PatientID="4/7&x")
    (instance,) = site.get("/instances")
    page.goto(f"/ui/app/#/studies/{id}")
    ward = page.get_by_role("link", name="Ask the ward")
    expect(ward).to_have_attribute("href", "https://ward.example.com/?id=4%2F7%26x&uid=1.2.1")
    expect(ward).to_have_attribute("target", "_blank")
    expect(page.get_by_role("link", name="Facts")).to_have_attribute("target", "_self")

    page.get_by_role("button", name="Call <it> done").click()
    expect(page.locator(".notice.done")).to_contain_text("Call <it> done: done")
    expect(page.locator(".labels .chip")).to_contain_text("done")
    page.get_by_role("button", name="Break").click()
    expect(page.locator(".notice.error")).to_be_visible()
    assert len(complaints) == 1
    assert "404" in complaints.pop()

    page.locator(".series-cards button").click()
    expect(page.get_by_role("link", name="Radiant")).to_have_attribute(
        "href", "radiant://?n=p&v=4%2F7%26x&s=1.2.1.1"
    )
    expect(page.get_by_role("link", name="Raw")).to_have_attribute(
        "href", f"{site.url}/instances/{instance}/file?of=1.2.1"
    )
    page.get_by_role("link", name="Facts").click()
    page.wait_for_url(f"**/studies/{id}/statistics")
    assert json.loads(page.locator("body").inner_text())["CountInstances"] == 1


def test_an_address_that_runs_a_script_ends_the_start(tmp_path: Path) -> None:
    button = {"Tooltip": "X", "Url": "javascript:alert(1)"}
    settings = {"OrthancExplorer2": {"UiOptions": {"CustomButtons": {"study": [button]}}}}
    with (
        pytest.raises(RuntimeError, match=r'CustomButtons.* may not begin with "javascript:"'),
        running(orthanclite(tmp_path, settings)),
    ):
        pass
