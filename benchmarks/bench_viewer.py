"""The viewer of the web interface in headless Chromium: its first picture, and how fast it scrolls.

Needs the packages of the tests, Chromium, and the built web interface.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite_command, running

SIDE = 512  # pixels
_PICTURE = re.compile(r"/frames/\d+$|/instances/[^/]+/file$")

_SCROLL = """
async (duration) => {
  const canvas = document.querySelector('.pane .canvas')
  let shown = 0
  canvas.addEventListener('CORNERSTONE_IMAGE_RENDERED', () => (shown += 1))
  const press = (key) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))
  const last = Number(document.querySelector('.pane output').textContent.split('/')[1])
  const start = performance.now()
  let frames = 0
  while (performance.now() - start < duration) {
    await new Promise(requestAnimationFrame)
    press(Math.floor(frames++ / (last - 1)) % 2 ? 'ArrowUp' : 'ArrowDown')
  }
  return (1000 * shown) / (performance.now() - start)
}
"""


def fill(server: Server, slices: int) -> str:
    """A CT series; the Orthanc identifier of its study."""
    noise = np.random.default_rng(7).normal(0, 20, (SIDE, SIDE))
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    for number in range(slices):
        disc = np.where(np.hypot(x, y) < 0.5 + 0.4 * number / slices, 40, -1000)
        file = dicom_file(
            "P1",
            "1.2.3",
            "1.2.3.1",
            f"1.2.3.1.{number + 1}",
            side=SIDE,
            pixels=(disc + noise + 1024).astype("<u2").tobytes(),
            InstanceNumber=number + 1,
            PatientName="Bench^Mark",
            SeriesDescription="Discs",
            FrameOfReferenceUID="1.2.3.2",
            PixelSpacing=[0.7, 0.7],
            SliceThickness="1",
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            ImagePositionPatient=[0, 0, number],
            RescaleSlope="1",
            RescaleIntercept="-1024",
            WindowCenter="40",
            WindowWidth="400",
        )
        server.client.post("/instances", content=file).raise_for_status()
    study: str = server.get("/studies")[0]
    return study


def measure(browser: Browser, server: Server, study: str, slices: int) -> dict[str, float]:
    """Seconds until the first picture and until all are there, and pictures each second."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    received: list[str] = []
    page.on("requestfinished", lambda one: received.append(one.url) if _PICTURE.search(one.url) else None)
    start = time.monotonic()
    page.goto(f"{server.url}/ui/app/#/view/{study}", wait_until="commit")
    page.wait_for_selector(".pane[data-shown]", timeout=120_000)
    first = time.monotonic() - start
    while len(received) < slices and time.monotonic() - start < 120:
        page.wait_for_timeout(50)
    loaded = time.monotonic() - start
    page.wait_for_timeout(1000)
    rate = page.evaluate(_SCROLL, 5000)
    page.context.close()
    return {"first": first, "loaded": loaded, "rate": rate, "requests": len(received)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", action="store_true", help="without DICOMweb: whole files")
    options = parser.parse_args()
    settings = {"DicomWeb": {"Enable": not options.files}}
    with (
        tempfile.TemporaryDirectory() as folder,
        running(orthanclite_command(Path(folder), settings)) as server,
        sync_playwright() as playwright,
    ):
        study = fill(server, options.slices)
        time.sleep(5)  # the series is stable, its metadata are made
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        rounds = [measure(browser, server, study, options.slices) for _ in range(options.rounds)]
        browser.close()
    for name in rounds[0]:
        values = [one[name] for one in rounds]
        print(f"{name}: {statistics.median(values):.2f} ({', '.join(f'{value:.2f}' for value in values)})")


if __name__ == "__main__":
    main()
