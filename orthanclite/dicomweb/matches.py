"""Matches of searches as they are sent."""

from __future__ import annotations

from collections.abc import Iterable

from isal import igzip

from orthanclite.web.answers.compression import choose_encoding
from orthanclite.web.answers.responses import Response, bytes_response
from orthanclite.web.call import Call

_ZIPPED = 1024
"""Bytes of an answer that is worth compressing."""


def whole_response(call: Call, body: bytes, media_type: str) -> Response:
    """An answer that is complete, in gzip where that is worth it and the client takes it."""
    accepted = choose_encoding(call.header("accept-encoding").encode("latin-1"))
    zipped = len(body) >= _ZIPPED and accepted == b"gzip"
    response = bytes_response(igzip.compress(body, 1) if zipped else body, media_type)
    if zipped:
        response.with_header("Content-Encoding", "gzip")
    return response.with_header("Vary", "accept, accept-encoding")


def with_warnings(response: Response, base: str, warnings: Iterable[str]) -> Response:
    """``response`` with a header for each warning (PS3.18 section 8.4.3, RFC 7234 section 5.5)."""
    for warning in warnings:
        response.with_header("Warning", f"299 {base}: {warning}")
    return response
