"""Broken DICOM files, made from good ones: the same ones for the same seed."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file
from pydicom.errors import InvalidDicomError

_LARGEST = 64 * 1024  # bytes of a file that is worth mutating
_LENGTHS = (0, 1, 3, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_TAGS = (
    bytes.fromhex("feff00e0"),  # item
    bytes.fromhex("feff0de0"),  # end of item
    bytes.fromhex("feffdde0"),  # end of sequence
    bytes.fromhex("e07f1000"),  # pixel data
    bytes.fromhex("02001000"),  # transfer syntax
    bytes.fromhex("20000d00"),  # study
)
_VRS = (b"SQ", b"UN", b"OB", b"OW", b"UT", b"LO", b"IS", b"AT", b"\0\0", b"??")


@dataclass(frozen=True)
class GoodFile:
    """An instance, and what a C-STORE of it says."""

    data: bytes
    start: int  # of the data set
    sop_class: str
    uid: str
    transfer_syntax: str


@cache
def good_files() -> tuple[GoodFile, ...]:
    """The small ones of pydicom's bundled files that are instances."""
    folder = Path(str(get_testdata_file("CT_small.dcm"))).parent
    files = []
    for path in sorted(folder.glob("*.dcm")):
        if path.stat().st_size > _LARGEST:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                dataset = pydicom.dcmread(path, stop_before_pixels=True)
            except InvalidDicomError:
                continue
        if {"SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID"} <= set(dir(dataset)):
            data = path.read_bytes()
            start = 144 + int.from_bytes(data[140:144], "little")
            syntax = str(dataset.file_meta.TransferSyntaxUID)
            files.append(GoodFile(data, start, str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), syntax))
    assert len(files) > 20
    return tuple(files)


def mutated_files(seed: int, count: int) -> Iterator[GoodFile]:
    """``count`` files, each broken in one to four places."""
    chance = random.Random(seed)
    for _ in range(count):
        good = chance.choice(good_files())
        data = bytearray(good.data)
        for _ in range(chance.randint(1, 4)):
            _mutate(data, chance)
        yield replace(good, data=bytes(data))


def _mutate(data: bytearray, chance: random.Random) -> None:
    # Most of what matters is at the beginning: the meta header and the identifying attributes.
    place = chance.randrange(128, max(129, min(len(data), chance.choice((400, 2000, 10**9)))))
    kind = chance.randrange(9)
    if kind == 0:
        data[place : place + 1] = bytes([chance.randrange(256)])
    elif kind == 1:
        data[place : place + 4] = chance.choice(_LENGTHS).to_bytes(4, chance.choice(("little", "big")))
    elif kind == 2:
        data[place : place + 2] = chance.choice(_LENGTHS).to_bytes(4, "little")[:2]
    elif kind == 3:
        del data[place:]
    elif kind == 4:
        del data[place : place + chance.randint(1, 40)]
    elif kind == 5:
        data[place:place] = data[place : place + chance.randint(1, 400)]
    elif kind == 6:
        data[place : place + 4] = chance.choice(_TAGS)
    elif kind == 7:
        data[place : place + 2] = chance.choice(_VRS)
    else:
        data[place : place + 40] = chance.randbytes(40)


def element(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """An element in explicit VR little endian, perhaps with a length that lies."""
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + vr
    size = len(value) if length is None else length
    if vr in (b"SQ", b"OB", b"OW", b"UN", b"UT", b"UC", b"UR"):
        return head + bytes(2) + size.to_bytes(4, "little") + value
    return head + size.to_bytes(2, "little") + value


ITEM, END_OF_ITEM, END_OF_SEQUENCE = (
    bytes.fromhex("feff00e0"),
    bytes.fromhex("feff0de000000000"),
    bytes.fromhex("feffdde000000000"),
)
UNDEFINED = 0xFFFFFFFF


def nested_sequences(depth: int, defined: bool) -> bytes:
    """A sequence in a sequence in a sequence..."""
    value = b""
    for _ in range(depth):
        if defined:
            value = element(0x00081140, b"SQ", ITEM + len(value).to_bytes(4, "little") + value)
        else:
            content = ITEM + UNDEFINED.to_bytes(4, "little") + value + END_OF_ITEM + END_OF_SEQUENCE
            value = element(0x00081140, b"SQ", content, UNDEFINED)
    return value


def file_with(*elements: bytes, uid: bytes = b"1.2.3.4.", syntax: bytes = b"1.2.840.10008.1.2.1\0") -> bytes:
    """A file with the identifying attributes, then ``elements``."""
    meta = element(0x00020010, b"UI", syntax)
    head = bytes(128) + b"DICM" + element(0x00020000, b"UL", len(meta).to_bytes(4, "little")) + meta
    identity = (
        element(0x00080016, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0")
        + element(0x00080018, b"UI", uid)
        + element(0x00100020, b"LO", b"pp")
        + element(0x0020000D, b"UI", b"1.2.3.")
        + element(0x0020000E, b"UI", b"1.2.3.")
    )
    return head + identity + b"".join(elements)
