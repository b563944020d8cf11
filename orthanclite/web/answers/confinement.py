"""Contents of strangers under media types that browsers run: pages, drawings, XML.

An attachment may have any media type (``UserContentType``), and whoever writes it is not whoever looks at it.
Opened in a browser, a page of this server may do what its user may. So an answer whose type is not known to
be inert comes with a Content Security Policy that takes its origin and its scripts away, unless it has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from orthanclite.web.answers.responses import Header

_SANDBOX: Header = (
    b"content-security-policy",
    b"sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'",
)

_INERT = frozenset(
    {
        b"application/dicom",
        b"application/dicom+json",
        b"application/gzip",
        b"application/json",
        b"application/octet-stream",
        b"application/pdf",  # viewers have an origin of their own, and show nothing in a sandbox
        b"application/zip",
        b"image/jp2",
        b"image/jpeg",
        b"image/png",
        b"image/x-portable-arbitrarymap",
        b"multipart/related",
        b"text/plain",
        b"video/mp4",
        b"video/mpeg",
    }
)


@lru_cache(maxsize=256)
def _is_inert(media_type: bytes) -> bool:
    return media_type.partition(b";")[0].strip().lower() in _INERT


def confined(headers: Sequence[Header]) -> Sequence[Header]:
    """``headers`` of an answer with a body, completed where its media type is not known to be inert."""
    for name, value in headers:
        if name == b"content-type" and _is_inert(value):
            return headers
    if any(name == _SANDBOX[0] for name, _ in headers):
        return headers
    return [*headers, _SANDBOX]
