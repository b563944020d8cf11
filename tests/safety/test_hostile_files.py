"""Files that are broken on purpose, over REST and C-STORE: refused or stored, and nothing in between.

``FUZZ_FILES`` in the environment asks for more mutated files than the few of a usual run, ``FUZZ_SEED`` for
others.
"""

from __future__ import annotations

import io
import os
import struct
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.association import Association
from pynetdicom.sop_class import CTImageStorage

from tests.dimse.support import exchange, store_request
from tests.safety.judge import PATIENCE, Checkup, judge
from tests.safety.mutations import (
    END_OF_SEQUENCE,
    ITEM,
    UNDEFINED,
    element,
    file_with,
    good_files,
    mutated_files,
    nested_sequences,
)
from tests.support.records import dicom_file
from tests.support.scu import Client
from tests.support.server import Server

SERVER_CONFIG = {
    "StableAge": 1,
    "MaximumFileSizeInArchiveMB": 8,
    "DicomWeb": {"EnableMetadataCache": False},  # whose files belong to series
}
FILES = int(os.environ.get("FUZZ_FILES", "300"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
MEGABYTE = 1 << 20

READS = (
    "",
    "/tags",
    "/simplified-tags",
    "/tags?short",
    "/header",
    "/content",
    "/content/PatientName",
    "/content/0008-1140/0/0008-1155",
    "/content/7fe0-0010/0",
    "/module?simplify",
    "/metadata?expand",
    "/statistics",
    "/file",
    "/frames",
    "/preview",
    "/pdf",
    "/series?requested-tags=PatientAge;ModalitiesInStudy",
)


@pytest.fixture(autouse=True)
def well_afterwards(server: Server) -> Iterator[None]:
    """Whatever a test does, the server is well, and each file of the storage area belongs to an instance."""
    checkup = Checkup(server)
    yield
    checkup()
    assert stored_files(server.folder) == len(server.get("/instances"))
    server.client.post("/tools/bulk-delete", json={"Resources": server.get("/patients")}).raise_for_status()
    assert stored_files(server.folder) == 0
    statistics = server.get("/statistics")
    assert statistics["TotalDiskSize"] == "0"
    assert statistics["CountInstances"] == 0


def stored_files(folder: Path) -> int:
    return sum(1 for _ in (folder / "storage").glob("??/??/*"))


def post(server: Server, content: bytes) -> httpx.Response:
    started = time.monotonic()
    answer = server.client.post("/instances", content=content)
    assert time.monotonic() - started < PATIENCE
    judge(answer.status_code, answer.content, content[:300])
    return answer


def read_everything(server: Server, id: str) -> None:
    """What was accepted must be fit to be shown, or be refused with a proper error."""
    for path in READS:
        answer = server.client.get(f"/instances/{id}{path}")
        judge(answer.status_code, answer.content, path)
    for accept in ("application/dicom+json", "application/dicom+xml"):
        answer = server.client.get(f"/instances/{id}/file", headers={"Accept": accept})
        judge(answer.status_code, answer.content, accept)


def test_mutated_files_over_rest(server: Server) -> None:
    accepted = refused = 0
    for file in mutated_files(SEED, FILES):
        answer = post(server, file.data)
        if answer.status_code == 200:
            accepted += 1
            if accepted % 3 == 0 or FILES > 1000:
                read_everything(server, answer.json()["ID"])
        else:
            refused += 1
    assert accepted > FILES // 10
    assert refused > FILES // 10
    for level in ("patients", "studies", "series", "instances"):
        assert server.client.get(f"/{level}?expand&full").status_code == 200


def test_mutated_data_sets_over_dicom(server: Server) -> None:
    contexts = {(file.sop_class, file.transfer_syntax) for file in good_files()}
    statuses: Counter[int] = Counter()
    with ExitStack() as stack:
        association = stack.enter_context(associate(server, contexts))
        for file in mutated_files(SEED + 1, FILES):
            if not association.is_established:  # the server may end it, and must accept the next one
                association = stack.enter_context(associate(server, contexts))
            data = file.data[file.start :] or b"\0"
            statuses[send(association, data, file.uid, file.sop_class, file.transfer_syntax)] += 1
    assert set(statuses) <= STATUSES
    assert statuses[0x0000] > FILES // 10
    assert statuses.total() - statuses[0x0000] > FILES // 10


STATUSES = {0x0000, 0x0110, 0xA700, 0xA900, 0xC000}


@contextmanager
def associate(server: Server, contexts: Iterable[tuple[str, str]]) -> Iterator[Association]:
    application = Client()
    for sop_class, syntax in sorted(contexts):
        application.add_requested_context(sop_class, syntax)
    application.dimse_timeout = application.network_timeout = application.acse_timeout = PATIENCE
    association = application.associate("127.0.0.1", server.dicom_port)
    assert association.is_established
    with closing(association.dul.socket.socket):
        yield association
        if association.is_established:
            association.release()


def send(
    association: Association,
    data: bytes,
    uid: str = "1.2.3.4",
    sop_class: str = CTImageStorage,
    syntax: str = ExplicitVRLittleEndian,
) -> int:
    """C-STORE of arbitrary bytes: the status."""
    context = next(
        one
        for one in association.accepted_contexts
        if one.abstract_syntax == sop_class and one.transfer_syntax[0] == syntax
    )
    status = exchange(association, store_request(data, uid, sop_class), context.context_id)
    assert status is not None, "no answer"
    return status


def test_every_truncation(server: Server) -> None:
    """A file that is cut anywhere is refused; where nothing tells the end, it is what is left of it."""
    data = dicom_file(pixels=bytes(32), side=4)
    for length in range(len(data)):
        answer = post(server, data[:length])
        if answer.status_code == 200:
            pydicom.dcmread(io.BytesIO(data[:length]))
        else:
            assert answer.status_code in (400, 404)


PIXELS = element(0x7FE00010, b"OB", b"", UNDEFINED)
CRAFTED = {
    "sequences 100 deep": (file_with(nested_sequences(100, True)), None),
    "sequences 5,000 deep": (file_with(nested_sequences(5_000, True)), 400),
    "sequences 5,000 deep, undefined": (file_with(nested_sequences(5_000, False)), 400),
    "sequence without end": (file_with(element(0x00081140, b"SQ", b"", UNDEFINED)), 400),
    "sequence of 100,000 items": (
        file_with(element(0x00081140, b"SQ", (ITEM + bytes(4)) * 100_000)),
        200,
    ),
    "100,000 elements": (
        file_with(*[element(0x00110000 | n % 0xFF00 + 0x100, b"LO", b"") for n in range(100_000)]),
        None,
    ),
    "length beyond the end": (file_with(element(0x00081030, b"UT", b"x", 0x7FFFFFFF)), 400),
    "pixel data beyond the end": (file_with(element(0x7FE00010, b"OW", b"x", 0xFFFFFFFE)), 400),
    "fragments without end": (file_with(PIXELS + ITEM + bytes(4)), 400),
    "fragment beyond the end": (file_with(PIXELS + ITEM + b"\xff\xff\xff\x7f"), 400),
    "no items in pixel data": (file_with(PIXELS + END_OF_SEQUENCE), None),
    "patient ID of 60 KB": (file_with(element(0x00100010, b"PN", b"a" * 60_000)), None),
    "all control characters": (file_with(element(0x00100010, b"PN", bytes(range(256)))), 200),
    "unknown character set": (
        file_with(
            element(0x00080005, b"CS", b"ISO 2022 IR 999\\x"), element(0x00100010, b"PN", b"\x1b$)C\xff")
        ),
        200,
    ),
    "numbers": (
        file_with(
            element(0x00280008, b"IS", b"9" * 6000),
            element(0x00200105, b"IS", b"999999999999"),
            element(0x00201002, b"IS", b"999999999999"),
            element(0x00200013, b"IS", b"-99999999999999999999"),
            element(0x00181030, b"LO", b"x" * 1000),
        ),
        200,
    ),
    "expected instances": (
        file_with(element(0x00200105, b"IS", b"9" * 18), element(0x00201002, b"IS", b"9" * 18)),
        200,
    ),
    "floats": (
        file_with(element(0x00189087, b"FD", struct.pack("<3d", *map(float, ("nan", "inf", "-inf"))))),
        200,
    ),
    "a UID that is none": (file_with(uid=b"../../etc/passwd"), 200),
    "empty UID": (file_with(uid=b""), 400),
    "unknown transfer syntax": (file_with(syntax=b"9.9.9\0"), None),
    "deflated bomb": (
        file_with(syntax=b"1.2.840.10008.1.2.1.99")[: 128 + 4 + 12 + 30]
        + zlib.compress(file_with()[174:] + element(0x00420011, b"OB", bytes(900 * MEGABYTE)), 9)[2:-4],
        None,
    ),
    "deflated garbage": (file_with(syntax=b"1.2.840.10008.1.2.1.99"), 400),
    "nothing but a preamble": (bytes(128) + b"DICM", None),
    "gigantic meta header": (bytes(128) + b"DICM" + element(0x00020000, b"UL", b"\xff\xff\xff\xff"), None),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_files(server: Server, name: str) -> None:
    data, expected = CRAFTED[name]
    answer = post(server, data)
    assert answer.status_code in (200, 400, 404)
    assert expected in (None, answer.status_code), answer.text
    if answer.status_code == 200:
        read_everything(server, answer.json()["ID"])
    with associate(server, [(CTImageStorage, ExplicitVRLittleEndian)]) as association:
        assert send(association, data[174:] or b"\0") in STATUSES


def archive_of(*members: tuple[str, bytes], level: int = 1) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def overlapping_archive(count: int) -> bytes:
    """Many members that are all the same bytes of the archive (D. Fifield, "A better zip bomb")."""
    plain = archive_of(("a", dicom_file(pixels=bytes(2 * 1400 * 1400), side=1400)))
    start = plain.rindex(b"PK\x01\x02")
    end = plain.rindex(b"PK\x05\x06")
    entry = plain[start:end]
    directory = b"".join(entry[:-1] + b"%c" % (97 + n % 26) for n in range(count))
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(directory), start, 0)
    return plain[:start] + directory + tail


def test_paths_in_archives_lead_nowhere(server: Server) -> None:
    names = ("../../../evil.dcm", "/etc/evil.dcm", "C:\\evil.dcm", "a\0b", "x" * 60_000, "é\ud7ff", ".", "..")
    files = [(name, dicom_file(instance=f"1.2.3.{n}")) for n, name in enumerate(names)]
    answer = post(server, archive_of(*files))
    assert answer.status_code == 200
    assert len(answer.json()) == len(names)
    assert not list(server.folder.parent.rglob("*evil*"))


def test_archives_in_archives_are_not_opened(server: Server) -> None:
    inner = archive_of(("a.dcm", dicom_file()))
    assert post(server, archive_of(("inner.zip", inner), ("b", b"PK"))).json() == []


def test_an_archive_with_the_same_instance_many_times(server: Server) -> None:
    answer = post(server, archive_of(*[(f"{n}.dcm", dicom_file()) for n in range(50)]))
    assert sorted(one["Status"] for one in answer.json()) == ["AlreadyStored"] * 49 + ["Success"]


def test_a_member_beyond_the_limit(server: Server) -> None:
    large = dicom_file(pixels=bytes(2 * 2100 * 2100), side=2100)  # 8.8 MB
    assert post(server, archive_of(("a.dcm", large))).status_code == 400


def test_a_member_that_lies_about_its_size(server: Server) -> None:
    """The archive says 10 bytes, but the file is there, and its checksum right: no image is lost."""
    data = bytearray(archive_of(("a.dcm", dicom_file(pixels=bytes(2 * 700 * 700), side=700))))
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(signature) + place
        data[at : at + 4] = (10).to_bytes(4, "little")
    assert [one["Status"] for one in post(server, bytes(data)).json()] == ["Success"]
    data[data.index(b"PK\x03\x04") + 300] ^= 1
    assert post(server, bytes(data)).status_code == 400


def test_members_that_overlap_are_refused(server: Server) -> None:
    assert post(server, overlapping_archive(20_000)).status_code == 400


def test_bombs_are_not_inflated(server: Server) -> None:
    zeros = archive_of(*[(f"{n}", bytes(7 * MEGABYTE)) for n in range(100)])
    started = time.monotonic()
    assert post(server, zeros).status_code == 400
    assert time.monotonic() - started < PATIENCE
    assert server.get("/instances") == []


def test_an_archive_of_100_000_members(server: Server) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(100_000):
            archive.writestr(f"{number}.txt", b"no DICOM")
        archive.writestr("a.dcm", dicom_file())
    assert len(post(server, buffer.getvalue()).json()) == 1


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(server: Server, method: int) -> None:
    """As the reference does: their bombs are a thousand times larger."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a.dcm", dicom_file())
    assert post(server, buffer.getvalue()).status_code == 400


def test_broken_archives(server: Server) -> None:
    good = archive_of(("a.dcm", dicom_file()), ("b.dcm", dicom_file(instance="1.2.3.8")))
    for length in range(4, len(good), 7):
        assert post(server, good[:length]).status_code == 400
    for place in range(4, len(good), 5):
        post(server, good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :])
    marked = bytearray(good)
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        marked[marked.index(signature) + place] |= 1
    # Marked as encrypted, but its checksum is right as it stands: no image is lost for a wrong mark.
    assert {one["Status"] for one in post(server, bytes(marked)).json()} <= {"Success", "AlreadyStored"}
    assert len(server.get("/instances")) == 2
