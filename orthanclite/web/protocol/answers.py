"""Answers as the bytes that are sent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus

from orthanclite.web.protocol.head import Header, Refused

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
STATUS_LINES = {
    status: f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n".encode() for status in range(100, 600)
}
CONTINUE = STATUS_LINES[100] + b"\r\n"

_BAD_NAME = re.compile(rb"[^!#$%&'*+\-.^_`|~0-9A-Za-z]")
_BAD_VALUE = re.compile(rb"[\0-\x08\n-\x1f\x7f]")


def head(status: int, headers: Iterable[Header]) -> bytes:
    """The head of an answer with valid ``headers``."""
    content = [STATUS_LINES[status]]
    for name, value in headers:
        content += (name, b": ", value, b"\r\n")
    content.append(b"\r\n")
    return b"".join(content)


def check(headers: Iterable[Header]) -> None:
    """:raises RuntimeError: for a header that would be more than one, or none"""
    for name, value in headers:
        if not name or _BAD_NAME.search(name) or _BAD_VALUE.search(value):
            raise RuntimeError(f"Bad HTTP header: {name!r}: {value!r}")


def refusal(refused: Refused, default_headers: Iterable[Header]) -> bytes:
    """The answer to a message that is refused."""
    body = refused.text.encode()
    headers = [
        *default_headers,
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    return head(refused.status, headers) + body
