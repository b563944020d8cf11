"""Compressed answers (``HttpCompressionEnabled``)."""

from __future__ import annotations

import gzip
import zlib

from orthanclite.web.answers.responses import Response, StreamResponse

_MINIMUM = 256
_LEVEL = 1
"""Speed matters more than the last percent: the client waits."""

# Types whose content is compressed already, or whose length and ranges clients rely on.
_LEFT_ALONE = (b"image/", b"application/zip", b"application/gzip", b"video/")


def compress(response: Response, accept_encoding: bytes) -> Response:
    """``response`` in an encoding that the client accepts, where that makes it smaller."""
    if isinstance(response, StreamResponse) or len(response.body) < _MINIMUM or response.status == 206:
        return response
    if any(_is_left_alone(name, value) for name, value in response.headers):
        return response
    encoding = choose_encoding(accept_encoding)
    if encoding is None:
        return response
    body = response.body
    packed = gzip.compress(body, _LEVEL, mtime=0) if encoding == b"gzip" else zlib.compress(body, _LEVEL)
    if len(packed) < len(body):
        response.body = packed
        response.headers += [(b"content-encoding", encoding), (b"vary", b"accept-encoding")]
    return response


def accepted_encodings(accept_encoding: bytes) -> frozenset[bytes]:
    """The content codings that a client names and does not refuse (RFC 9110, 12.5.3), in lower case."""
    accepted = set()
    for part in accept_encoding.lower().split(b","):
        name, _, quality = part.partition(b";")
        if quality.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"):
            accepted.add(name.strip())
    return frozenset(accepted)


def _is_left_alone(name: bytes, value: bytes) -> bool:
    return name == b"content-encoding" or (name == b"content-type" and value.startswith(_LEFT_ALONE))


def choose_encoding(accept_encoding: bytes) -> bytes | None:
    """The encoding, gzip or deflate, that a client accepts; None where it accepts neither."""
    accepted = accepted_encodings(accept_encoding)
    if b"gzip" in accepted:
        return b"gzip"
    return b"deflate" if b"deflate" in accepted else None
