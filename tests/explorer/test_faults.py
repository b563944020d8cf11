"""What the web interface tells when something goes wrong; nothing of the user's work is lost by it."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, Page, Route, expect

from tests.explorer.studies import stored, study
from tests.support.server import Server, orthanclite, running

pytestmark = pytest.mark.usefixtures("built")

REFUSAL = re.compile("Failed to load resource|net::ERR|status of 4|EventSource")
"""What the browser itself writes about requests that failed, as they do here on purpose."""


@pytest.fixture
def expected(complaints: list[str]) -> Iterator[None]:
    """Requests may fail; anything else that the page complains about still fails the test."""
    yield
    complaints[:] = [one for one in complaints if not REFUSAL.search(one)]


class SlowServer:
    """Keeps requests to a path, until it is told to let them go and to be quick from then on."""

    def __init__(self, page: Page, path: str) -> None:
        self.kept: list[Route] = []
        self.is_slow = True
        self._page = page
        page.route(path, self._take)

    def _take(self, route: Route) -> None:
        if self.is_slow:
            self.kept.append(route)
        else:
            route.continue_()

    def wait(self) -> None:
        """Wait until a request is kept."""
        for _ in range(200):
            if self.kept:
                return
            self._page.wait_for_timeout(50)
        raise AssertionError("Nothing is asked for")

    def let_go(self) -> None:
        """Let all go, and wait until the page has drawn what their answers change."""
        self.is_slow = False
        while self.kept:
            route = self.kept.pop()
            route.continue_()
            route.request.response()
        self._page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))")


def type_into_the_filter(page: Page, text: str) -> None:
    page.get_by_role("searchbox", name="Filter by: Patient", exact=True).fill(text)


def count_is(page: Page, text: str) -> None:
    expect(page.locator(".toolbar [role=status]")).to_have_text(text)


def test_a_server_that_goes_and_comes_back(page: Page, site: Server, expected: None) -> None:
    id = stored(site, 1, "Doe^John")
    page.goto(f"/ui/app/#/studies/{id}")
    expect(page.locator("h1")).to_contain_text("Doe, John")
    page.get_by_label("New label").fill("urgent")
    site.stop()
    page.get_by_label("New label").press("Enter")
    banner = page.locator(".away")
    expect(banner).to_contain_text("cannot be reached")
    expect(page.get_by_label("New label")).to_have_value("urgent")
    page.get_by_role("button", name="Anonymize").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Patient", exact=True).fill("Nobody")
    dialog.get_by_role("button", name="Anonymize").click()
    expect(dialog.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(dialog.get_by_label("Patient", exact=True)).to_have_value("Nobody")
    site.start()
    expect(banner).to_have_count(0, timeout=20_000)
    dialog.get_by_role("button", name="Anonymize").click()
    expect(dialog).to_have_count(0)
    page.get_by_label("New label").press("Enter")
    expect(page.locator(".labels .chip")).to_contain_text("urgent")


def test_every_page_opens_and_fills_itself_after_the_server_was_away(
    page: Page, site: Server, expected: None
) -> None:
    stored(site, 1, "Doe^John")
    page.goto("/")
    count_is(page, "one study")
    page.wait_for_load_state("networkidle")
    page.route("**/*", lambda route: route.abort("connectionrefused"))
    for name, heading in (
        ("Worklists", "Worklists"),
        ("Jobs", "Jobs"),
        ("Network", "Network"),
        ("System", "System"),
    ):
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        expect(page.locator(".away")).to_be_visible()
    page.unroute("**/*")
    page.locator(".away button").click()
    expect(page.locator(".away")).to_have_count(0)
    expect(page.locator(".counts")).to_contain_text("Studies1")
    expect(page.locator("main [role=alert]")).to_have_count(0)


def test_a_slow_server_is_waited_for_and_old_answers_change_nothing(page: Page, site: Server) -> None:
    for number, name in enumerate(("Doe^John", "Roe^Jane", "Doe^Ann")):
        stored(site, number, name)
    server = SlowServer(page, "**/tools/find")
    page.goto("/ui/app/#/?sort=PatientName")
    expect(page.get_by_text("Loading…")).to_be_visible()
    server.let_go()
    rows = page.locator(".grid .line a")
    expect(rows).to_have_text(["Doe, Ann", "Doe, John", "Roe, Jane"])
    server.is_slow = True
    type_into_the_filter(page, "john")
    expect(page.get_by_role("grid")).to_have_attribute("aria-busy", "true")
    server.wait()
    count_is(page, "3 studies")  # what stands is what was found before, whole
    expect(rows).to_have_count(3)
    server.is_slow = False
    type_into_the_filter(page, "jane")
    expect(rows).to_have_text(["Roe, Jane"])
    count_is(page, "one study")
    server.let_go()
    expect(rows).to_have_text(["Roe, Jane"])


def test_a_filter_that_the_server_refuses_is_told(page: Page, site: Server, expected: None) -> None:
    stored(site, 1, "Doe^John")
    page.goto("/")
    count_is(page, "one study")
    answer = {"Details": "No such <b>tag</b>", "Message": "Bad request"}
    page.route("**/tools/find", lambda route: route.fulfill(status=400, body=json.dumps(answer)))
    type_into_the_filter(page, "doe")
    expect(page.locator(".list .problem")).to_contain_text("No such <b>tag</b>")
    page.unroute("**/tools/find")
    page.locator(".list .problem").get_by_role("button", name="Try again").click()
    expect(page.locator(".list .problem")).to_have_count(0)
    count_is(page, "one study")


def test_a_study_that_was_deleted_meanwhile(page: Page, site: Server, expected: None) -> None:
    id = stored(site, 1, "Doe^John")
    page.goto(f"/ui/app/#/studies/{id}")
    expect(page.locator("h1")).to_contain_text("Doe, John")
    site.client.request("DELETE", f"/studies/{id}").raise_for_status()
    page.get_by_label("New label").fill("late")
    page.get_by_label("New label").press("Enter")
    expect(page.locator(".notice.error")).to_be_visible()
    expect(page.get_by_label("New label")).to_have_value("late")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("not on the server")
    page.get_by_role("link", name="To the studies").click()
    expect(page.get_by_text("Nothing is stored yet")).to_be_visible()
    page.goto(f"/ui/app/#/view/{id}")
    expect(page.get_by_role("alert").first).to_be_visible()


def test_refused_files_are_told_by_name_and_tried_again(
    page: Page, site: Server, tmp_path: Path, expected: None
) -> None:
    with io.BytesIO() as packed:
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("good.dcm", study(1, "Doe^John"))
        content = packed.getvalue()
    (tmp_path / "cut.zip").write_bytes(content[:-40])
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "good.dcm").write_bytes(study(2, "Roe^Jane"))
    page.goto("/ui/app/#/upload")
    page.locator("input[type=file]").first.set_input_files(sorted(tmp_path.iterdir()))
    report = page.locator(".upload-report [role=status]")
    expect(report).to_contain_text("3 of 3")
    expect(report).to_contain_text("2 refused")
    for name in ("cut.zip", "empty.dcm"):
        reason = page.get_by_role("row", name=name).get_by_role("cell").nth(1)
        assert len(reason.inner_text()) > 10
    page.get_by_role("button", name="Try again").click()
    expect(report).to_contain_text("3 of 3")
    expect(report).to_contain_text("2 refused")
    assert site.get("/statistics")["CountInstances"] == 1


def test_a_failed_job_tells_why(page: Page, site: Server) -> None:
    id = stored(site, 1, "Doe^John")
    remote = {"AET": "NOBODY", "Host": "127.0.0.1", "Port": 1, "Timeout": 2}
    site.client.put("/modalities/closed", json=remote).raise_for_status()
    page.goto(f"/ui/app/#/studies/{id}")
    page.get_by_role("button", name="Send").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox").select_option(label="closed (DICOM modalities)")
    dialog.get_by_role("button", name="Send").click()
    expect(dialog).to_have_count(0)
    page.get_by_role("navigation").get_by_role("link", name="Jobs").click()
    job = page.locator(".jobs li").first
    expect(job).to_contain_text("Failed", timeout=20_000)
    expect(job.locator("p.bad")).to_contain_text("Connection refused")
    expect(job.get_by_role("button", name="Start again")).to_be_visible()
    site.client.request("DELETE", "/modalities/closed").raise_for_status()


def test_what_a_user_may_not_do_is_told_and_changes_nothing(page: Page, site: Server, expected: None) -> None:
    """As behind a proxy that lets a user look, and nothing else."""
    id = stored(site, 1, "Doe^John")

    def guard(route: Route) -> None:
        if route.request.method == "GET" or "/tools/" in route.request.url:
            route.continue_()
        else:
            route.fulfill(status=403, body="Forbidden")

    page.route("**/*", guard)
    page.goto(f"/ui/app/#/studies/{id}")
    expect(page.locator("h1")).to_contain_text("Doe, John")
    page.get_by_label("New label").fill("mine")
    page.get_by_label("New label").press("Enter")
    expect(page.locator(".notice.error")).to_contain_text("You may not do this")
    expect(page.get_by_label("New label")).to_have_value("mine")
    page.get_by_role("button", name="Anonymize").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Anonymize").click()
    expect(dialog.get_by_role("alert")).to_contain_text("You may not do this")
    dialog.get_by_role("button", name="Cancel").click()
    page.get_by_role("navigation").get_by_role("link", name="Upload").click()
    file = FilePayload(name="one.dcm", mimeType="", buffer=study(2, "Roe^Jane"))
    page.locator("input[type=file]").first.set_input_files([file])
    expect(page.get_by_role("row", name="one.dcm")).to_contain_text("You may not do this")
    assert site.get(f"/studies/{id}/labels") == []
    assert site.get("/statistics")["CountStudies"] == 1


def offered(page: Page) -> set[str]:
    """The names of all buttons and links of the page that change something."""
    controls = "button, a.button, nav a, input[type=file], [role=menuitem]"
    names: list[str] = page.locator(controls).all_inner_texts()
    changing = {"Upload", "Modify", "Anonymize", "Delete", "Protect the patient", "Read files again", "Add"}
    changing |= {"Split", "Merge", "Attach to patient", "Add a PDF or pictures", "Edit"}
    return {name.strip() for name in names} & changing


def test_nothing_that_changes_the_server_is_offered_where_it_is_read_only(
    browser: Browser, tmp_path: Path, complaints: list[str]
) -> None:
    server = orthanclite(tmp_path, {"Worklists": {"Enable": True, "SaveInOrthancDatabase": True}})
    with running(server):
        id = stored(server, 1, "Doe^John")
    settings: dict[str, Any] = server.config | {"ReadOnly": True}
    with running(orthanclite(tmp_path, settings)) as server:
        context = browser.new_context(base_url=server.url, locale="en-GB")
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto("/")
        expect(page.locator(".top .chip")).to_have_text("Read only")
        expect(page.locator(".grid .line a")).to_have_text(["Doe, John"])
        page.locator(".grid .line input").check()
        expect(page.locator(".selection")).to_be_visible()
        assert offered(page) == set()
        page.get_by_role("grid").focus()
        page.keyboard.press("Delete")
        expect(page.get_by_role("alertdialog")).to_have_count(0)
        for where, there in {
            f"studies/{id}": ".series-cards button",
            "jobs": "text=There are no jobs",
            "worklists": "text=The worklist is empty",
            "network": "text=None is known",
            "system": ".graphs li",
        }.items():
            page.goto(f"/ui/app/#/{where}")
            expect(page.locator(there).first).to_be_visible()
            if where.startswith("studies"):
                page.get_by_role("button", name="More").click()
                expect(page.get_by_role("menuitem", name="Copy link")).to_be_visible()
            assert offered(page) == set(), where
        context.close()
    assert complaints == []
