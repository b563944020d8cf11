"""The forms in which data sets are sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from isal import igzip

from orthanclite.core.text.multipart import Part
from orthanclite.dicomweb.negotiation import Offer
from orthanclite.web.answers.compression import choose_encoding
from orthanclite.web.answers.related import related_response
from orthanclite.web.answers.responses import Response, bytes_response
from orthanclite.web.call import Call

JSON = "application/dicom+json"
XML = "application/dicom+xml"

REPRESENTATIONS = (Offer(JSON), Offer("application/json"), Offer(JSON, parts=True), Offer(XML, parts=True))
"""How data sets can be sent. Some clients ask for parts of JSON, which there are none: they get the array."""

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


def xml_response(documents: Iterable[bytes]) -> Response:
    """Data sets in XML, a part for each; streamed unless they are a sequence."""
    if isinstance(documents, Sequence):
        return related_response([Part(XML, (one,), len(one)) for one in documents], XML)
    return related_response((Part(XML, (one,), len(one)) for one in documents), XML)
