"""``multipart/related`` (RFC 2387): several contents in one answer."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from orthanclite.core.buffers import SMALL_SIZE, View
from orthanclite.web.answers.responses import Response, StreamResponse, bytes_response


@dataclass(frozen=True, slots=True)
class Part:
    """One of the contents.

    :param headers: beside Content-Type and Content-Length, with their names as they are sent
    """

    media_type: str
    pieces: Iterable[View]
    length: int  # bytes
    headers: Sequence[tuple[str, str]] = ()


def related_response(parts: Iterable[Part], media_type: str) -> Response:
    """200 with ``parts``, one after the other.

    Its length is told where all parts are known at once, which a sequence of them says.

    :param media_type: of the parts; that of the first one where they differ
    """
    boundary = uuid.uuid4().hex
    content_type = f'multipart/related; type="{media_type}"; boundary={boundary}'
    pieces = _pieces(parts, boundary)
    if not isinstance(parts, Sequence):
        return StreamResponse(pieces, content_type)
    length = sum(len(_head(part, boundary)) + part.length + 2 for part in parts) + len(_end(boundary))
    if length <= SMALL_SIZE:
        return bytes_response(b"".join(pieces), content_type)
    return StreamResponse(pieces, content_type, length)


def _pieces(parts: Iterable[Part], boundary: str) -> Iterator[View]:
    for part in parts:
        head: View = _head(part, boundary)
        for piece in part.pieces:
            # The head goes with the first piece: small pieces cost as much as large ones.
            if head:
                yield b"".join((head, piece))
                head = b""
            else:
                yield piece
        yield b"".join((head, b"\r\n"))
    yield _end(boundary)


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
