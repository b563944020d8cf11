"""Deflating data sets (PS3.5 annex A.5)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator


def deflated(parts: Iterable[bytes]) -> Iterator[bytes]:
    """A data set in explicit little endian, as a raw deflate stream (RFC 1951) of an even length."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    size = 0
    for part in parts:
        piece = deflater.compress(part)
        size += len(piece)
        yield piece
    last = deflater.flush()
    yield last + b"\0" * ((size + len(last)) % 2)
