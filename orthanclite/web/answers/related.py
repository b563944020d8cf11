"""``multipart/related`` (RFC 2387): several contents in one answer."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from orthanclite.core.machine.buffers import SMALL_SIZE
from orthanclite.core.text.multipart import Part, joined, joined_length, joined_parts
from orthanclite.web.answers.responses import Response, StreamResponse, bytes_response


def related_response(parts: Iterable[Part], media_type: str) -> Response:
    """200 with ``parts``, one after the other.

    Its length is told where all parts are known at once, which a sequence of them says.

    :param media_type: of the parts; that of the first one where they differ
    """
    boundary = uuid.uuid4().hex
    content_type = f'multipart/related; type="{media_type}"; boundary={boundary}'
    if not isinstance(parts, Sequence):
        return StreamResponse(joined_parts(parts, boundary), content_type)
    length = joined_length(parts, boundary)
    if length <= SMALL_SIZE:
        return bytes_response(joined(parts, boundary), content_type)
    return StreamResponse(joined_parts(parts, boundary), content_type, length)
