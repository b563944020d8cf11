"""Frames cost what they must: one read where they are stored, one decoding for all who ask."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import JPEGBaseline8Bit

from orthanclite.core.constants import AttachmentType
from orthanclite.core.model import Attachment
from orthanclite.core.ports.testing import MemoryBlobs
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.pixels.operations import on_file
from orthanclite.dicom.pixels.reading.source import ImageData
from orthanclite.services.content.blobs import BlobReader
from orthanclite.services.content.files import StoredFile
from orthanclite.services.dicomweb.frames import FrameService
from tests.support.records import dicom_file

FRAMES = [b"\xff\xd8\xff" + bytes([number]) * (1000 + 2 * number) + b"\xff\xd9\0" for number in range(40)]
Change = Callable[[Any], None]


class CountingBlobs(MemoryBlobs):
    """Blobs that note what is read of them."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[tuple[int, int | None]] = []

    def read(self, uuid: str, start: int = 0, length: int | None = None) -> bytes:
        self.reads.append((start, length))
        return super().read(uuid, start, length)


class SlowImages:
    """Images that count what they are asked for, and take their time to decode."""

    def __init__(self, workers_wait_for: threading.Event | None = None) -> None:
        self.searched = 0
        self.decoded: list[int] = []
        self._wait = workers_wait_for

    def frame_places(self, blob: ImageData) -> bytes:
        self.searched += 1
        return on_file("frame_places", blob)

    def transcoded_frame(self, blob: Path | bytes, frame: int, transfer_syntax: str, quality: int) -> bytes:
        self.decoded.append(frame)
        if self._wait is not None:
            assert self._wait.wait(30)
        return f"frame {frame} in {transfer_syntax}".encode()


def multi_frame(table: Change) -> bytes:
    dataset = dcmread(BytesIO(dicom_file(side=16, NumberOfFrames=len(FRAMES), BitsAllocated=8, BitsStored=8)))
    dataset.HighBit = 7
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    table(dataset)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    output = BytesIO()
    dataset.save_as(output)
    return output.getvalue()


def basic(dataset: Any) -> None:
    dataset.PixelData = encapsulate(FRAMES)


def extended(dataset: Any) -> None:
    pixels, offsets, lengths = encapsulate_extended(FRAMES)
    dataset.PixelData = pixels
    dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = offsets, lengths


def none(dataset: Any) -> None:
    dataset.PixelData = encapsulate(FRAMES, has_bot=False)


def several_fragments(dataset: Any) -> None:
    dataset.PixelData = encapsulate(FRAMES, fragments_per_frame=3)


def service(file: bytes, images: Any, syntax: str) -> tuple[FrameService, StoredFile, CountingBlobs]:
    blobs = CountingBlobs()
    uuid = blobs.put(file)
    attachment = Attachment(AttachmentType.DICOM, uuid, len(file), "", len(file), "")
    frames = FrameService(BlobReader(blobs), TagDictionary.build(), images, 90)
    return frames, StoredFile("id", attachment, syntax, None), blobs


@pytest.mark.parametrize("table", [basic, extended, none, several_fragments])
def test_a_frame_costs_one_read_of_its_bytes(table: Change) -> None:
    file = multi_frame(table)
    images = SlowImages()
    frames, stored, blobs = service(file, images, JPEGBaseline8Bit)
    assert frames.places(stored).count == len(FRAMES)
    for index in (39, 0, 17, 17):
        blobs.reads.clear()
        found = frames.in_syntax(stored, index, JPEGBaseline8Bit)
        assert found.rstrip(b"\0") == FRAMES[index].rstrip(b"\0")
        ((_, length),) = blobs.reads
        assert length is not None
        assert length <= len(found) + 3 * 8
    assert images.searched == 1
    assert not images.decoded


def test_a_native_frame_costs_one_read_of_its_bytes() -> None:
    pixels = bytes(range(200)) * 20
    file = dicom_file(
        side=10, NumberOfFrames=20, pixels=pixels, BitsAllocated=16, PhotometricInterpretation="MONOCHROME2"
    )
    images = SlowImages()
    frames, stored, blobs = service(file, images, "1.2.840.10008.1.2.1")
    assert frames.places(stored).count == 20
    blobs.reads.clear()
    assert frames.in_syntax(stored, 7, "1.2.840.10008.1.2.1") == pixels[7 * 200 : 8 * 200]
    assert [length for _, length in blobs.reads] == [200]


def test_an_uncompressed_file_is_not_opened_to_find_its_frames() -> None:
    pixels = bytes(range(200))
    file = dicom_file(side=10, pixels=pixels)
    images = SlowImages()
    frames, stored, blobs = service(file, images, "1.2.840.10008.1.2.1")
    head = replace(stored, pixel_data_offset=len(file) - len(pixels) - 12)
    assert frames.in_syntax(head, 0, "1.2.840.10008.1.2.1") == pixels
    assert blobs.reads == [(0, len(file) - len(pixels)), (len(file) - len(pixels), 200)]
    assert images.searched == 0


def test_who_asks_for_the_same_waits_for_one_decoding() -> None:
    go = threading.Event()
    images = SlowImages(go)
    frames, stored, _ = service(multi_frame(basic), images, JPEGBaseline8Bit)
    wanted = [0, 1] * 8
    with ThreadPoolExecutor(len(wanted)) as clients:
        answers = [clients.submit(frames.in_syntax, stored, one, "1.2.840.10008.1.2.1") for one in wanted]
        while set(images.decoded) != {0, 1}:
            threading.Event().wait(0.01)
        go.set()
        contents = {answer.result(30) for answer in answers}
    assert sorted(images.decoded) == [0, 1]
    assert len(contents) == 2
    frames.in_syntax(stored, 1, "1.2.840.10008.1.2.1")
    assert len(images.decoded) == 2, "What has been decoded is not remembered"
