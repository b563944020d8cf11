"""The resources that paths name, and what all routes below the root have in common."""

from __future__ import annotations

from orthanclite.services.dicomweb.locator import UidPath
from orthanclite.web.answers.responses import Response
from orthanclite.web.call import Call

STUDY = "/studies/{study}"
SERIES = f"{STUDY}/series/{{series}}"
INSTANCE = f"{SERIES}/instances/{{instance}}"
_DAY = 86400
"""Seconds for which a client need not ask whether what it has is still the same."""
LEVELS = (STUDY, SERIES, INSTANCE)


def uid_path(call: Call) -> UidPath:
    """The resource that the path of a request names."""
    params = call.params
    return UidPath(params["study"], params.get("series", ""), params.get("instance", ""))


def not_modified(call: Call, tag: str) -> bool:
    """Whether the client has the answer with this entity tag already (RFC 9110 section 13.1.2)."""
    known = call.header("if-none-match")
    if not known:
        return False
    return known.strip() == "*" or tag in [one.strip().removeprefix("W/") for one in known.split(",")]


def with_tag(response: Response, tag: str, lasting: bool) -> Response:
    """``response``, which the client has chosen by ``Accept``, with its entity tag.

    :param lasting: whether it hardly changes, so that a client need not even ask
    """
    # Not for ever: whoever modifies an instance may choose to keep its UID.
    age = f"max-age={_DAY}" if lasting else "no-cache"
    response.with_header("ETag", tag).with_header("Cache-Control", f"private, {age}")
    return response.with_header("Vary", "accept")
