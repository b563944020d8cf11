"""Frames cost what they must: one read where they are stored, one decoding for all who ask."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit

from orthanclite.core.constants import AttachmentType
from orthanclite.core.errors import BadFileFormat, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import Attachment
from orthanclite.core.ports.testing import MemoryBlobs
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.pixels.operations import on_file
from orthanclite.dicom.pixels.reading.source import ImageData
from orthanclite.dicom.pixels.writing.transcode import transcode
from orthanclite.services.content.blobs import BlobReader, compress
from orthanclite.services.content.files import StoredFile
from orthanclite.services.content.kept import KeptAttachments
from orthanclite.services.content.pieces import Content
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.content.unpacked import UnpackedFiles
from orthanclite.services.dicomweb.frames import FRAME_PLACES, FrameService
from orthanclite.services.dicomweb.places import FramePlaces, KeptPlaces
from tests.support.records import dicom_file

FRAMES = [b"\xff\xd8\xff" + bytes([number]) * (1000 + 2 * number) + b"\xff\xd9\0" for number in range(40)]
NATIVE = "1.2.840.10008.1.2.1"
Change = Callable[[Any], None]


class CountingBlobs(MemoryBlobs):
    """Blobs that note what is read of them."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[tuple[int, int | None]] = []
        self.opened = 0

    def read(self, uuid: str, start: int = 0, length: int | None = None) -> bytes:
        self.reads.append((start, length))
        return super().read(uuid, start, length)

    def open(self, uuid: str) -> BinaryIO:
        self.opened += 1
        return super().open(uuid)


class SlowImages:
    """Images that count what they are asked for, and take their time to decode."""

    def __init__(self, workers_wait_for: threading.Event | None = None) -> None:
        self.searched = 0
        self.decoded: list[int] = []
        self._wait = workers_wait_for

    def frame_places(self, blob: ImageData | ScratchFile) -> bytes:
        self.searched += 1
        return on_file("frame_places", bytes(blob.whole()) if isinstance(blob, ScratchFile) else blob)

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


class Annotations:
    """The attachments of instances, as far as they are needed here."""

    def __init__(self) -> None:
        self.known: dict[str, dict[int, Attachment]] = {}

    def attachments(self, level: Level, id: str) -> dict[int, Attachment]:
        if id not in self.known:
            raise UnknownResource
        return self.known[id]

    def set_attachment(
        self, level: Level, id: str, attachment: Attachment, log_change: bool
    ) -> tuple[int, str | None]:
        assert not log_change
        former = self.attachments(level, id).get(attachment.type)
        self.known[id][attachment.type] = attachment
        return 0, None if former is None else former.uuid


class Site:
    """A service on files in memory."""

    def __init__(self, images: Any) -> None:
        self.blobs = CountingBlobs()
        self.annotations: Any = Annotations()
        self.inflated: list[str] = []
        self.images = images
        self.frames = self.restarted()

    def restarted(self) -> FrameService:
        """A service that remembers nothing."""
        kept = KeptAttachments(self.annotations, self.blobs, FRAME_PLACES)
        unpacked = UnpackedFiles(BlobReader(self.blobs), self, None)
        return FrameService(unpacked, TagDictionary.build(), self.images, 90, kept, kept_from=4096)

    def add(self, file: bytes, syntax: str, compressed: bool = False) -> StoredFile:
        size = len(file)
        if compressed:
            uuid, stored, _ = compress(self.blobs, [file], size, md5=False)
        else:
            uuid, stored = self.blobs.put(file), size
        attachment = Attachment(AttachmentType.DICOM, uuid, size, "", stored, "", compressed)
        self.annotations.known["id"] = {AttachmentType.DICOM: attachment}
        return StoredFile("id", attachment, syntax, None)

    @property
    def kept(self) -> bytes:
        return self.blobs.read(self.annotations.known["id"][FRAME_PLACES].uuid)

    def transcode_instance(self, id: str, transfer_syntax: str, lossy_quality: int | None) -> ScratchFile:
        self.inflated.append(id)
        file = self.annotations.attachments(Level.INSTANCE, id)[AttachmentType.DICOM]
        scratch = ScratchFile(None, "test")
        scratch.write(transcode(self.blobs.read(file.uuid), transfer_syntax))
        return scratch


def service(file: bytes, images: Any, syntax: str) -> tuple[FrameService, StoredFile, CountingBlobs]:
    site = Site(images)
    return site.frames, site.add(file, syntax), site.blobs


def whole(content: Content | None) -> bytes:
    assert content is not None
    return content.read(0, content.size)


@pytest.mark.parametrize("table", [basic, extended, none, several_fragments])
def test_a_frame_costs_one_read_of_its_bytes(table: Change) -> None:
    file = multi_frame(table)
    images = SlowImages()
    frames, stored, blobs = service(file, images, JPEGBaseline8Bit)
    assert frames.places(stored).count == len(FRAMES)
    for index in (39, 0, 17, 17):
        blobs.reads.clear()
        found = whole(frames.in_syntax(stored, index, JPEGBaseline8Bit))
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
    assert whole(frames.in_syntax(stored, 7, "1.2.840.10008.1.2.1")) == pixels[7 * 200 : 8 * 200]
    assert [length for _, length in blobs.reads] == [200]


def test_an_uncompressed_file_is_not_opened_to_find_its_frames() -> None:
    pixels = bytes(range(200))
    file = dicom_file(side=10, pixels=pixels)
    images = SlowImages()
    frames, stored, blobs = service(file, images, "1.2.840.10008.1.2.1")
    head = replace(stored, pixel_data_offset=len(file) - len(pixels) - 12)
    assert whole(frames.in_syntax(head, 0, "1.2.840.10008.1.2.1")) == pixels
    assert blobs.reads == [(0, len(file) - len(pixels)), (len(file) - len(pixels), 200)]
    assert images.searched == 0


def test_who_asks_for_the_same_waits_for_one_decoding() -> None:
    go = threading.Event()
    images = SlowImages(go)
    frames, stored, _ = service(multi_frame(basic), images, JPEGBaseline8Bit)
    wanted = [0, 1] * 8
    with ThreadPoolExecutor(len(wanted)) as clients:
        answers = [clients.submit(frames.transcoded, stored, one, "1.2.840.10008.1.2.1") for one in wanted]
        while set(images.decoded) != {0, 1}:
            threading.Event().wait(0.01)
        go.set()
        contents = {answer.result(30) for answer in answers}
    assert sorted(images.decoded) == [0, 1]
    assert len(contents) == 2
    frames.in_syntax(stored, 1, "1.2.840.10008.1.2.1")
    assert len(images.decoded) == 2, "What has been decoded is not remembered"


# -- places that are kept ------------------------------------------------------------------------


def test_places_are_found_once_for_all_times() -> None:
    images = SlowImages()
    site = Site(images)
    stored = site.add(multi_frame(several_fragments), JPEGBaseline8Bit)
    first = site.frames.places(stored)
    again = site.restarted().places(stored)
    assert images.searched == 1
    assert again == first
    assert whole(site.restarted().in_syntax(stored, 3, JPEGBaseline8Bit)).startswith(FRAMES[3])


def test_places_of_a_file_that_was_replaced_are_found_anew() -> None:
    images = SlowImages()
    site = Site(images)
    site.frames.places(site.add(multi_frame(basic), JPEGBaseline8Bit))
    former = site.annotations.known["id"][FRAME_PLACES]
    stored = site.add(multi_frame(several_fragments), JPEGBaseline8Bit)
    site.annotations.known["id"][FRAME_PLACES] = former  # as if the file alone had changed
    assert whole(site.frames.in_syntax(stored, 39, JPEGBaseline8Bit)).startswith(FRAMES[39])
    assert images.searched == 2
    kept = KeptPlaces.unpack(site.kept)
    assert kept is not None
    assert kept.blob == stored.attachment.uuid
    assert former.uuid not in [uuid for uuid, _, _ in site.blobs.scan()]


def test_places_of_small_files_are_not_kept() -> None:
    site = Site(SlowImages())
    stored = site.add(dicom_file(side=8, pixels=bytes(128)), "1.2.840.10008.1.2.1")
    site.frames.places(stored)
    assert list(site.annotations.known["id"]) == [AttachmentType.DICOM]


@pytest.mark.parametrize(
    "foreign",
    [
        b"",
        b"somebody's own",
        b"[]",
        FramePlaces(40, bounds=array("Q", [0, 5]), firsts=array("Q", [0, 1])).pack("x"),  # of one frame
        FramePlaces(1, bounds=array("Q", [9, 5]), firsts=array("Q", [0, 1])).pack("x"),  # backwards
        FramePlaces(1, bounds=array("Q", [0, 5]), firsts=array("Q", [0, 7])).pack("x"),
        FramePlaces(0).pack("x"),
    ],
)
def test_what_others_put_in_place_of_kept_places_is_neither_believed_nor_replaced(foreign: bytes) -> None:
    site = Site(SlowImages())
    stored = site.add(multi_frame(basic), JPEGBaseline8Bit)
    uuid = site.blobs.put(foreign)
    mine = Attachment(FRAME_PLACES, uuid, len(foreign), "", len(foreign), "")
    site.annotations.known["id"][FRAME_PLACES] = mine
    assert site.frames.places(stored).count == len(FRAMES)
    assert site.kept == foreign


def test_kept_places_beyond_the_file_are_not_believed() -> None:
    site = Site(SlowImages())
    stored = site.add(multi_frame(basic), JPEGBaseline8Bit)
    far = FramePlaces(1, bounds=array("Q", [0, 1 << 40]), firsts=array("Q", [0, 1]))
    content = far.pack(stored.attachment.uuid)
    uuid = site.blobs.put(content)
    site.annotations.known["id"][FRAME_PLACES] = Attachment(FRAME_PLACES, uuid, len(content), "", 0, "")
    assert site.frames.places(stored).count == len(FRAMES)


def test_an_instance_that_is_deleted_meanwhile_leaves_nothing() -> None:
    site = Site(SlowImages())
    stored = site.add(multi_frame(basic), JPEGBaseline8Bit)
    del site.annotations.known["id"]
    with pytest.raises(UnknownResource):
        site.frames.places(stored)
    assert [uuid for uuid, _, _ in site.blobs.scan()] == [stored.attachment.uuid]


def test_an_empty_frame_is_told() -> None:
    def empty(dataset: Any) -> None:
        dataset.PixelData = b"\xfe\xff\x00\xe0" + bytes(4) + b"\xfe\xff\x00\xe0" + bytes(4)
        dataset.NumberOfFrames = 1

    frames, stored, _ = service(multi_frame(empty), SlowImages(), JPEGBaseline8Bit)
    with pytest.raises(BadFileFormat):
        frames.in_syntax(stored, 0, JPEGBaseline8Bit)


# -- files that are stored deflated --------------------------------------------------------------


def test_a_deflated_file_is_inflated_once_for_all_who_ask() -> None:
    pixels = bytes(range(200)) * 20
    plain = dicom_file(side=10, NumberOfFrames=20, pixels=pixels)
    site = Site(SlowImages())
    stored = site.add(transcode(plain, DeflatedExplicitVRLittleEndian), DeflatedExplicitVRLittleEndian)
    with ThreadPoolExecutor(8) as clients:
        found = list(
            clients.map(lambda index: whole(site.frames.in_syntax(stored, index, NATIVE)), range(20))
        )
    assert found == [pixels[index * 200 : (index + 1) * 200] for index in range(20)]
    assert site.inflated == ["id"]
    assert not site.images.decoded


def test_a_compressed_blob_is_inflated_once_for_all_who_ask() -> None:
    pixels = bytes(range(256)) * 4096
    site = Site(SlowImages())
    stored = site.add(dicom_file(side=32, NumberOfFrames=512, pixels=pixels), NATIVE, compressed=True)
    opened = site.blobs.opened
    for index in (511, 3, 100):
        found = whole(site.frames.in_syntax(stored, index, NATIVE))
        assert found == pixels[index * 2048 : (index + 1) * 2048]
    assert site.blobs.opened == opened + 1


def test_unpacked_files_go_away(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(SlowImages())
    files = UnpackedFiles(BlobReader(site.blobs), site, None)
    plain = dicom_file(side=10, pixels=bytes(200))
    stored = site.add(transcode(plain, DeflatedExplicitVRLittleEndian), DeflatedExplicitVRLittleEndian)
    readable = files.readable(stored)
    files.forget_unused()
    files.readable(stored)
    assert len(site.inflated) == 1
    later = time.monotonic() + 1000
    monkeypatch.setattr(time, "monotonic", lambda: later)
    files.forget_unused()
    assert readable.read(128, 4) == b"DICM"  # whoever has it, reads on
    files.readable(stored)
    assert len(site.inflated) == 2


def test_not_too_many_unpacked_files_are_open() -> None:
    site = Site(SlowImages())
    files = UnpackedFiles(BlobReader(site.blobs), site, None)
    before = len(list(Path("/proc/self/fd").iterdir()))
    deflated = transcode(dicom_file(side=10, pixels=bytes(200)), DeflatedExplicitVRLittleEndian)
    for _ in range(100):
        files.readable(site.add(deflated, DeflatedExplicitVRLittleEndian))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 70


def test_no_more_is_unpacked_than_there_is_room_for() -> None:
    site = Site(SlowImages())
    files = UnpackedFiles(BlobReader(site.blobs), site, None, capacity=1500)
    plain = dicom_file(side=10, pixels=bytes(200))
    for _ in range(3):
        stored = site.add(transcode(plain, DeflatedExplicitVRLittleEndian), DeflatedExplicitVRLittleEndian)
        for _ in range(2):
            files.readable(stored)
    assert len(site.inflated) == 3
