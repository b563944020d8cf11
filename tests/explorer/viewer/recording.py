"""A video that browsers play: recorded by the browser itself, so that no encoder is needed."""

from __future__ import annotations

import base64
from io import BytesIO

from playwright.sync_api import Page
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG4HP41, VideoEndoscopicImageStorage

from tests.explorer.viewer.series import UID
from tests.support.records import dicom_file

WIDTH, HEIGHT = 320, 240
SERIES = f"{UID}.1.8"

_RECORD = """async ([width, height]) => {
  const type = 'video/mp4;codecs=avc1.42E01E'
  if (!MediaRecorder.isTypeSupported(type)) return null
  const canvas = document.createElement('canvas')
  Object.assign(canvas, { width, height })
  const context = canvas.getContext('2d')
  const started = performance.now()
  const paint = () => {
    context.fillStyle = performance.now() - started < 1000 ? '#ff0000' : '#0000ff'
    context.fillRect(0, 0, width, height)
  }
  paint()
  const timer = setInterval(paint, 40)
  const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: type })
  const parts = []
  recorder.ondataavailable = ({ data }) => parts.push(data)
  const ended = new Promise((resolve) => (recorder.onstop = resolve))
  recorder.start()
  setTimeout(() => recorder.stop(), 2500)
  await ended
  clearInterval(timer)
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer())
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''))
}"""


def recorded(page: Page) -> bytes | None:
    """MPEG-4 with H.264: red for a second, then blue; None where the browser has no such encoder."""
    coded = page.evaluate(_RECORD, [WIDTH, HEIGHT])
    return None if coded is None else base64.b64decode(coded)


def video_file(video: bytes) -> bytes:
    """A DICOM file that holds a video in one fragment (PS3.5 A.4.6)."""
    plain = dicom_file("ct", f"{UID}.1", SERIES, f"{SERIES}.1", Modality="ES", side=16)
    dataset = dcmread(BytesIO(plain))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = VideoEndoscopicImageStorage
    dataset.file_meta.TransferSyntaxUID = MPEG4HP41
    dataset.SeriesNumber, dataset.SeriesDescription = 8, "Recorded"
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = HEIGHT, WIDTH, 60
    dataset.PixelData = encapsulate([video + b"\0" * (len(video) % 2)])
    dataset["PixelData"].is_undefined_length = True
    with BytesIO() as file:
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()
