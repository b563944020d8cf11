"""Arrays of many frames: what they contain, in how little memory, and what is left behind."""

from __future__ import annotations

import gc
import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from orthanclite.core.errors import (
    BadFileFormat,
    IncompatibleImageFormat,
    IncompatibleImageSize,
    NotImplementedInServer,
    OrthancError,
)
from orthanclite.dicom.pixels.reading.source import open_source
from orthanclite.dicom.pixels.showing.arrays import ArrayKind, frame_array, native_frames, transform_of
from orthanclite.dicom.pixels.writing.transcode import transcode
from orthanclite.services.imaging.arrays import ArrayContent, ArrayService
from orthanclite.services.imaging.images import Images
from orthanclite.services.imaging.workers import PoolLimits, WorkerPool
from tests.parity import image_files
from tests.parity.made import file_of

RLE, JPEG_LS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80"


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    opened = WorkerPool()
    yield opened
    opened.close()


@pytest.fixture
def arrays(pool: WorkerPool, tmp_path: Path) -> ArrayService:
    return ArrayService(Images(pool), tmp_path)


def loaded(content: ArrayContent) -> np.ndarray:
    data = b"".join(content.pieces)
    assert len(data) == content.length
    found = np.load(io.BytesIO(data))
    return found if isinstance(found, np.ndarray) else found["arr_0"]


def large(side: int, frames: int) -> bytes:
    """A multi-frame image of little entropy."""
    pixels = np.zeros((frames, side, side), "<u2")
    pixels += np.arange(frames, dtype="<u2")[:, None, None]
    dataset = image_files.image("large", pixels, frames=frames)
    dataset.RescaleSlope, dataset.RescaleIntercept = "2", "-1"
    return file_of(dataset)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rescale", [False, True])
def test_the_kind_that_a_header_tells_is_that_of_the_frames(rescale: bool) -> None:
    seen = 0
    for name in image_files.names():
        try:
            with open_source(image_files.content(name)) as source:
                found = native_frames(source, rescale)
                if found is None:
                    continue
                for index in range(found.kind.frames):
                    frame = found.frame(source.buffer, index)
                    assert ArrayKind.of(frame, found.kind.frames) == found.kind, name
                    expected = frame_array(source, index, transform_of(source, index, rescale))
                    assert np.array_equal(frame, expected), name
                seen += 1
        except OrthancError:
            continue
    assert seen > 40


@pytest.mark.parametrize("compress", [False, True])
def test_files_of_any_encoding_make_one_array(arrays: ArrayService, compress: bool) -> None:
    plain = image_files.content("made:frames16")
    blobs = [plain, transcode(plain, JPEG_LS), plain, transcode(plain, RLE)]
    found = loaded(arrays.array(blobs, rescale=False, compress=compress))
    once = loaded(arrays.array([plain], rescale=False))
    assert (found.shape, found.dtype) == ((12, *once.shape[1:]), np.dtype("<u2"))
    assert np.array_equal(found, np.concatenate([once] * 4))


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ("made:rgb8", IncompatibleImageFormat),
        ("made:grey8", IncompatibleImageFormat),
        ("bundled:CT_small.dcm", IncompatibleImageSize),
        ("bundled:test-SR.dcm", NotImplementedInServer),
        ("made:ybr", NotImplementedInServer),
    ],
)
@pytest.mark.parametrize("is_first", [False, True])
def test_what_is_no_array_is_refused_before_anything_is_sent(
    arrays: ArrayService, other: str, error: type[OrthancError], is_first: bool
) -> None:
    blobs = [image_files.content("made:grey12"), image_files.content(other)]
    with pytest.raises(error):
        arrays.array(blobs[::-1] if is_first else blobs, rescale=False)


@pytest.mark.parametrize("name", ["made:grey12", "jpegls:grey12"])
def test_a_damaged_slice_is_refused_and_nothing_stays(
    arrays: ArrayService, name: str, tmp_path: Path
) -> None:
    whole = image_files.content(name)
    with pytest.raises(BadFileFormat):
        arrays.array([whole, whole, whole[:-400]])
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_all_answers_together_take_a_bounded_part_of_the_disk(
    arrays: ArrayService, monkeypatch: pytest.MonkeyPatch
) -> None:
    compressed = transcode(image_files.content("made:frames16"), JPEG_LS)
    first = arrays.array([compressed])
    monkeypatch.setattr("orthanclite.services.imaging.arrays.MAX_DECODED", first.length + first.length // 2)
    with pytest.raises(NotImplementedInServer):
        arrays.array([compressed])
    del first  # the client has gone
    gc.collect()
    assert loaded(arrays.array([compressed])).shape[0] == 3


def test_an_answer_that_is_given_up_leaves_nothing(arrays: ArrayService, tmp_path: Path) -> None:
    compressed = transcode(image_files.content("made:frames16"), JPEG_LS)
    for compress in (False, True):
        content = arrays.array([compressed], compress=compress)
        next(content.pieces)
        assert list(tmp_path.iterdir()) == []  # also if the server is killed now
        del content


@pytest.mark.parametrize("compress", [False, True])
def test_memory_is_that_of_a_frame(arrays: ArrayService, tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "large.dcm"
    path.write_bytes(large(1024, 40))  # an array of 160 MB
    tracemalloc.start()
    try:
        content = arrays.array([path, path], compress=compress)
        size = sum(map(len, content.pieces))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == content.length
    assert peak < 24 << 20


def test_workers_decode_more_than_their_memory(tmp_path: Path) -> None:
    """An array of 480 MB, by a worker that may take 256 MB."""
    path = tmp_path / "large.dcm"
    path.write_bytes(transcode(large(1024, 120), RLE))
    pool = WorkerPool(PoolLimits(workers=1, memory=1 << 28))
    try:
        content = ArrayService(Images(pool), tmp_path).array([path])
        head, *frames = content.pieces
    finally:
        pool.close()
    assert len(head) + sum(map(len, frames)) == content.length == 128 + 120 * 1024 * 1024 * 4
    assert np.frombuffer(frames[-1], "<f4")[-1] == 119 * 2 - 1
