"""Memory that two processes see: bounded, never given twice, and given back by the last who refers to it."""

from __future__ import annotations

import mmap
import os
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.storage.shared_memory import LARGEST, SharedMemory, SharedPiece

KB, MB = 1 << 10, 1 << 20


def resident(memory: SharedMemory) -> int:
    """Bytes that the system holds for it."""
    return os.fstat(memory.descriptor).st_blocks * 512


def test_a_piece_is_taken_until_nobody_refers_to_it() -> None:
    memory = SharedMemory(1000)
    piece = memory.take(700)
    assert memory.has(300)
    assert not memory.has(301)
    view = memoryview(piece)[100:200]
    del piece
    assert not memory.has(301)
    del view
    assert memory.has(1000)


def test_what_does_not_fit_is_refused() -> None:
    memory = SharedMemory()
    assert not memory.has(LARGEST + 1)
    with pytest.raises(MemoryError):
        memory.take(LARGEST + 1)
    pieces = []
    while memory.has(1):
        pieces.append(memory.take(1))
    with pytest.raises(MemoryError):
        memory.take(1)
    assert len({piece.offset for piece in pieces}) == len(pieces)


@given(st.lists(st.tuples(st.integers(1, LARGEST), st.booleans()), max_size=80))
def test_pieces_never_overlap_and_show_what_was_written(steps: list[tuple[int, bool]]) -> None:
    memory = SharedMemory(16 * MB)
    with mmap.mmap(memory.descriptor, memory.size) as whole:
        held: list[tuple[SharedPiece, bytes]] = []
        for number, (size, gives_back) in enumerate(steps):
            if gives_back and held:
                held.pop(size % len(held))
            if memory.has(size):
                piece, mark = memory.take(size), number.to_bytes(4, "big")[-min(size, 4) :]
                piece[-len(mark) :] = mark
                held.append((piece, mark))
            for piece, mark in held:
                end = piece.offset + len(piece)
                assert whole[end - len(mark) : end] == mark


def test_memory_of_large_pieces_goes_back_to_the_system() -> None:
    memory = SharedMemory()
    for _ in range(3):
        pieces = [memory.take(LARGEST) for _ in range(16)]
        for piece in pieces:
            piece[:] = bytes(LARGEST)
        assert resident(memory) >= 64 * MB
        del piece
        pieces.clear()
        assert resident(memory) == 0
    small = memory.take(100 * KB)
    small[:] = bytes(len(small))
    del small
    assert 0 < resident(memory) <= 128 * KB  # kept for the next one


def test_where_files_may_not_be_large_there_is_no_memory() -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MB, limits[1]))
    try:
        memory = SharedMemory()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert memory.size == 0
    assert not memory.has(1)
