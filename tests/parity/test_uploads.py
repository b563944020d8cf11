"""Uploads: the answers to every file of the corpus, to broken files, archives, copies."""

from __future__ import annotations

import gzip
import struct
import zipfile
from io import BytesIO

from tests.parity.compare import Difference, differences, report
from tests.parity.conftest import Pair
from tests.parity.corpus import Sample
from tests.parity.differences import unexpected
from tests.support.records import dicom_file


def test_every_file_of_the_corpus(pair: Pair) -> None:
    found = [
        difference
        for name, (ours, reference) in pair.uploads.items()
        for difference in unexpected(differences(f"POST /instances {name}", ours, reference))
    ]
    assert not found, report(found)


def test_the_same_resources_exist(pair: Pair) -> None:
    for level in ("patients", "studies", "series", "instances"):
        assert pair.ids(level)


def bodies(samples: dict[str, Sample]) -> dict[str, tuple[bytes, dict[str, str]]]:
    """Bodies that are no single whole DICOM file, with the headers they are sent with."""
    explicit = samples["made/image-grey16"].data
    broken = {
        f"cut at {size}": explicit[:size] for size in (1, 4, 131, 132, 140, 200, 400, len(explicit) - 100)
    }
    broken |= {
        "empty": b"",
        "text": b"hello",
        "JSON": b'{"ID" : "x"}',
        "wrong JSON": b'{"ID" : ',
        "preamble": bytes(128),
        "DICM only": bytes(128) + b"DICM",
        "cut sequence": samples["made/image-sequences"].data[:-30],
        "meta header only": explicit[: 144 + int.from_bytes(explicit[140:144], "little")],
        "no ZIP": b"PK\3\4" + bytes(50),
        "text ZIP": archive({"readme.txt": b"hello"}),
        "images ZIP": archive(
            {
                "a.dcm": explicit,
                "folder/b": samples["made/image-rgb8"].data,
                "folder/deeper/c.dcm": samples["made/minimal"].data,
                "DICOMDIR": samples["bundled/dicomdirtests/DICOMDIR"].data,
                "junk.txt": b"junk",
                "empty": b"",
                "cut": explicit[:400],
            }
        ),
        "ZIP of one": archive({"folder/one": samples["made/image-grey8"].data}),
        "ZIP in ZIP": archive({"inner.zip": archive({"one": samples["made/image-grey12"].data})}),
        "empty ZIP": archive({}),
    }
    requests = {name: (body, {}) for name, body in broken.items()}
    requests["gzip"] = (gzip.compress(samples["made/values"].data), {"Content-Encoding": "gzip"})
    requests["typed"] = (samples["made/private"].data, {"Content-Type": "application/dicom"})
    requests["form type"] = (
        samples["made/pdf"].data,
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    return requests


def archive(members: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as written:
        for name, data in members.items():
            written.writestr(name, data)
    return buffer.getvalue()


def test_unusual_bodies(empty_pair: Pair, samples: dict[str, Sample]) -> None:
    found: list[Difference] = []
    for name, (body, headers) in bodies(samples).items():
        ours, reference = empty_pair.both("POST", "/instances", content=body, headers=headers)
        found += unexpected(differences(f"POST /instances ({name})", ours, reference))
    assert not found, report(found)
    assert empty_pair.ids("instances")


VALUES = (b" AB1", b"AB1 ", b"\tAB1", b"AB1\xa0", b" I1\\ I2", b"A\\B  ", b" A \0", b"AB ", b" ", b"A\r\n ")
UIDS = (b" 1.9", b"1.9 ", b"\t1.9\0\0", b"1.9\\ 1.8", b"1. 9", b"1.9\0 7", b"", b"  ")


def test_identifiers_with_white_space(empty_pair: Pair) -> None:
    """Identifiers, and what is shown of them, are those of the reference."""
    found: list[Difference] = []
    for number, (tag, value) in enumerate(
        [*((0x00100020, value) for value in VALUES), *((0x0020000D, value) for value in UIDS)]
    ):
        vr = b"LO" if tag == 0x00100020 else b"UI"
        plain = dicom_file("PLAIN1", "1.2.1111", f"1.3.{number}", f"1.4.{number}")
        old = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
        start = plain.index(old)
        end = start + 8 + int.from_bytes(plain[start + 6 : start + 8], "little")
        data = plain[:start] + old + struct.pack("<H", len(value)) + value + plain[end:]
        ours, reference = empty_pair.both("POST", "/instances", content=data)
        found += unexpected(differences(f"POST /instances {value!r}", ours, reference))
    assert not found, report(found)
    for level in ("patients", "studies", "instances"):
        assert empty_pair.ids(level)
    empty_pair.compare("/patients?expand", "/studies?expand")


def test_the_same_file_twice(empty_pair: Pair, samples: dict[str, Sample]) -> None:
    for name in ("made/image-grey8", "bundled/CT_small.dcm", "made/image-grey8"):
        data = samples[name].data
        assert not empty_pair.differences("POST", "/instances", content=data)
        assert not empty_pair.differences("POST", "/instances", content=data)
    assert len(empty_pair.ids("instances")) == 2


def test_forms(empty_pair: Pair, samples: dict[str, Sample]) -> None:
    """Parts are stored one after the other, until one is refused."""
    good = samples["made/image-grey8"].data
    forms = [
        {"files": [("a", ("a.dcm", good)), ("b", ("b.dcm", samples["made/image-rgb8"].data))]},
        {"files": [("a", ("a.dcm", good)), ("b", ("b.txt", b"text"))]},
        {"files": [("a", ("a.zip", archive({"one": samples["made/pdf"].data})))]},
    ]
    found: list[Difference] = []
    for form in forms:
        found += empty_pair.differences("POST", "/instances", **form)
    assert not found, report(found)
    assert len(empty_pair.ids("instances")) == 3
