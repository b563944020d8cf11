"""How failures look to a client: status, and Orthanc's JSON body about the error."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from orthanclite.core.errors import OrthancError
from orthanclite.core.text.styled_json import dumps_error
from orthanclite.web.answers.responses import Response

_TEXT_PLAIN = (b"content-type", b"text/plain")


def error_response(error: OrthancError, method: str, uri: str, describe: bool = True) -> Response:
    """The answer for ``error``; ``describe`` is the option ``HttpDescribeErrors``.

    An error may carry an attribute ``headers``, sent with the answer.
    """
    headers = list(getattr(error, "headers", ()))
    if not describe:
        return Response(error.status, b"", headers)
    content: dict[str, Any] = {
        "HttpError": _phrase(error.status),
        "HttpStatus": error.status,
        "Message": error.message,
        "Method": method,
        "OrthancError": error.message,
        "OrthancStatus": error.code,
        "Uri": uri,
    }
    if error.details:
        content["Details"] = error.details
    if error.payload is not None:
        content["ErrorPayload"] = error.payload
    return Response(error.status, dumps_error(content), [_TEXT_PLAIN, *headers])


def unanswered(method: str) -> Response:
    """The empty answer of a handler that has nothing to say (it returned None)."""
    return Response(400 if method == "POST" else 404)


def method_not_allowed(allowed: list[str]) -> Response:
    """405 for a known URI; ``allowed`` are the methods it has."""
    return Response(405, b"", [(b"allow", ",".join(allowed).encode("ascii"))])


def _phrase(status: int) -> str:
    # 413 and 416 have newer names in Python than the ones Orthanc prints.
    names = {413: "Request Entity Too Large", 416: "Requested Range Not Satisfiable"}
    return names.get(status) or HTTPStatus(status).phrase
