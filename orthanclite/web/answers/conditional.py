"""Revisions as HTTP sees them: ``ETag``, ``If-Match``, ``If-None-Match`` of metadata and attachments."""

from __future__ import annotations

from orthanclite.core.errors import ParameterOutOfRange
from orthanclite.core.text.numbers import natural
from orthanclite.web.answers.responses import Response, header
from orthanclite.web.call import Call

Revision = tuple[int, str]
"""A revision number and the MD5 (hex) of the value that it had."""


class MalformedCondition(ParameterOutOfRange):
    """A header ``If-None-Match`` that names no revision; the answer tells the one that there is."""

    def __init__(self, details: str, etag: str) -> None:
        super().__init__(details)
        self.headers = [header("etag", etag)]


def etag(revision: int, md5: str) -> str:
    """The value of ``ETag``, with its quotes."""
    return f'"{revision}-{md5}"'


def with_etag(response: Response, revision: int, md5: str) -> Response:
    return response.with_header("etag", etag(revision, md5))


def expected_revision(call: Call, name: str = "if-match") -> Revision | None:
    """The revision that a header of the request names; None without that header.

    :raises ParameterOutOfRange: where it is not ``revision-md5``, with or without quotes.
    """
    value = call.header(name).strip()
    if not value:
        return None
    number, dash, md5 = value.strip('"').partition("-")
    revision = natural(number)
    if not dash or revision is None:
        raise ParameterOutOfRange(f'The "{name.title()}" HTTP header should be a "Revision-MD5" pair')
    return revision, md5


def not_modified(call: Call, revision: int, md5: str) -> Response | None:
    """The answer 304 if the client has this very revision (``If-None-Match``), else None.

    :raises MalformedCondition: for a malformed header.
    """
    tag = etag(revision, md5)
    try:
        known = expected_revision(call, "if-none-match")
    except ParameterOutOfRange as exc:
        raise MalformedCondition(exc.details, tag) from exc
    return Response(304, b"", [header("etag", tag)]) if known == (revision, md5) else None
