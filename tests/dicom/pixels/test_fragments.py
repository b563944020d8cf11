"""Which fragments make which frame, whatever the offset tables say."""

from __future__ import annotations

import struct
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.errors import BadFileFormat
from orthanclite.dicom.pixels.reading.fragments import Fragments

DELIMITER = b"\xfe\xff\xdd\xe0\0\0\0\0"
JPEG, JPEG_2000 = b"\xff\xd8\xff\xe0", b"\xff\x4f\xff\x51"


def item(content: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(content)) + content


def table_of(*offsets: int) -> bytes:
    return struct.pack(f"<{len(offsets)}I", *offsets)


def opened(frames: int, parts: list[list[bytes]], table: bytes, extended: bytes = b"") -> Fragments:
    """Pixel data of which each part is the fragments of one frame."""
    items = b"".join(item(piece) for part in parts for piece in part)
    value = item(table) + items + DELIMITER
    return Fragments(b"head" + value, 4, 4 + len(value), frames, extended)


def offsets_of(parts: list[list[bytes]]) -> list[int]:
    """The true offset table."""
    sizes = [sum(8 + len(piece) for piece in part) for part in parts]
    return [0, *accumulate(sizes[:-1])]


contents = st.binary(min_size=1, max_size=12).map(lambda content: b"\x07" + content)
"""Of a fragment that does not begin like a bit stream."""
tables = st.one_of(
    st.binary(max_size=40).filter(lambda table: not table.startswith((JPEG[:3], JPEG_2000, b"\0\0\0\x0cjP"))),
    st.lists(st.integers(0, 90), max_size=5).map(lambda offsets: table_of(*offsets)),
)


@given(st.lists(contents, min_size=1, max_size=5), tables, st.binary(max_size=40))
def test_as_many_fragments_as_frames_are_the_frames(
    frames: list[bytes], table: bytes, extended: bytes
) -> None:
    fragments = opened(len(frames), [[frame] for frame in frames], table, extended)
    assert [fragments.frame(index) for index in range(len(frames))] == frames


parts_of_streams = st.lists(
    st.tuples(st.sampled_from((JPEG, JPEG_2000)), st.lists(contents, min_size=1, max_size=3)).map(
        lambda one: [one[0] + one[1][0], *one[1][1:]]
    ),
    min_size=1,
    max_size=4,
)


@given(parts_of_streams, tables, st.binary(max_size=40))
def test_bit_streams_in_several_fragments_are_told_by_their_beginning(
    parts: list[list[bytes]], table: bytes, extended: bytes
) -> None:
    fragments = opened(len(parts), parts, table, extended)
    assert [fragments.frame(index) for index in range(len(parts))] == [b"".join(part) for part in parts]


@given(st.lists(st.lists(contents, min_size=1, max_size=3), min_size=1, max_size=4), st.booleans())
def test_a_true_table_tells_the_frames(parts: list[list[bytes]], is_extended: bool) -> None:
    offsets = offsets_of(parts)
    table = b"" if is_extended else table_of(*offsets)
    extended = struct.pack(f"<{len(offsets)}Q", *offsets) if is_extended else b""
    fragments = opened(len(parts), parts, table, extended)
    assert [fragments.frame(index) for index in range(len(parts))] == [b"".join(part) for part in parts]


@pytest.mark.parametrize(
    "table",
    [
        b"",
        table_of(0, 0),
        table_of(0),
        table_of(9, 0),
        table_of(0, 9999),
        table_of(0, 13),  # within a fragment
        table_of(100, 130),  # from elsewhere
        b"\0\0",
    ],
)
def test_what_nothing_tells_apart_is_refused(table: bytes) -> None:
    fragments = opened(2, [[b"abcd", b"efgh"], [b"ijkl"]], table)
    for index in range(2):
        with pytest.raises(BadFileFormat):
            fragments.frame(index)


@pytest.mark.parametrize("frames", [2, 5])
def test_another_number_of_frames_than_declared(frames: int) -> None:
    parts = [[JPEG + b"1"], [JPEG + b"2"], [JPEG + b"3"]]
    fragments = opened(frames, parts, b"")
    shown = min(frames, 3)
    assert [fragments.frame(index) for index in range(shown)] == [part[0] for part in parts[:shown]]
    if frames > 3:
        with pytest.raises(BadFileFormat):
            fragments.frame(3)


def test_empty_fragments_are_no_frames() -> None:
    fragments = opened(2, [[b"one."], [b""], [b"two."]], table_of(0, 12))
    assert [fragments.frame(0), fragments.frame(1)] == [b"one.", b"two."]
    with pytest.raises(BadFileFormat):
        opened(1, [], b"").frame(0)
    with pytest.raises(BadFileFormat):
        opened(2, [[b"one."], [b""]], b"").frame(1)


def test_a_first_item_that_is_a_frame_is_no_table() -> None:
    value = item(JPEG + b"1") + item(JPEG + b"2") + DELIMITER
    fragments = Fragments(value, 0, len(value), 2)
    assert [fragments.frame(0), fragments.frame(1)] == [JPEG + b"1", JPEG + b"2"]


def test_one_frame_and_the_whole() -> None:
    parts = [[b"ab"], [b"cd"], [b"ef"]]
    assert opened(1, parts, b"").frame(0) == b"abcdef"
    assert opened(3, parts, b"").whole() == b"abcdef"


@given(st.binary(max_size=80), st.integers(1, 4))
def test_any_bytes(value: bytes, frames: int) -> None:
    fragments = Fragments(value, 0, len(value), frames)
    for index in range(frames):
        try:
            assert fragments.frame(index)
        except BadFileFormat:
            continue
