"""Bodies of several parts (RFC 2046 section 5.1): taken apart as they arrive, and put together.

``multipart/form-data`` is what a browser's upload form sends (RFC 7578), ``multipart/related`` (RFC 2387)
what DICOMweb sends and answers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from orthanclite.core.errors import BadFileFormat
from orthanclite.core.machine.buffers import Buffer, View

_LONGEST_BOUNDARY = 200
"""Characters. RFC 2046 section 5.1.1 allows 70, and the DICOMweb client of Orthanc sends 73."""
_LONGEST_HEAD = 64 * 1024
_LONGEST_PADDING = 256
_LINE_END = b"\r\n"
_COPIED = 64 * 1024
"""Bytes of a piece that is copied behind what is sent with it."""
_STEP = 64 * 1024
"""Bytes that the buffer takes at once."""


class BodyParts:
    """The parts of a body, one after the other, as its bytes arrive (RFC 2046 section 5.1.1).

    Nothing is wrong with any headers of parts: senders put blanks before colons, and worse. The two hyphens
    of the last delimiter may be missing; the delimiter itself may not, for what lacks it may have been cut
    off.
    """

    def __init__(self, chunks: AsyncIterator[Buffer], boundary: str) -> None:
        """:raises BadFileFormat: for a boundary that is too long."""
        if len(boundary) > _LONGEST_BOUNDARY:
            raise BadFileFormat("Bad multipart body: the boundary is too long")
        self._chunks = chunks
        self._chunk: Buffer = b""
        self._taken = 0  # bytes of the chunk that the buffer has had
        self._delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
        self._head = b""
        self._buffer = _LINE_END  # for the first delimiter, which may lack the one before it

    async def parts(self) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Each part as a stream of its bytes. What the receiver of a part leaves of it is skipped.

        :raises BadFileFormat: where the body is malformed or cut off.
        """
        async for _ in self._up_to_delimiter():
            pass  # the preamble
        while await self._read_head():
            part = self._up_to_delimiter()
            yield part
            async for _ in part:
                pass  # the rest of the part, so that the next one can begin

    async def _up_to_delimiter(self) -> AsyncGenerator[bytes]:
        """The bytes before the next delimiter, which is then what the buffer begins with.

        :raises BadFileFormat: where there is none.
        """
        while True:
            at = self._buffer.find(self._delimiter)
            if at < 0:
                kept = len(self._delimiter) - 1  # may be the beginning of a delimiter
                data, self._buffer = self._buffer[:-kept], self._buffer[-kept:]
                if data:
                    yield data
                if not await self._read():
                    raise BadFileFormat("The multipart body is not complete")
                continue
            if at:
                yield self._buffer[:at]
            self._buffer = self._buffer[at:]
            if await self._is_at_delimiter():
                return
            data, self._buffer = self._delimiter, self._buffer[len(self._delimiter) :]
            yield data

    async def _is_at_delimiter(self) -> bool:
        """Whether nothing but padding follows the boundary in its line."""
        start = len(self._delimiter)
        while (end := self._buffer.find(_LINE_END, start)) < 0:
            if len(self._buffer) > start + _LONGEST_PADDING or not await self._read():
                end = len(self._buffer)
                break
        rest = self._buffer[start:end]
        return rest.startswith(b"--") or not rest.strip(b" \t-")

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the part that was begun last, by their names in lower case; of several, the last."""
        lines = re.sub(rb"\r\n[ \t]+", b" ", self._head).split(_LINE_END)
        pairs = (line.decode("utf-8", "replace").partition(":") for line in lines)
        return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}

    async def _read_head(self) -> bool:
        """Take a delimiter and the headers of the part that begins there; False where it is the last one.

        :raises BadFileFormat: where the headers do not end.
        """
        self._buffer = self._buffer[len(self._delimiter) :]
        while len(self._buffer) < 2 and await self._read():
            pass
        if self._buffer.startswith(b"--"):
            return False
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _LONGEST_HEAD:
                raise BadFileFormat("Bad multipart body: the headers of a part are too long")
            if not await self._read():
                if self._buffer.strip(b" \t\r\n-"):
                    raise BadFileFormat("The multipart body is not complete")
                return False
        self._head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        return True

    async def _read(self) -> bool:
        """Take more of the body into the buffer; False at its end.

        Each delimiter moves the rest of the buffer, and other requests wait meanwhile: so it is kept short.
        """
        if self._taken < len(self._chunk):
            await asyncio.sleep(0)
        else:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                return False
            self._chunk, self._taken = chunk, 0
        self._buffer += self._chunk[self._taken : self._taken + _STEP]
        self._taken += _STEP
        return True


@dataclass(frozen=True, slots=True)
class Part:
    """One of the contents of a body.

    :param headers: beside Content-Type and Content-Length, with their names as they are sent
    """

    media_type: str
    pieces: Iterable[View]
    length: int  # bytes
    headers: Sequence[tuple[str, str]] = ()


def joined_parts(parts: Iterable[Part], boundary: str) -> Iterator[View]:
    """The body of ``parts``, piece by piece."""
    for part in parts:
        head: View = _head(part, boundary)
        for piece in part.pieces:
            # The head goes with a small piece: to send it by itself costs as much as a large one.
            if not head:
                yield piece
            elif len(piece) > _COPIED:
                yield head
                yield piece
            else:
                yield b"".join((head, piece))
            head = b""
        yield b"".join((head, _LINE_END))
    yield _end(boundary)


def joined(parts: Iterable[Part], boundary: str) -> bytes:
    """The whole body of ``parts``."""

    def pieces() -> Iterator[View]:
        for part in parts:
            yield _head(part, boundary)
            yield from part.pieces
            yield _LINE_END
        yield _end(boundary)

    return b"".join(pieces())


def joined_length(parts: Iterable[Part], boundary: str) -> int:
    """Bytes of the body of ``parts``."""
    each = (len(_head(part, boundary)) + part.length + len(_LINE_END) for part in parts)
    return sum(each) + len(_end(boundary))


def _head(part: Part, boundary: str) -> bytes:
    lines = [
        f"--{boundary}",
        f"Content-Type: {part.media_type}",
        f"Content-Length: {part.length}",
        "MIME-Version: 1.0",
        *(f"{name}: {value}" for name, value in part.headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def _end(boundary: str) -> bytes:
    return f"--{boundary}--\r\n".encode("ascii")
