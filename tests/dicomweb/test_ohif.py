"""The published viewer OHIF (npm, @ohif/app), unmodified but for its configuration, on another site.

It is fetched when the test runs, and not kept: 48 MB, so only where ``ORTHANCLITE_OHIF`` is set.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from tests.dicomweb.test_browser import CHROMIUM, Quiet
from tests.support.ports import free_port
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

pytestmark = pytest.mark.skipif(not os.environ.get("ORTHANCLITE_OHIF"), reason="Only with ORTHANCLITE_OHIF")

PACKAGE = "@ohif/app@3.12.10"
SLICES = 30
UID = "1.2.826.0.1.3680043.9"


class Viewer(Quiet):
    """Its pages have paths of their own, that are all one file."""

    def translate_path(self, path: str) -> str:
        found = super().translate_path(path)
        return found if Path(found).is_file() else super().translate_path("/index.html")


def configuration(url: str) -> str:
    root = f"{url}/dicom-web"
    source = {
        "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
        "sourceName": "ours",
        "configuration": {
            "friendlyName": "ours",
            "name": "ours",
            "wadoUriRoot": f"{url}/wado",
            "qidoRoot": root,
            "wadoRoot": root,
            "qidoSupportsIncludeField": True,
            "supportsFuzzyMatching": True,
            "supportsWildcard": True,
            "imageRendering": "wadors",
            "thumbnailRendering": "wadors",
            "enableStudyLazyLoad": True,
            "singlepart": "bulkdata,pdf,video",
            "bulkDataURI": {"enabled": True},
        },
    }
    settings = {
        "routerBasename": "/",
        "extensions": [],
        "modes": [],
        "showStudyList": True,
        "defaultDataSourceName": "ours",
        "dataSources": [source],
        "investigationalUseDialog": {"option": "never"},
    }
    return f"window.config = {json.dumps(settings)};"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Server]]:
    """The origin of the viewer, and a server with a series of 30 slices."""
    npm = shutil.which("npm")
    if npm is None or CHROMIUM is None:
        pytest.skip("npm or Chromium is not installed")
    folder: Path = tmp_path_factory.mktemp("ohif")
    try:
        subprocess.run([npm, "pack", PACKAGE], cwd=folder, check=True, capture_output=True, timeout=300)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("No npm registry is within reach")
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    pages = folder / "package" / "dist"
    viewer = ThreadingHTTPServer(("127.0.0.1", free_port()), partial(Viewer, directory=str(pages)))
    thread = threading.Thread(target=viewer.serve_forever, daemon=True)
    thread.start()
    origin = f"http://127.0.0.1:{viewer.server_port}"
    config = {"DicomWeb": {"AllowedOrigins": [origin]}}
    with running(orthanclite(tmp_path_factory.mktemp("server"), config)) as server:
        (pages / "app-config.js").write_text(configuration(server.url))
        for number in range(SLICES):
            server.upload(slice_of(number))
        yield origin, server
    viewer.shutdown()
    thread.join()
    viewer.server_close()


def slice_of(number: int) -> bytes:
    """A disc whose size grows from slice to slice."""
    rows, columns = np.mgrid[-64:64, -64:64]
    disc = np.where(rows**2 + columns**2 < (20 + number) ** 2, 1000, 100).astype("<u2")
    return dicom_file(
        "P1",
        f"{UID}.1",
        f"{UID}.2",
        f"{UID}.3.{number}",
        side=128,
        pixels=disc.tobytes(),
        InstanceNumber=number + 1,
        PatientName="Ohif^Ida",
        StudyDate="20240102",
        StudyTime="101112",
        StudyDescription="Discs",
        SeriesDescription="Thirty of them",
        FrameOfReferenceUID=f"{UID}.4",
        PixelSpacing=[1, 1],
        SliceThickness="1",
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        ImagePositionPatient=[0, 0, number],
        RescaleSlope="1",
        RescaleIntercept="0",
        WindowCenter="500",
        WindowWidth="1000",
    )


def test_a_study_is_listed_shown_and_cut(site: tuple[str, Server], tmp_path: Path) -> None:
    origin, _ = site
    complaints: list[str] = []
    with sync_playwright() as playwright:
        graphics = ["--use-gl=swiftshader", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *graphics])
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.on("console", lambda one: complaints.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda one: complaints.append(one.url))
        page.goto(origin)
        page.get_by_text("Discs").first.wait_for(timeout=120_000)
        complaints.clear()  # requests that leaving the list has ended
        page.goto(f"{origin}/viewer?StudyInstanceUIDs={UID}.1")
        page.get_by_text("(1/30)").first.wait_for(timeout=120_000)
        page.wait_for_timeout(3000)
        widths = [width(page.screenshot())]
        page.locator("canvas").first.hover()
        for _ in range(5):
            page.mouse.wheel(0, 120)
            page.wait_for_timeout(200)
        page.get_by_text("(6/30)").first.wait_for(timeout=60_000)
        page.wait_for_timeout(1000)
        widths.append(width(page.screenshot()))
        assert not complaints
        page.goto(f"{origin}/viewer?StudyInstanceUIDs={UID}.1&hangingProtocolId=mpr")
        page.locator("canvas").nth(2).wait_for(timeout=120_000)
        page.wait_for_timeout(5000)
        cuts = page.locator("canvas").count()
        (tmp_path / "cuts.png").write_bytes(page.screenshot())
        browser.close()
    assert widths[0] > widths[1] > 0, "The disc does not shrink from slice to slice"
    assert cuts >= 3
    assert not complaints


def width(screenshot: bytes) -> int:
    """Bright pixels in a line through the disc."""
    image = np.asarray(Image.open(BytesIO(screenshot)).convert("L"))
    return int((image[420, 350:1090] > 200).sum())
