"""Pieces of answers are taken together where that is worth it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.errors import BadFileFormat
from orthanclite.web.answers.gathering import Gathered

LARGE = bytes(1 << 20)


def all_of(pieces: Iterator[bytes]) -> list[list[bytes]]:
    source = Gathered(pieces)
    taken = []
    while found := source.take():
        taken.append([bytes(one) for one in found])
    return taken


@given(st.lists(st.integers(0, 300_000), max_size=12))
def test_nothing_is_lost_nor_moved(sizes: list[int]) -> None:
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    taken = all_of(iter(pieces))
    assert b"".join(b"".join(one) for one in taken) == b"".join(pieces)
    assert all(piece for one in taken for piece in one)


def test_small_ones_are_joined_and_large_ones_are_not_copied() -> None:
    source = Gathered(iter([b"head", LARGE, b"", b"end", b"head", LARGE, b"end"]))
    first, second, third, nothing = (source.take() for _ in range(4))
    assert [len(one) for one in first] == [4, 1 << 20]
    assert first[1] is LARGE
    assert second[0] == b"endhead"
    assert second[1] is LARGE
    assert (third, nothing) == ([b"end"], [])


def test_who_is_slow_keeps_nobody_waiting() -> None:
    def slow() -> Iterator[bytes]:
        for number in range(3):
            time.sleep(0.02)
            yield bytes([number])

    assert all_of(slow()) == [[b"\0"], [b"\1"], [b"\2"]]


def test_what_came_before_an_error_is_sent() -> None:
    def damaged() -> Iterator[bytes]:
        yield b"first"
        raise BadFileFormat("second")

    source = Gathered(damaged())
    assert source.take() == [b"first"]
    with pytest.raises(BadFileFormat):
        source.take()
    assert source.take() == []
