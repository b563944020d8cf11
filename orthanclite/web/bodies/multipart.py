"""Which bodies are forms, ``multipart/form-data`` (RFC 7578): each part becomes a POST of its own."""

from __future__ import annotations

from orthanclite.web.media_types import parse_media_type


def boundary_of(content_type: str) -> str | None:
    """The boundary that a ``Content-Type`` declares; None where it is no form with files.

    Blanks around ``;`` and ``=`` and quotes around the value are tolerated.

    >>> boundary_of('multipart/form-data ; boundary = "abc"')
    'abc'
    """
    media_type = parse_media_type(content_type)
    if media_type.name != "multipart/form-data":
        return None
    return media_type.parameters.get("boundary", "").strip() or None
