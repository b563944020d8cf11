"""Answers: whole in memory, streamed from an iterator, or a range of an attachment."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from orthanclite.core.machine.buffers import SMALL_SIZE, View
from orthanclite.core.text.styled_json import dumps

Header = tuple[bytes, bytes]


JSON_TYPE: Header = (b"content-type", b"application/json; charset=utf-8")
TEXT_TYPE: Header = (b"content-type", b"text/plain")

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Response:
    """An answer whose body is in memory. ``headers`` has no Content-Length: it is added when sent."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, status: int = 200, body: bytes | bytearray = b"", headers: list[Header] | None = None
    ) -> None:
        self.status = status
        self.body = body
        self.headers: list[Header] = [] if headers is None else headers

    def with_header(self, name: str, value: str) -> Response:
        """The same answer with one more header (for ``ETag`` and the like)."""
        self.headers.append(header(name, value))
        return self


class StreamResponse(Response):
    """An answer sent piece by piece.

    A plain ``Iterator`` is advanced in the thread pool, an ``AsyncIterator`` on the event loop. Either is
    closed when the answer is complete or the client has gone. With a known ``length`` (bytes) the answer
    has a Content-Length; without it the connection is closed at the end, as Orthanc does for archives.
    """

    __slots__ = ("chunks", "length")

    def __init__(
        self,
        chunks: Iterator[View] | AsyncIterator[View],
        media_type: str,
        length: int | None = None,
        filename: str | None = None,
        status: int = 200,
    ) -> None:
        super().__init__(status, b"", [header("content-type", media_type)])
        self.chunks = chunks
        self.length = length
        if filename is not None:
            self.headers.append(disposition(filename))


def header(name: str, value: str) -> Header:
    """A header; characters that HTTP cannot carry there are dropped (a value may come from a client)."""
    return name.lower().encode("ascii"), _CONTROL.sub("", value).encode("utf-8")


def disposition(filename: str) -> Header:
    """``Content-Disposition`` as Orthanc writes it: no ``attachment;``, quotes and line ends removed."""
    return header("content-disposition", 'filename="{}"'.format(filename.replace('"', "")))


def json_response(value: Any) -> Response:
    """200 with ``value`` in Orthanc's style of JSON."""
    return Response(200, dumps(value), [JSON_TYPE])


def json_bytes(body: bytes) -> Response:
    """200 with JSON text that is rendered already."""
    return Response(200, body, [JSON_TYPE])


def literal_object() -> Response:
    """The ``{}`` that actions without a result answer (no charset in its type)."""
    return Response(200, b"{}", [(b"content-type", b"application/json")])


def text_response(text: str | bytes, media_type: str = "text/plain") -> Response:
    body = text.encode("utf-8") if isinstance(text, str) else text
    return Response(200, body, [header("content-type", media_type)])


def empty() -> Response:
    """200 without a body: most PUT and DELETE."""
    return Response(200, b"", [TEXT_TYPE])


def status_only(status: int) -> Response:
    """An answer that is just a status, such as 403 for a system metadata or 415 for a frame."""
    return Response(status)


def bytes_response(body: bytes | bytearray, media_type: str, filename: str | None = None) -> Response:
    headers = [header("content-type", media_type)]
    if filename is not None:
        headers.append(disposition(filename))
    return Response(200, body, headers)


def sized_response(
    pieces: Iterator[View], length: int, media_type: str, filename: str | None = None
) -> Response:
    """200 with ``pieces`` of ``length`` bytes in all: at once where they are few, else as they come."""
    if length <= SMALL_SIZE:
        return bytes_response(b"".join(pieces), media_type, filename)
    return StreamResponse(pieces, media_type, length, filename)


def redirect(location: str, status: int = 301) -> Response:
    return Response(status, b"", [header("location", location)])
