"""Inflating what is deflated: data sets (PS3.5 annex A.5), and the members of ZIP archives.

A few bytes can inflate to a thousand times as many. What is held in memory of it is therefore bounded, for
one data set and for all of them together.
"""

from __future__ import annotations

import mmap
import weakref
import zlib
from collections.abc import Iterable, Iterator

from isal import isal_zlib

from orthanclite.core.errors import BadFileFormat, DatabaseUnavailable
from orthanclite.core.machine.budget import MemoryBudget
from orthanclite.core.machine.buffers import Buffer
from orthanclite.dicom.reading.header import invalid_file

MAX_INFLATED = 256 << 20
"""Bytes that one data set may have once inflated."""
_TOGETHER = MemoryBudget(512 << 20)
"""Bytes that all data sets that this process has inflated may take together."""
_SMALL = 1 << 20
"""Bytes up to which a data set is inflated without being counted."""
_PATIENCE = 10.0
"""Seconds to wait for room."""
_PIECE = 1 << 20


class BrokenStream(Exception):
    """A deflated stream is damaged, or ends too early."""


def inflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The content of a raw deflate stream (RFC 1951), in pieces of up to a megabyte.

    :raises BrokenStream: at the place where it is damaged, or cut off
    """
    inflater = isal_zlib.decompressobj(-zlib.MAX_WBITS)
    for piece in pieces:
        rest = piece
        while True:
            try:
                content = inflater.decompress(rest, _PIECE)
            except isal_zlib.error as exc:  # type: ignore[misc]  # its stub takes the class for an instance
                raise BrokenStream(str(exc)) from exc
            if content:
                yield content
            if inflater.eof:
                return
            rest = inflater.unconsumed_tail
            if not rest and len(content) < _PIECE:
                break
    raise BrokenStream("the stream ends too early")


def inflate(data: Buffer, start: int) -> Buffer:
    """The inflated data set of a file in deflated explicit little endian (PS3.5 annex A.5).

    A large one is inflated twice: its size must be known before its memory is taken.

    :raises BadFileFormat: if the stream is broken, cut off, or inflates to more than :data:`MAX_INFLATED`.
    :raises DatabaseUnavailable: if too much is inflated at the same time.
    """
    kept: list[bytes] = []
    size = 0
    for piece in _inflated_file(data, start):
        size += len(piece)
        if size > MAX_INFLATED:
            raise BadFileFormat(f"The deflated data set is larger than {MAX_INFLATED} bytes")
        if size <= _SMALL:
            kept.append(piece)
    if size <= _SMALL:
        return b"".join(kept)
    kept.clear()
    memory = _memory(size)
    for piece in _inflated_file(data, start):
        memory.write(piece)
    return memory


def _inflated_file(data: Buffer, start: int) -> Iterator[bytes]:
    try:
        yield from inflated(data[at : at + _PIECE] for at in range(start, len(data), _PIECE))
    except BrokenStream as exc:
        raise invalid_file(len(data)) from exc


def _memory(size: int) -> mmap.mmap:
    """Memory that is counted as long as anybody refers to it."""
    if not _TOGETHER.take(size, _PATIENCE):
        raise DatabaseUnavailable("Too many deflated files are being read")
    try:
        memory = mmap.mmap(-1, size)
    except BaseException:
        _TOGETHER.give_back(size)
        raise
    weakref.finalize(memory, _TOGETHER.give_back, size)
    return memory
