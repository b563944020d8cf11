"""Videos are played by the browser, and jumped in."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.explorer.viewer.looking import view
from tests.explorer.viewer.recording import HEIGHT, SERIES, WIDTH, recorded, video_file
from tests.support.server import orthanclite, running

pytestmark = pytest.mark.usefixtures("built")

_COLOUR = """(video) => {
  const canvas = document.createElement('canvas')
  Object.assign(canvas, { width: 1, height: 1 })
  canvas.getContext('2d').drawImage(video, 0, 0, 1, 1)
  return [...canvas.getContext('2d').getImageData(0, 0, 1, 1).data.slice(0, 3)].map((part) => part > 128)
}"""
_PLAY = """(video) => new Promise((resolve, reject) => {
  video.ontimeupdate = () => {
    if (video.currentTime < 0.2) return
    video.pause()
    resolve()
  }
  video.muted = true
  video.play().catch(reject)
})"""
_SEEK = """(video) => new Promise((resolve) => {
  video.onseeked = resolve
  video.currentTime = 1.8
})"""


@pytest.mark.parametrize("has_dicomweb", [True, False])
def test_a_video_is_played_and_jumped_in(page: Page, tmp_path: Path, has_dicomweb: bool) -> None:
    page.context.unroute_all()
    with running(orthanclite(tmp_path, {"DicomWeb": {"Enable": has_dicomweb}})) as server:
        page.goto(f"{server.url}/ui/app/")
        content = recorded(page)
        if content is None:
            pytest.skip("Chromium has no encoder of H.264")
        server.client.post("/instances", content=video_file(content)).raise_for_status()
        view(page, server, SERIES)
        video = page.locator("video")
        expect(video).to_have_js_property("videoWidth", WIDTH)
        expect(video).to_have_js_property("videoHeight", HEIGHT)
        video.evaluate(_PLAY)
        video.evaluate(_SEEK)
        assert video.evaluate(_COLOUR) == [False, False, True]
        expect(page.get_by_role("alert")).to_have_count(0)
        page.goto("about:blank")
