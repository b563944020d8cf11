"""Which fragments of encapsulated pixel data make which frame (PS3.5 annex A.4).

Offset tables of real files are wrong in every way: all zero, too short, beyond the end, counted from
elsewhere. What the fragments themselves tell comes first: as many fragments as frames are the frames, and so
are as many beginnings of bit streams. A table is only believed where neither tells, and where all its entries
are the beginnings of fragments.
"""

from __future__ import annotations

from itertools import pairwise
from struct import Struct

from orthanclite.core.errors import BadFileFormat
from orthanclite.core.machine.buffers import Buffer
from orthanclite.dicom.encoding import ITEM

Run = list[tuple[int, int]]
"""Fragments that are joined: start and end of each, in bytes from the start of the buffer."""

_HEAD = Struct("<HHI")
_BEGINNINGS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ")
"""Of JPEG and JPEG-LS, of JPEG 2000, and of JP2, the file format that some writers leave around it."""


class Fragments:
    """The value of encapsulated pixel data.

    :param start: of the value, behind the head of the element
    :param frames: as declared
    :param extended: the values of ExtendedOffsetTable, or empty
    """

    __slots__ = ("_buffer", "_end", "_extended", "_frames", "_runs", "_start")

    def __init__(self, buffer: Buffer, start: int, end: int, frames: int, extended: bytes = b"") -> None:
        self._buffer = buffer
        self._start = start
        self._end = end
        self._frames = frames
        self._extended = extended
        self._runs: list[Run] | None = None  # found when the first frame is asked for

    def frame(self, index: int) -> bytes:
        """The bit stream of one frame.

        :raises BadFileFormat: where the frame is not there, or cannot be told from others.
        """
        runs = self.runs()
        frame = self._joined(runs[index]) if index < len(runs) else b""
        if not frame:
            raise BadFileFormat(f"Damaged encapsulated pixel data: no frame {index}")
        return frame

    def runs(self) -> list[Run]:
        """The fragments of each frame.

        :raises BadFileFormat: where the frames cannot be told apart.
        """
        if self._runs is None:
            self._runs = self._find_runs()
        return self._runs

    def all(self) -> Run:
        """All fragments, the offset table left out.

        :raises BadFileFormat: for what are no fragments.
        """
        return self._read()[1]

    def whole(self) -> bytes:
        """All fragments as one bit stream; errors as :meth:`all`."""
        return self._joined(self.all())

    def _joined(self, run: Run) -> bytes:
        return b"".join([self._buffer[start:end] for start, end in run])

    def _read(self) -> tuple[Run, Run]:
        """The item of the offset table, none where the first item is a frame already, and the fragments."""
        found: Run = []
        position, unpack = self._start, _HEAD.unpack_from
        while position + 8 <= self._end:
            group, number, length = unpack(self._buffer, position)
            if group << 16 | number != ITEM:
                break  # the delimiter
            position += 8
            if position + length > self._end:
                raise BadFileFormat("Damaged encapsulated pixel data: a fragment ends beyond the file")
            found.append((position, position + length))
            position += length
        if not found:
            raise BadFileFormat("Damaged encapsulated pixel data: no fragments")
        return ([], found) if self._begins_frame(found[0]) else (found[:1], found[1:])

    def _begins_frame(self, fragment: tuple[int, int]) -> bool:
        start, end = fragment
        return self._buffer[start : min(end, start + 12)].startswith(_BEGINNINGS)

    def _find_runs(self) -> list[Run]:
        table, fragments = self._read()
        filled = [(start, end) for start, end in fragments if end > start]
        if self._frames == 1:
            return [filled]
        for candidates in (fragments, filled):
            if len(candidates) == self._frames:
                return [[fragment] for fragment in candidates]
        starts = [start for start, end in filled if self._begins_frame((start, end))]
        by_content = _runs_from(starts, filled)
        if len(starts) == self._frames and by_content:
            return by_content
        if len(filled) > self._frames:
            runs = self._runs_by_table(table, fragments) or by_content
            if runs and len(runs) >= self._frames:
                return runs[: self._frames]
        elif len(starts) == len(filled):  # fewer than declared: those that are there
            return [[fragment] for fragment in filled]
        raise BadFileFormat("Damaged encapsulated pixel data: the frames cannot be told apart")

    def _runs_by_table(self, table: Run, fragments: Run) -> list[Run]:
        """As the offset tables say, if one of them can be true."""
        tables = [(self._extended, "Q", 8)] if self._extended else []
        if table:
            tables.append((self._buffer[table[0][0] : table[0][1]], "I", 4))
        for raw, code, size in tables:
            count = len(raw) // size
            offsets = Struct(f"<{count}{code}").unpack(raw[: count * size])
            # Offsets are of item heads, and from the first one (PS3.5 A.4).
            starts = [fragments[0][0] + offset for offset in offsets]
            ascending = all(before < after for before, after in pairwise(starts))
            if count >= self._frames and ascending and {start for start, _ in fragments}.issuperset(starts):
                return _runs_from(starts, fragments)
        return []


def _runs_from(starts: list[int], fragments: Run) -> list[Run]:
    """Fragments in runs, of which each begins at one of ``starts``; none where the first does not."""
    if not starts or not fragments or starts[0] != fragments[0][0]:
        return []
    beginnings, runs = set(starts), list[Run]()
    for fragment in fragments:
        if fragment[0] in beginnings:
            runs.append([])
        runs[-1].append(fragment)
    return runs
