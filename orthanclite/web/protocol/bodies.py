"""Where the body of a request ends (RFC 9112, 6 and 7.1)."""

from __future__ import annotations

import re
from typing import Protocol

from orthanclite.web.protocol.head import Refused

LONGEST_LINE = 4096
"""Bytes of the line before a chunk, or of a trailer."""
LARGEST_EXTRAS = 16 * 1024
"""Bytes of all chunk extensions of a body, and of all its trailers."""
MOST_TRAILERS = 64

_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t -~\x80-\xff]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*")


class Framing(Protocol):
    """Finds the end of a body in the bytes of a connection."""

    complete: bool

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what follows on the connection.

        :return: what it has of the content, and what follows the end of the body
        :raises Refused: where it is malformed
        """
        ...


class SizedBody:
    """A body of ``length`` bytes."""

    __slots__ = ("complete", "left")

    def __init__(self, length: int) -> None:
        self.left = length
        self.complete = length == 0

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """See :class:`Framing`."""
        content, rest = (data, b"") if len(data) <= self.left else (data[: self.left], data[self.left :])
        self.left -= len(content)
        self.complete = self.left == 0
        return content, rest


class ChunkedBody:
    """A body in chunks. Extensions and trailers mean nothing here: they are checked, counted and dropped."""

    __slots__ = ("_extras", "_left", "_partial", "_read_line", "_trailers", "complete")

    def __init__(self) -> None:
        self.complete = False
        self._left = 0  # bytes of the chunk that are still to come
        self._partial = b""  # the beginning of a line
        self._extras = 0
        self._trailers = 0
        self._read_line = self._begin_chunk  # what to do with the next line

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """See :class:`Framing`."""
        if self._partial:
            data, self._partial = self._partial + data, b""
        pieces: list[bytes] = []
        position = 0
        while position < len(data) and not self.complete:
            if self._left:
                piece = data[position : position + self._left]
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
                continue
            end = data.find(b"\r\n", position, position + LONGEST_LINE + 2)
            if end < 0:
                if len(data) - position > LONGEST_LINE + 1:
                    raise Refused(400, "A line between the chunks of the body is too long.")
                self._partial = data[position:]
                position = len(data)
            else:
                self._read_line(data[position:end])
                position = end + 2
        return (pieces[0] if len(pieces) == 1 else b"".join(pieces)), data[position:]

    def _begin_chunk(self, line: bytes) -> None:
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise Refused(400, "The size of a chunk is malformed.")
        size = match.group(1)
        self._count(len(line) - len(size))
        self._left = int(size, 16)
        self._read_line = self._end_chunk if self._left else self._take_trailer

    def _end_chunk(self, line: bytes) -> None:
        if line:
            raise Refused(400, "A chunk is longer than its size.")
        self._read_line = self._begin_chunk

    def _take_trailer(self, line: bytes) -> None:
        if not line:
            self.complete = True
            return
        self._count(len(line))
        self._trailers += 1
        if self._trailers > MOST_TRAILERS:
            raise Refused(400, "There are too many trailers.")
        if _TRAILER.fullmatch(line) is None:
            raise Refused(400, "A trailer is malformed.")

    def _count(self, extra: int) -> None:
        self._extras += extra
        if self._extras > LARGEST_EXTRAS:
            raise Refused(400, "There is too much besides the content of the body.")
