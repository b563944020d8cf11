"""Partial answers: the ``Range`` header as the reference reads it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from orthanclite.core.errors import BadRange
from orthanclite.core.machine.buffers import SMALL_SIZE
from orthanclite.core.text.numbers import natural
from orthanclite.web.answers.responses import Response, StreamResponse, bytes_response, header
from orthanclite.web.call import Call

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)

CHUNK = 256 * 1024

Reader = Callable[[int, int], bytes]
"""Reads ``(start, length)`` of a content; blocking."""


def parse_range(value: str, total: int) -> tuple[int, int]:
    """The first and the last byte that ``value`` asks for, of a content of ``total`` bytes.

    ``a-b``, ``a-``, ``-`` (everything), and ``-b``, which the reference takes for ``0-b`` and not for the
    last ``b`` bytes (RFC 9110 14.1.2): its clients rely on it.

    :raises BadRange: where a bound is outside the content, for several ranges, and for anything else.
    """
    match = _RANGE.fullmatch(value.strip().replace(" ", ""))
    if match is None:
        raise BadRange
    start = natural(match[1] or "0")
    end = natural(match[2]) if match[2] else total - 1
    if start is None or end is None or not 0 <= start <= end < total:
        raise BadRange
    return start, end


def content_response(
    call: Call, total: int, read: Reader, media_type: str, filename: str | None = None
) -> Response:
    """The whole of a content of ``total`` bytes, or the range of it that the request asks for.

    Only the whole has a name.

    :raises BadRange: as :func:`parse_range`.
    """
    wanted = call.header("range")
    if not wanted:
        if total <= SMALL_SIZE:
            return bytes_response(read(0, total), media_type, filename)
        return StreamResponse(read_chunks(read, 0, total), media_type, total, filename)
    start, end = parse_range(wanted, total)
    length = end - start + 1
    response = (
        bytes_response(read(start, length), "application/octet-stream")
        if length <= SMALL_SIZE
        else StreamResponse(read_chunks(read, start, length), "application/octet-stream", length)
    )
    response.status = 206
    response.headers.append(header("content-range", f"bytes {start}-{end}/{total}"))
    return response


def download_response(
    call: Call,
    total: int,
    pieces: Callable[[int, int], Iterator[bytes]],
    media_type: str,
    filename: str,
    tag: str | None,
) -> Response:
    """A file, or the range of it that is asked for: an interrupted download can be continued.

    See RFC 9110 sections 13.1.5 and 14.

    :param pieces: gives the bytes from the first number up to the second
    :param tag: a text that is the same for the same bytes; without one there are no ranges
    :raises BadRange: where the range lies outside.
    """
    entity = "" if tag is None else f'"{tag}"'
    wanted = call.header("range") if entity else ""
    if wanted and call.header("if-range", entity) == entity:
        start, end = parse_range(wanted, total)
        response = StreamResponse(pieces(start, end + 1), media_type, end + 1 - start, filename, 206)
        response.with_header("Content-Range", f"bytes {start}-{end}/{total}")
    else:
        response = StreamResponse(pieces(0, total), media_type, total, filename)
    if entity:
        response.with_header("ETag", entity)
    response.with_header("Accept-Ranges", "bytes" if entity else "none")
    return response


def read_chunks(read: Reader, start: int, length: int) -> Iterator[bytes]:
    """``length`` bytes of a content from ``start``, piece by piece."""
    end = start + length
    while start < end:
        chunk = read(start, min(CHUNK, end - start))
        yield chunk
        start += len(chunk)
