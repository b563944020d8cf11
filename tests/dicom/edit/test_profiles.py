"""Each attribute is treated as release 1.13 treats it, at top level and three sequences down.

``anonymization.tsv`` is what that release was seen to do. What this server does beyond it is named here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.edit import EditPlan, edit
from orthanclite.dicom.edit.profiles import VERSIONS, profile
from orthanclite.dicom.reading.parser import parse
from tests.dicom.dicom_builder import element, file_of, item, minimal

DICTIONARY = TagDictionary.build()
OUTER = 0x0040A170  # PurposeOfReferenceCodeSequence: no profile treats it

IDENTIFIERS = {0x00080018, 0x0020000D, 0x0020000E, 0x00100010, 0x00100020, 0x00120062, 0x00120063}
"""Set by the plan of an anonymisation, not by its profile."""

BEYOND = {0x00100010: "emptied"}
"""What release 1.13 leaves in the items of sequences."""

LETTERS = {"kept": "K", "removed": "X", "emptied": "Z", "new-uid": "U"}


def facts(column: int) -> Iterator[tuple[int, str]]:
    lines = Path(__file__).with_name("anonymization.tsv").read_text().splitlines()[1:]
    for line in lines:
        cells = line.split("\t")
        tag = int(cells[0].replace(",", ""), 16)
        if tag >> 16 & 1 == 0 and cells[column] in LETTERS:
            yield tag, cells[column]


def encoded(tag: int) -> bytes:
    vr = DICTIONARY.vr(tag)
    if vr == "SQ":
        return element(tag, vr, item(element(0x00080100, "SH", b"code")))
    return element(tag, vr, b"1.2.840." if vr == "UI" else b"00000000")


def anonymised(extra: dict[int, bytes], version: str) -> Dataset:
    file = parse(file_of(minimal(extra=extra)), DICTIONARY, whole=True)
    plan = EditPlan(profile=profile(version), remove_private=True, new_uid=lambda old: "2.25.1")
    return pydicom.dcmread(io.BytesIO(edit(file, plan, DICTIONARY).tobytes()))


def found(dataset: Dataset, tag: int) -> str:
    if tag not in dataset:
        return "removed"
    raw = dataset.get_item(tag)
    value = raw.value
    if not value:
        return "emptied"
    return "new-uid" if value in (b"2.25.1", b"2.25.1\0", "2.25.1") else "kept"


@pytest.mark.parametrize("version", VERSIONS)
def test_at_top_level(version: str) -> None:
    expected = {tag: action for tag, action in facts(2 + VERSIONS.index(version)) if tag not in IDENTIFIERS}
    assert len(expected) > 590
    dataset = anonymised({tag: encoded(tag) for tag in sorted(expected)}, version)
    assert {tag: found(dataset, tag) for tag in expected} == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_three_sequences_down(version: str) -> None:
    recorded = dict(facts(6 + VERSIONS.index(version)))
    expected = {tag: BEYOND.get(tag, action) for tag, action in recorded.items()}
    assert len(expected) > 500
    content = b"".join(encoded(tag) for tag in sorted(expected))
    for _ in range(3):
        content = element(OUTER, "SQ", item(content))
    dataset = anonymised({OUTER: content}, version)
    for _ in range(3):
        dataset = dataset[OUTER].value[0]
    assert {tag: found(dataset, tag) for tag in expected} == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_identifiers_in_sequences(version: str) -> None:
    tags = (0x00080018, 0x0020000D, 0x0020000E, 0x00100020)
    content = element(OUTER, "SQ", item(b"".join(encoded(tag) for tag in tags)))
    dataset = anonymised({OUTER: content}, version)[OUTER].value[0]
    assert [found(dataset, tag) for tag in tags] == ["new-uid"] * 3 + ["emptied"]


@pytest.mark.parametrize("version", VERSIONS)
def test_curves_and_overlays(version: str) -> None:
    tags = (0x50003000, 0x501E0010, 0x60003000, 0x601E4000, 0x60000010)
    dataset = anonymised({tag: element(tag, "OW", b"12") for tag in tags}, version)
    left = [tag for tag in tags if tag in dataset]
    assert left == (list(tags) if version == "2008" else [0x60000010])


def test_private_elements_go_in_sequences_too() -> None:
    private = element(0x00090010, "LO", b"MAKER ") + element(0x00091001, "LO", b"Secret")
    content = element(OUTER, "SQ", item(private + element(0x00080100, "SH", b"code")))
    dataset = anonymised({OUTER: content, 0x00090010: private}, "2008")
    assert 0x00091001 not in dataset
    assert [int(tag) for tag in dataset[OUTER].value[0].keys()] == [0x00080100]  # noqa: SIM118
