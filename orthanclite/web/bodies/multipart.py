"""``multipart/form-data``: what a browser's upload form sends (RFC 7578).

Each part becomes a POST of its own to the same route. Scripts for old browsers cut a file into several
requests, marked by ``X-File-Name`` and ``X-File-Size``: :class:`ChunkedUploads` puts it together.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser

from orthanclite.core.buffers import Buffer
from orthanclite.core.errors import BadFileFormat, BodyTooLarge

_PENDING_FILES = 10
_PENDING_BYTES = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _PartBegins:
    pass


@dataclass(frozen=True, slots=True)
class _PartEnds:
    pass


_Event = _PartBegins | _PartEnds | bytes


def boundary_of(content_type: str) -> str | None:
    """The boundary that a ``Content-Type`` declares; None where it is no form with files.

    Blanks around ``;`` and ``=`` and quotes around the value are tolerated.

    >>> boundary_of('multipart/form-data ; boundary = "abc"')
    'abc'
    """
    media_type, *parameters = content_type.split(";")
    if media_type.strip().lower() != "multipart/form-data":
        return None
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if equals and name.strip().lower() == "boundary":
            return value.strip().strip('"').strip() or None
    return None


class FormParts:
    """The parts of a form, one after the other, as its bytes arrive."""

    def __init__(self, chunks: AsyncIterator[Buffer], boundary: str) -> None:
        """:raises BadFileFormat: for a boundary that is too long (RFC 2046 5.1.1)."""
        self._chunks = chunks
        self._events: deque[_Event] = deque()
        self._finished = False
        try:
            self._parser = MultipartParser(
                boundary.encode("latin-1", "replace"),
                {
                    "on_part_begin": lambda: self._events.append(_PartBegins()),
                    "on_part_data": lambda data, start, end: self._events.append(bytes(data[start:end])),
                    "on_part_end": lambda: self._events.append(_PartEnds()),
                    "on_end": self._finish,
                },
            )
        except FormParserError as exc:
            raise BadFileFormat(f"Bad multipart body: {exc}") from exc

    async def parts(self) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Each part as a stream of its bytes. What the receiver of a part leaves of it is skipped.

        :raises BadFileFormat: where the form is malformed or cut off.
        """
        while (event := await self._next_event()) is not None:
            if isinstance(event, _PartBegins):
                part = self._part()
                yield part
                async for _ in part:
                    pass  # the rest of the part, so that the next one can begin
        if not self._finished:
            raise BadFileFormat("The multipart body is not complete")

    async def _part(self) -> AsyncGenerator[bytes]:
        while True:
            event = await self._next_event()
            if event is None:
                raise BadFileFormat("The multipart body is not complete")
            if isinstance(event, _PartEnds):
                return
            if isinstance(event, bytes):
                yield event

    async def _next_event(self) -> _Event | None:
        while not self._events:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                return None
            try:
                self._parser.write(bytes(chunk))
            except MultipartParseError as exc:
                raise BadFileFormat(f"Bad multipart body: {exc}") from exc
        return self._events.popleft()

    def _finish(self) -> None:
        self._finished = True


class ChunkedUploads:
    """Files that arrive in several requests. Thread-safe, and bounded: the oldest unfinished file goes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[str, bytearray] = OrderedDict()

    def add(self, name: str, size: int, chunk: bytes) -> bytes | None:
        """Append to the file ``name`` of ``size`` bytes; the whole file once it is complete.

        :raises BadFileFormat: where more arrives than was announced.
        :raises BodyTooLarge: for a file larger than 1 GB.
        """
        if size > _PENDING_BYTES:
            raise BodyTooLarge("Too large a file for an upload in chunks")
        with self._lock:
            content = self._files.setdefault(name, bytearray())
            content += chunk
            if len(content) > size:
                del self._files[name]
                raise BadFileFormat("More bytes than announced in X-File-Size")
            if len(content) == size:
                del self._files[name]
                return bytes(content)
            self._files.move_to_end(name)
            while len(self._files) > _PENDING_FILES or (
                sum(map(len, self._files.values())) > _PENDING_BYTES and len(self._files) > 1
            ):
                self._files.popitem(last=False)
        return None
