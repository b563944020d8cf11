"""The ZIP format beyond the limits of its first version, and the pace of an archive of many small files."""

from __future__ import annotations

import io
import subprocess
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from isal import isal_zlib

from orthanclite.services.archive.plan import Member, Plan
from orthanclite.services.archive.source import MemberSource
from orthanclite.services.archive.writer import ArchiveWriter
from orthanclite.services.archive.zip import ZipFormat
from orthanclite.services.content.blobs import BlobReader
from orthanclite.storage import FileStorage
from tests.support.tools import needs_unzip

_MOMENT = (2024 - 1980) << 25 | 2 << 21 | 29 << 16 | 13 << 11 | 14 << 5 | 15


@needs_unzip
def test_more_members_than_16_bits_count(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "blobs", sync=False)
    content = b"tiny" * 50
    uuid = storage.put(content)
    members = tuple(
        Member(
            "folder/", f"CT{number:06}.dcm", str(number), "", "", "", uuid, len(content), False, "", _MOMENT
        )
        for number in range(70_000)
    )
    path = tmp_path / "many.zip"
    started = time.perf_counter()
    with ThreadPoolExecutor(2) as pool, path.open("wb") as file:
        writer = ArchiveWriter(
            Plan(members, utf8=False), MemberSource(BlobReader(storage)), pool, lambda _: True
        )
        for piece in writer.stream():
            file.write(piece)
    assert time.perf_counter() - started < 60
    with zipfile.ZipFile(path) as opened:
        infos = opened.infolist()
        assert len(infos) == 70_000
        assert opened.read("folder/CT069999.dcm") == content
        assert infos[0].date_time == (2024, 2, 29, 13, 14, 30)
    listing = subprocess.run(["unzip", "-Z1", str(path)], check=True, capture_output=True)
    assert listing.stdout.count(b"\n") == 70_000


@needs_unzip
@pytest.mark.parametrize("in_blocks", [False, True])
def test_sizes_beyond_32_bits(tmp_path: Path, in_blocks: bool) -> None:
    """5 GB of zeros: one deflated block, again and again."""
    block, count = bytes(1 << 26), 80
    deflater = zlib.compressobj(1, zlib.DEFLATED, -15)
    part = deflater.compress(block) + deflater.flush(zlib.Z_FULL_FLUSH)
    data = part * count + zlib.compressobj(1, zlib.DEFLATED, -15).flush()
    size = count * len(block)
    crc = 0
    for _ in range(count):
        crc = isal_zlib.crc32_combine(crc, isal_zlib.crc32(block), len(block))
    layout = ZipFormat()
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        if in_blocks:
            file.write(layout.begin("large.dcm", _MOMENT, size))
            file.write(data)
            file.write(layout.end(crc, len(data), size))
        else:
            file.write(layout.whole("large.dcm", _MOMENT, crc, len(data), size))
            file.write(data)
        file.write(layout.whole("small.dcm", _MOMENT, 0, 2, 0))
        file.write(zlib.compressobj(1, zlib.DEFLATED, -15).flush())
        file.write(layout.finish())
    with zipfile.ZipFile(path) as opened:
        info, _ = opened.infolist()
        assert (info.file_size, info.compress_size, info.CRC) == (size, len(data), crc)
        assert opened.read("small.dcm") == b""
        with opened.open("large.dcm") as member:
            assert member.read(1 << 20) == bytes(1 << 20)
    listing = subprocess.run(["unzip", "-Zl", str(path)], check=True, capture_output=True, text=True)
    assert str(size) in listing.stdout


def test_offsets_beyond_32_bits(tmp_path: Path) -> None:
    """The first member is a hole of 4 GB in a sparse file: only the offsets are looked at."""
    hole = 1 << 32
    layout = ZipFormat()
    path = tmp_path / "far.zip"
    empty = zlib.compressobj(1, zlib.DEFLATED, -15).flush()
    with path.open("wb") as file:
        file.write(layout.whole("hole", _MOMENT, 0, hole, 7))
        file.seek(hole, io.SEEK_CUR)
        file.write(layout.whole("far", _MOMENT, 0, len(empty), 0))
        file.write(empty)
        file.write(layout.finish())
        assert file.tell() == layout.offset
    with zipfile.ZipFile(path) as opened:
        assert opened.getinfo("far").header_offset > hole
        assert opened.read("far") == b""
