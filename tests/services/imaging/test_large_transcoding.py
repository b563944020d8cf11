"""Files that are larger than a worker's memory, from one transfer syntax into another."""

from __future__ import annotations

import gc
import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest

from orthanclite.core.errors import BadFileFormat, NotImplementedInServer
from orthanclite.core.levels import Level
from orthanclite.dicom.pixels.reading.source import open_source
from orthanclite.dicom.pixels.writing.transcode import transcode
from orthanclite.services.archive.plan import Layout
from orthanclite.services.archive.service import ArchiveRequest, ArchiveService
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.imaging.transcoding import IngestTranscoding, TranscodingOptions, TranscodingService
from orthanclite.services.imaging.workers import PoolLimits, WorkerPool
from tests.parity import image_files
from tests.parity.made import file_of
from tests.support.lab import Lab, lab

EXPLICIT, BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
RLE, JPEG_LS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80"
FRAMES, SIDE = 160, 1024


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """160 frames: 320 MB, of which RLE leaves little."""
    pixels = np.zeros((FRAMES, SIDE, SIDE), "<u2")
    pixels += np.arange(FRAMES, dtype="<u2")[:, None, None]
    pixels[:, 500] = np.arange(SIDE)
    path = tmp_path_factory.mktemp("large") / "large.dcm"
    dataset = image_files.image("large", pixels, frames=FRAMES)
    path.write_bytes(transcode(file_of(dataset), RLE))
    return path


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path / "lab") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of temporary files."""
    made = tmp_path / "scratch"
    made.mkdir()
    return made


@pytest.fixture
def service(bench: Lab, folder: Path) -> Iterator[TranscodingService]:
    """Its workers may take 256 MB."""
    pool = WorkerPool(PoolLimits(workers=1, memory=1 << 28))
    options = TranscodingOptions(temporary_directory=folder)
    yield TranscodingService(pool, bench.resources, bench.reader, options)
    pool.close()


def test_any_size_fits(service: TranscodingService, bench: Lab, folder: Path, compressed: Path) -> None:
    [stored] = bench.store(compressed.read_bytes())
    native = service.transcode_instance(stored.ids.instance, EXPLICIT, None)
    assert native.size > FRAMES * SIDE * SIDE * 2
    assert list(folder.iterdir()) == []  # it has no name any more
    whole = native.whole()
    for target in (BIG_ENDIAN, JPEG_LS):
        other = service.transcode(whole, target)
        back = service.transcode(other.whole(), EXPLICIT)
        assert back.size == native.size
        assert all(a == b for a, b in zip(pieces(back), pieces(native), strict=True)), target
    deflated = service.transcode(whole, DEFLATED)
    assert deflated.size < native.size // 50
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data_set = deflated.whole()[132 + 12 + meta_length(deflated) :]
    inflated = sum(len(inflater.decompress(data_set[i : i + 4096])) for i in range(0, len(data_set), 4096))
    assert abs(inflated - native.size) < 1000
    path = folder / "native.dcm"
    path.write_bytes(whole)
    with open_source(path) as source:
        frame = np.frombuffer(source.frame_bytes(FRAMES - 1), "<u2").reshape(SIDE, SIDE)
    assert frame[0, 0] == FRAMES - 1
    assert np.array_equal(frame[500], np.arange(SIDE))


def meta_length(file: ScratchFile) -> int:
    """What FileMetaInformationGroupLength says, the first element behind the preamble."""
    return int.from_bytes(file.read(132 + 8, 4), "little")


def pieces(file: ScratchFile) -> Iterator[bytes]:
    """All bytes of a file."""
    return file.pieces(0, file.size)


def test_archives_hold_them(service: TranscodingService, bench: Lab, compressed: Path) -> None:
    plain = service.transcode(compressed.read_bytes(), EXPLICIT).whole()
    data = service.transcode(plain, JPEG_LS).whole()
    [stored] = bench.store(bytes(plain))
    archives = ArchiveService(bench.resources, bench.reader, service, bench.dictionary, bench.runtime)
    for layout in (Layout.FULL, Layout.MEDIA):
        request = ArchiveRequest([stored.ids.study], layout, transfer_syntax=JPEG_LS)
        with zipfile.ZipFile(io.BytesIO(b"".join(archives.writer(request).stream()))) as opened:
            assert opened.read(opened.namelist()[0]) == bytes(data)
    archives.close()


def test_what_arrives_is_stored(service: TranscodingService, tmp_path: Path, compressed: Path) -> None:
    with lab(tmp_path / "other", transcoder=IngestTranscoding(service, EXPLICIT)) as bench:
        [stored] = bench.store(compressed.read_bytes())
        assert bench.resources.exists(Level.INSTANCE, stored.ids.instance)
        [file] = (path for path in (tmp_path / "other").rglob("*") if path.stat().st_size > 1 << 28)
        assert pydicom.dcmread(file, stop_before_pixels=True).file_meta.TransferSyntaxUID == EXPLICIT


def test_a_failure_leaves_no_file(service: TranscodingService, folder: Path, compressed: Path) -> None:
    data = compressed.read_bytes()
    with pytest.raises(BadFileFormat):
        service.transcode(data[: len(data) // 2], JPEG_LS)
    with pytest.raises(NotImplementedInServer):
        service.transcode(data, "1.2.840.10008.1.2.4.92")
    gc.collect()
    assert list(folder.iterdir()) == []
