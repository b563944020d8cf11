"""The members of ZIP archives: those that the standard library writes, and those that it does not read."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orthanclite.core.constants import StoreStatus
from orthanclite.core.errors import BadFileFormat, BadRequest
from orthanclite.services.ingest.members import DamagedArchive, Reader, members
from orthanclite.services.ingest.upload import UploadService
from tests.support.lab import ORIGIN, Lab, lab
from tests.support.records import dicom_file

LOCAL = struct.Struct("<4s5H3I2H")
ENTRY = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")


def raw_zip(
    contents: Sequence[tuple[bytes, bytes]],
    flags: int = 0,
    extra: bytes = b"",
    method: int = 8,
    crc_error: int = 0,
    size_error: int = 0,
) -> bytes:
    """An archive that may break the rules, of names and contents."""
    archive, directory = b"", b""
    for name, content in contents:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        sent = deflater.compress(content) + deflater.flush() if method == 8 else content
        crc, size = zlib.crc32(content) ^ crc_error, len(content) + size_error
        numbers = (20, flags, method, 0, 33, crc, len(sent), size, len(name), len(extra))
        offset = len(archive)
        archive += LOCAL.pack(b"PK\3\4", *numbers) + name + extra + sent
        directory += ENTRY.pack(b"PK\1\2", 20, *numbers, 0, 0, 0, 0, offset) + name + extra
    end = END.pack(b"PK\5\6", 0, 0, len(contents), len(contents), len(directory), len(archive), 0)
    return archive + directory + end


def read(archive: bytes) -> list[bytes]:
    file = io.BytesIO(archive)
    return [b"".join(Reader(file, member).pieces()) for member in members(file)]


def written(contents: Sequence[bytes], method: int, comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"{number}/{number}", content)
        archive.comment = comment
    return file.getvalue()


CONTENTS = st.binary(min_size=1, max_size=2000) | st.just(bytes(3_000_000))


@given(
    contents=st.lists(
        st.binary(min_size=1, max_size=2000) | st.just(bytes(3_000_000)), min_size=1, max_size=5
    ),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    comment=st.binary(max_size=200),
    prefix=st.binary(max_size=50),
)
@settings(max_examples=100, deadline=None)
def test_what_the_library_writes_is_read(
    contents: list[bytes], method: int, comment: bytes, prefix: bytes
) -> None:
    assert read(prefix + written(contents, method, comment)) == contents


def test_zip64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    contents = [b"1" * 500, b"2" * 700]
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        archive = written(contents, method)
        assert b"PK\6\6" in archive
        assert read(archive) == contents


def test_streamed_archives() -> None:
    """Their local headers know no sizes (APPNOTE 4.4.4, bit 3)."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: object) -> int:
            raise OSError("a pipe")

        def tell(self) -> int:
            raise OSError("a pipe")

    file = Pipe()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for content in (b"one" * 100, b"two" * 100):
            archive.writestr(content[:3].decode(), content)
    assert read(file.getvalue()) == [b"one" * 100, b"two" * 100]


NAMES = [
    b"",
    b"1.dcm",
    b"M\xfcller.dcm",
    "Müller/山田.dcm".encode(),
    "山田.dcm".encode("shift_jis"),
    b"a\0b",
    b"../../x",
    b"/x",
    b"C:\\x",
    b"x" * 60_000,
    bytes(range(1, 256)) + b".",
]
EXTRAS = [
    b"",
    b"\x01\x00\xff\xff\0",  # longer than it is
    b"\x01",
    b"\x01\x00\x08\x00" + bytes(8),  # ZIP64 without need
    b"\xff" * 100,
    struct.pack("<HHB", 0x7075, 1, 9),  # a Unicode path of an unknown version
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name[:8]))
@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: repr(extra[:8]))
@pytest.mark.parametrize("flags", [0, 1, 0x800], ids=["plain", "says encrypted", "says UTF-8"])
@pytest.mark.parametrize("method", [0, 8])
def test_intact_files_are_read_whatever_surrounds_them(
    name: bytes, extra: bytes, flags: int, method: int
) -> None:
    contents = [(name, b"first"), (name, b"second" * 1000)]
    assert read(raw_zip(contents, flags, extra, method)) == [b"first", b"second" * 1000]


@pytest.mark.parametrize("error", [-3, 7, 2**31])
def test_the_announced_size_is_not_believed(error: int) -> None:
    assert read(raw_zip([(b"x", b"content")], size_error=error)) == [b"content"]


def test_folders_and_empty_files_have_no_content() -> None:
    assert read(raw_zip([(b"d/", b"")], method=0)) == []
    assert read(raw_zip([(b"d/", b""), (b"e", b""), (b"d/f", b"file")], method=0)) == [b"file"]


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (raw_zip([]), "empty"),
        (b"PK\3\4", "no directory"),
        (b"PK\3\4" + bytes(100), "no directory"),
        (raw_zip([(b"x", b"content")])[:-1], "no directory"),
        (raw_zip([(b"x", b"content")])[:50] + raw_zip([(b"x", b"content")])[60:], "where"),
        (raw_zip([(b"x", b"content")], crc_error=1), "checksum"),
        (raw_zip([(b"x", b"content")], method=12), "unsupported"),
        (raw_zip([(b"x", b"content")]).replace(b"PK\1\2", b"PK\7\7"), "damaged"),
        (raw_zip([(b"x", b"content")]).replace(b"PK\3\4", b"PK\7\7"), "not where"),
    ],
)
def test_damaged_archives(archive: bytes, message: str) -> None:
    with pytest.raises(DamagedArchive, match=message):
        read(archive)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_change_is_an_error_or_leaves_intact_files(data: st.DataObject) -> None:
    contents = [b"first" * 50, random.Random(1).randbytes(300)]
    archive = bytearray(raw_zip([(b"1", contents[0]), (b"2", contents[1])]))
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read(bytes(archive))
    except DamagedArchive:
        return
    assert all(one in contents for one in found)


def uploads(bench: Lab, limit: int = 0) -> UploadService:
    return UploadService(bench.ingest, limit)


def store(bench: Lab, archive: bytes, limit: int = 0) -> list[StoreStatus]:
    return [result.status for result in uploads(bench, limit).store_archive(io.BytesIO(archive), ORIGIN)]


def test_images_come_in_under_any_name(tmp_path: Path) -> None:
    with lab(tmp_path) as bench:
        for number, name in enumerate(NAMES):
            archive = raw_zip([(name, dicom_file(instance=f"1.{number}"))], flags=0x800, extra=EXTRAS[1])
            assert store(bench, archive) == [StoreStatus.SUCCESS]


def test_large_members_are_stored_as_they_are_inflated(tmp_path: Path) -> None:
    """An empty mask packs a thousand times, and is an image all the same."""
    mask = dicom_file(side=3000)
    with lab(tmp_path) as bench:
        assert store(bench, raw_zip([(b"mask", mask), (b"other", b"text")])) == [StoreStatus.SUCCESS]
        [(uuid, size, _)] = bench.blobs.scan()
        assert size == len(mask)
        assert bench.blobs.read(uuid) == mask
        with pytest.raises(BadRequest, match="larger"):
            store(bench, raw_zip([(b"mask", mask)]), limit=1 << 20)
        with pytest.raises(BadRequest, match="larger"):
            store(bench, raw_zip([(b"mask", mask)], size_error=10 - len(mask)), limit=1 << 20)
        assert len(list(bench.blobs.scan())) == 1


ZEROS = bytes(128) + b"DICM" + bytes(30 << 20)
NESTED = dicom_file() + b"\x40\x00\x75\xa7SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\0\0\0\0" * (4 << 20)
PRIVATE = dicom_file() + b"\x41\x00\x10\x00LO\0\0" * (4 << 20)


@pytest.mark.parametrize("bomb", [ZEROS, NESTED, PRIVATE], ids=["zeros", "items", "private"])
def test_what_is_sent_for_nothing_is_not_worked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bomb: bytes
) -> None:
    """Millions of elements in thirty kilobytes: each is given up after its first megabytes."""
    with lab(tmp_path) as bench:

        def create() -> None:
            raise AssertionError("it is written to the disk")

        monkeypatch.setattr(bench.blobs, "create", create)
        assert store(bench, raw_zip([(b"bomb", bomb)])) == []


def test_an_archive_of_bombs_is_given_up(tmp_path: Path) -> None:
    with lab(tmp_path) as bench:
        archive = raw_zip([(b"bomb", ZEROS[: 3 << 20])] * 30)
        with pytest.raises(BadFileFormat, match="no DICOM"):
            store(bench, archive)
