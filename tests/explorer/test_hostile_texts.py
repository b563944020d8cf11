"""Hostile texts in every field show as texts, on every screen, and break no layout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, expect
from pydicom import dcmread
from pydicom.config import disable_value_validation

from tests.explorer.studies import study
from tests.support.server import Server

pytestmark = pytest.mark.usefixtures("built")

MARKUP = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script><b>bold</b>"
TEXTS = {
    "markup": MARKUP,
    "template": "{{ constructor.constructor('document.title=1')() }} ${7*7} &lt;i&gt;%n%s",
    "long": "W" * 10_000,
    "right to left": "\u202eabc \u05d0\u05d1\u05d2 \u0645\u0631\u064a\u0636",
    "null": "be\0fore",
    "emoji": "🏥👩‍⚕️🇧🇪" * 40,
    "stacked": "Z" + "\u0351\u036b\u0343" * 200,
}
SIZES = ({"width": 390, "height": 800}, {"width": 1280, "height": 800})
FOREIGN = "main script, main b, main i, main img[src=x], [role=dialog] b, [role=alertdialog] b, .notices b"


def filled(site: Server) -> dict[str, str]:
    """Put the texts wherever the server takes them; the Orthanc identifiers of the studies, by text."""
    ids = {}
    for number, (name, text) in enumerate(TEXTS.items()):
        with disable_value_validation():
            file = study(
                number,
                text,
                StudyDescription=text,
                SeriesDescription=text,
                InstitutionName=text,
                AccessionNumber=text,
                ReferringPhysicianName=text,
                PatientComments=text,
                SpecificCharacterSet="ISO_IR 192",
            )
        ids[name] = str(site.upload(file)["ParentStudy"])
        site.client.put(f"/studies/{ids[name]}/metadata/1024", content=text.encode())
        site.client.put(f"/studies/{ids[name]}/labels/{'L' * 60}{number}", content=b"").raise_for_status()
        tags = {"PatientName": text, "PatientID": text, "SpecificCharacterSet": "ISO_IR 192"}
        site.client.post("/worklists/create", json={"Tags": tags})  # some of them are refused
        remote = {"AET": text[:16], "Host": text[:200], "Port": 1, "Manufacturer": "Generic", "Timeout": 1}
        site.client.put(f"/modalities/m{number}", json=remote)
        site.client.put(f"/peers/p{number}", json={"Url": f"http://127.0.0.1:1/{text[:500]}"})
    site.client.put("/modalities/self", json={"AET": "ORTHANC", "Host": "127.0.0.1", "Port": site.dicom_port})
    job = {"Resources": [ids["markup"]], "Asynchronous": True, "UserData": MARKUP}
    site.client.post("/modalities/m0/store", json=job | {"LocalAet": "A"}).raise_for_status()
    site.client.post("/tools/create-archive", json=job | {"Filename": MARKUP}).raise_for_status()
    return ids


def sound(page: Page, what: str) -> None:
    """The page has none of the texts as markup, and does not scroll sideways."""
    assert page.locator(FOREIGN).count() == 0, what
    assert "broken" not in page.title(), what
    for size in SIZES:
        page.set_viewport_size(size)  # type: ignore[arg-type]
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], (what, size)


@pytest.fixture
def hostile(site: Server) -> Iterator[dict[str, str]]:
    yield filled(site)
    for name in site.get("/modalities"):
        site.client.request("DELETE", f"/modalities/{name}").raise_for_status()
    for name in site.get("/peers"):
        site.client.request("DELETE", f"/peers/{name}").raise_for_status()
    for entry in site.get("/worklists"):
        site.client.request("DELETE", f"/worklists/{entry['ID']}").raise_for_status()


def test_hostile_texts_show_as_texts(
    page: Page, site: Server, hostile: dict[str, str], complaints: list[str], tmp_path: Path
) -> None:
    page.goto("/ui/app/")
    expect(page.locator(".grid .line a")).to_have_count(len(TEXTS))
    expect(page.locator(".grid .line", has_text=MARKUP)).to_have_count(1)
    sound(page, "list")
    page.locator(".grid .choose input").first.check()
    page.locator(".grid .line").first.click()
    sound(page, "selection and preview")

    for name, id in hostile.items():
        page.goto("about:blank")  # nothing of the study before is there
        page.goto(f"/ui/app/#/studies/{id}")
        expect(page.locator("h1")).not_to_be_empty()
        page.locator(".series-cards button").click()
        page.get_by_text("Metadata", exact=True).click()
        expect(page.locator(".elements").first).to_contain_text("InstitutionName")
        if name in ("markup", "template", "emoji"):
            expect(page.locator("main")).to_contain_text(TEXTS[name])
        sound(page, f"study, {name}")
    page.goto(f"/ui/app/#/studies/{hostile['markup']}")
    for button in ("Modify", "Send", "Delete"):
        page.get_by_role("button", name=button, exact=True).first.click()
        expect(page.get_by_role("dialog").or_(page.get_by_role("alertdialog"))).to_be_visible()
        sound(page, button)
        page.keyboard.press("Escape")

    page.goto("/ui/app/#/worklists")
    expect(page.locator("tbody tr", has_text=MARKUP)).to_have_count(1)
    sound(page, "worklists")
    page.goto("/ui/app/#/network")
    expect(page.locator("section", has_text="DICOM modalities").locator("tbody tr")).not_to_have_count(0)
    sound(page, "network")
    page.goto("/ui/app/#/jobs")
    expect(page.locator(".jobs li")).not_to_have_count(0)
    for details in page.locator(".jobs summary").all():
        details.click()
    expect(page.locator(".jobs")).to_contain_text("onerror")
    sound(page, "jobs")
    page.goto("/ui/app/#/query")
    page.get_by_label("Ask").select_option("self")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr")).not_to_have_count(0)
    sound(page, "query")

    names = [f"{MARKUP}.dcm".replace("/", "\u2215"), "W" * 250, "\u202egnp.dcm", "🏥.dcm"]
    page.goto("/ui/app/#/upload")
    page.locator("input[type=file]").first.set_input_files(
        [FilePayload(name=name, mimeType="", buffer=b"no DICOM") for name in names]
    )
    expect(page.locator("tbody tr")).to_have_count(len(names))
    expect(page.locator("tbody")).to_contain_text("onerror")
    sound(page, "upload")
    page.get_by_role("navigation").get_by_role("link", name="Studies").click()
    expect(page.locator(".upload-dock")).to_be_visible()
    sound(page, "upload dock")
    complaints[:] = [one for one in complaints if "status of 4" not in one]


def test_hostile_texts_are_texts_in_every_dialog(page: Page, site: Server, hostile: dict[str, str]) -> None:
    """Of any study, of other servers and of worklists; names of fields and of what may be chosen, too."""
    dialog = page.get_by_role("dialog")

    def look(what: str) -> None:
        expect(dialog).to_be_visible()
        sound(page, what)
        page.set_viewport_size({"width": 1280, "height": 800})
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)

    with disable_value_validation():
        second = study(0, MARKUP, SeriesDescription=MARKUP, SpecificCharacterSet="ISO_IR 192")
        dataset = dcmread(BytesIO(second))
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = "1.2.0.2", "1.2.0.2.1"
        dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.0.2.1"
        with BytesIO() as file:
            dataset.save_as(file)
            site.upload(file.getvalue())
    page.goto(f"/ui/app/#/studies/{hostile['markup']}")
    for name in ("Split", "Merge", "Attach to patient", "Add a PDF or pictures"):
        page.get_by_role("button", name="More").click()
        page.get_by_role("menuitem", name=name).click()
        if name in ("Merge", "Attach to patient"):
            dialog.get_by_role("searchbox").fill("*")
            expect(dialog.get_by_role("radio")).not_to_have_count(0)
            expect(dialog).to_contain_text("constructor.constructor")
        if name == "Split":
            expect(dialog.get_by_role("checkbox", name="onerror")).to_have_count(2)
        look(name)
    page.get_by_role("button", name="Modify").first.click()
    dialog.get_by_label("Description", exact=True).fill(f"{MARKUP}!")
    dialog.get_by_role("button", name="Show what would change").click()
    expect(dialog.get_by_role("row", name="StudyDescription")).to_contain_text("onerror")
    look("dry run")
    page.locator(".series-cards button").first.click()
    panel = page.locator("section", has=page.locator(".instances"))
    panel.get_by_role("button", name="Modify").click()
    look("series")

    page.goto("/ui/app/#/network")
    section = page.locator("section", has_text="DICOM modalities")
    for row in section.get_by_role("row").filter(has=page.get_by_role("button")).all():
        row.get_by_role("button", name="Edit").click()
        look("modality")
    page.goto("/ui/app/#/worklists")
    expect(page.locator("tbody tr", has_text=MARKUP)).to_have_count(1)
    for row in page.locator("tbody tr").all():
        row.get_by_role("button", name="Edit").click()
        look("worklist")


def test_what_a_server_answers_is_text_too(page: Page, site: Server, complaints: list[str]) -> None:
    """Errors, lone surrogates and numbers where texts belong, as a foreign server may send them."""
    page.goto("/ui/app/")
    expect(page.get_by_text("Nothing is stored yet")).to_be_visible()
    lone = '{"Details": "\\ud800 <b>half</b> ' + "W" * 3000 + '"}'
    page.route("**/tools/find", lambda route: route.fulfill(status=500, body=lone))
    page.get_by_role("searchbox", name="Filter by: Patient", exact=True).fill("x")
    expect(page.locator(".list .problem")).to_contain_text("<b>half</b>")
    sound(page, "error of the list")
    page.unroute("**/tools/find")
    one = {
        "ID": "x", "Type": "Study", "Labels": [MARKUP, "\u202e"], "MainDicomTags": {"StudyDescription": 7},
        "PatientMainDicomTags": {"PatientName": "\ud800^\udfff", "PatientID": MARKUP},
    }  # fmt: skip
    page.route("**/tools/find", lambda route: route.fulfill(body=json.dumps([one])))
    page.route("**/tools/count-resources", lambda route: route.fulfill(body='{"Count": 1}'))
    page.reload()
    expect(page.locator(".grid .line")).to_contain_text(MARKUP)
    sound(page, "list of a foreign server")
    complaints[:] = [text for text in complaints if "status of 5" not in text]
