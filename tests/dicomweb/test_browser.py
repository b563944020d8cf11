"""The npm package dicomweb-client, unmodified, in a page of another site: what OHIF is built upon.

It is fetched when the tests run, and not kept.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright
from pydicom import dcmread

from tests.dicomweb.support import sample
from tests.support.ports import free_port
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

PACKAGE = "dicomweb-client@0.11.3"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGE = (
    '<!DOCTYPE html><title>viewer</title><link rel="icon" href="data:,">'
    '<script src="package/build/dicomweb-client.js"></script>'
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of a site with the package."""
    npm = shutil.which("npm")
    if npm is None or CHROMIUM is None:
        pytest.skip("npm or Chromium is not installed")
    folder: Path = tmp_path_factory.mktemp("viewer")
    try:
        subprocess.run([npm, "pack", PACKAGE], cwd=folder, check=True, capture_output=True, timeout=120)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("No npm registry is within reach")
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    (folder / "index.html").write_text(PAGE)
    site = ThreadingHTTPServer(("127.0.0.1", free_port()), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=site.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{site.server_port}"
    site.shutdown()
    thread.join()
    site.server_close()


@pytest.fixture(scope="module")
def server(viewer: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = {
        "DicomWeb": {"AllowedOrigins": [viewer]},
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"ida": "secret"},
    }
    with running(orthanclite(tmp_path_factory.mktemp("server"), config)) as started:
        started.client.auth = ("ida", "secret")
        yield started


@pytest.fixture
def page(viewer: str) -> Iterator[Page]:
    """A page of the site, whose console must stay empty."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page()
        complaints: list[str] = []
        opened.on("console", lambda message: complaints.append(message.text))
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.goto(f"{viewer}/index.html")
        yield opened
        browser.close()
        assert not complaints


def run(page: Page, server: Server, script: str) -> Any:
    """What a function of ``client`` comes to."""
    credentials = base64.b64encode(b"ida:secret").decode()
    options = json.dumps(
        {"url": f"{server.url}/dicom-web", "headers": {"Authorization": f"Basic {credentials}"}}
    )
    return page.evaluate(
        f"""async () => {{
            const client = new DICOMwebClient.api.DICOMwebClient({options});
            const digits = (one) => one.toString(16).padStart(2, "0");
            const hex = (data) => Array.from(new Uint8Array(data), digits).join("");
            {script}
        }}"""
    )


def test_search_and_retrieve(page: Page, server: Server) -> None:
    data = sample("CT_small.dcm")
    server.upload(data)
    dataset = dcmread(BytesIO(data))
    uids = json.dumps(
        {
            "studyInstanceUID": dataset.StudyInstanceUID,
            "seriesInstanceUID": dataset.SeriesInstanceUID,
            "sopInstanceUID": dataset.SOPInstanceUID,
        }
    )
    found = run(
        page,
        server,
        f"""
        const uids = {uids};
        const query = {{PatientName: "*comp*", fuzzymatching: true, limit: 101}};
        const studies = await client.searchForStudies({{queryParams: query}});
        const series = await client.searchForSeries(uids);
        const metadata = await client.retrieveSeriesMetadata(uids);
        const frames = await client.retrieveInstanceFrames({{...uids, frameNumbers: [1]}});
        const bulk = await client.retrieveBulkData({{BulkDataURI: metadata[0]["7FE00010"].BulkDataURI}});
        const instance = await client.retrieveInstance(uids);
        const mediaTypes = [{{mediaType: "image/png"}}];
        const rendered = [await client.retrieveInstanceRendered({{...uids, mediaTypes}})].flat()[0];
        return {{
            study: studies[0]["0020000D"].Value[0],
            modality: series[0]["00080060"].Value[0],
            frame: hex(frames[0]),
            bulk: hex(bulk[0]),
            instance: hex(instance),
            rendered: hex(rendered).slice(0, 16),
        }};
        """,
    )
    assert found["study"] == dataset.StudyInstanceUID
    assert found["modality"] == "CT"
    assert bytes.fromhex(found["frame"]) == dataset.PixelData
    assert bytes.fromhex(found["bulk"]) == dataset.PixelData
    assert bytes.fromhex(found["instance"]) == data
    assert bytes.fromhex(found["rendered"]) == b"\x89PNG\r\n\x1a\n"


def test_store(page: Page, server: Server) -> None:
    data = dicom_file(study="5.1", series="5.2", instance="5.3", side=64)
    content = base64.b64encode(data).decode()
    run(
        page,
        server,
        f"""
        const file = Uint8Array.from(atob("{content}"), (one) => one.charCodeAt(0));
        await client.storeInstances({{datasets: [file.buffer]}});
        """,
    )
    (id,) = server.client.post(
        "/tools/find", json={"Level": "Instance", "Query": {"SOPInstanceUID": "5.3"}}
    ).json()
    assert server.client.get(f"/instances/{id}/file").content == data
