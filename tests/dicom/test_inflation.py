"""Inflating: what comes out, where it is damaged, and how much memory it may take."""

from __future__ import annotations

import gc
import os
import struct
import threading
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orthanclite.core.errors import BadFileFormat, DatabaseUnavailable
from orthanclite.core.machine.budget import MemoryBudget
from orthanclite.core.main_tags import MainTags
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.reading import inflation
from orthanclite.dicom.reading.inflation import BrokenStream, inflate, inflated
from orthanclite.dicom.summary import Summarizer
from tests.dicom.dicom_builder import deflate, element, item, minimal

SUMMARIZER = Summarizer(MainTags.build(), TagDictionary.build())


def deflated(content: bytes, level: int = 9) -> bytes:
    deflater = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
    return deflater.compress(content) + deflater.flush()


CONTENTS = st.binary(max_size=3000) | st.sampled_from(
    [bytes(3_000_000), bytes(1 << 20), bytes(2 << 20), b"abc" * 1_000_000, os.urandom(2_500_000)]
)


@given(CONTENTS, st.integers(0, 9), st.integers(1, 100_000), st.binary(max_size=10))
@settings(max_examples=60, deadline=None)
def test_what_was_deflated_comes_out(content: bytes, level: int, size: int, behind: bytes) -> None:
    stream = deflated(content, level) + behind
    pieces = list(inflated(stream[start : start + size] for start in range(0, len(stream), size)))
    assert b"".join(pieces) == content
    assert all(0 < len(piece) <= 1 << 20 for piece in pieces)


@given(CONTENTS, st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_a_stream_that_is_cut_off_is_told(content: bytes, cut: int) -> None:
    with pytest.raises(BrokenStream):
        list(inflated([deflated(content)[:-cut]]))


def test_noise_is_no_stream() -> None:
    with pytest.raises(BrokenStream):
        list(inflated([b"\xff" * 1000]))
    with pytest.raises(BrokenStream):
        list(inflated([]))


def text(size: int) -> bytes:
    return deflate(minimal() + element(0x0040A160, "UT", bytes(size)))


@pytest.mark.parametrize("size", [10, 1 << 20, 5_000_000])
def test_a_file_of_any_size_is_summarised(size: int) -> None:
    assert SUMMARIZER.summarize(text(size)).sop_uid == "1.2.3.4"


def test_all_inflated_files_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflation, "_TOGETHER", MemoryBudget(10_000_000))
    monkeypatch.setattr(inflation, "_PATIENCE", 0.05)
    stream = deflated(bytes(4_000_000))
    kept = [inflate(stream, 0), inflate(stream, 0)]
    assert [len(one) for one in kept] == [4_000_000] * 2
    with pytest.raises(DatabaseUnavailable):
        inflate(stream, 0)
    small = inflate(deflated(b"content"), 0)
    assert small[:] == b"content"
    kept.pop()
    gc.collect()
    assert len(inflate(stream, 0)) == 4_000_000


def test_who_finds_no_room_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflation, "_TOGETHER", MemoryBudget(5_000_000))
    stream = deflated(bytes(4_000_000))
    kept = [inflate(stream, 0)]
    timer = threading.Timer(0.2, kept.clear)
    timer.start()
    assert len(inflate(stream, 0)) == 4_000_000
    timer.join()


def test_what_is_refused_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflation, "_TOGETHER", budget := MemoryBudget(5_000_000))
    data = text(4_000_000)
    for _ in range(3):
        assert SUMMARIZER.summarize(data).sop_uid
        with pytest.raises(BadFileFormat):
            SUMMARIZER.summarize(data[:-20])
    gc.collect()
    assert budget.take(5_000_000)


EMPTY_ITEM = item(b"")
HEAD = minimal()
ENDLESS = {
    "private elements": HEAD + struct.pack("<HH2sH", 0x41, 0x1000, b"LO", 0) * 300_000,
    "items": HEAD + element(0x00400275, "SQ", EMPTY_ITEM * 300_000),
    "elements of an item": HEAD
    + element(0x00400275, "SQ", item(struct.pack("<HH2sH", 0x40, 7, b"LO", 0) * 300_000)),
    "sequences": HEAD + element(0x00400275, "SQ", item(element(0x00400008, "SQ", b"") * 300_000)),
    "fragments": HEAD + element(0x7FE00010, "OB", EMPTY_ITEM * 300_000, length=0xFFFFFFFF),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_elements_that_were_sent_for_nothing_are_refused(kind: str) -> None:
    with pytest.raises(BadFileFormat, match="more than"):
        SUMMARIZER.summarize(deflate(ENDLESS[kind]))


def test_many_elements_that_were_sent_are_welcome() -> None:
    """Of an enhanced image: each frame has functional groups with values of its own."""
    frames = b"".join(
        item(element(0x00209111, "SQ", item(element(0x00209157, "UL", struct.pack("<2I", n, n * n)))))
        for n in range(20_000)
    )
    data = deflate(minimal() + element(0x52009230, "SQ", frames))
    assert SUMMARIZER.summarize(data).sop_uid == "1.2.3.4"
