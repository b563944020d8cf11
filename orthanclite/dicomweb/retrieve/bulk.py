"""Bulk data: single values of instances, by their paths (PS3.18 section 10.4.1.1.6)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orthanclite.core.errors import BadRequest, UnknownResource
from orthanclite.core.main_tags import PIXEL_DATA
from orthanclite.core.text.multipart import Part
from orthanclite.dicomweb.negotiation import Offer, Range, choose, ranges, takes_range
from orthanclite.dicomweb.paths import INSTANCE, not_modified, uid_path, with_tag
from orthanclite.dicomweb.retrieve.frames import OCTET_STREAM, stored_type
from orthanclite.services.content.files import StoredFile
from orthanclite.services.dicomweb.bulk import BulkService
from orthanclite.services.dicomweb.locator import Locator
from orthanclite.web.answers.ranges import content_response
from orthanclite.web.answers.related import related_response
from orthanclite.web.answers.responses import Response
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Router

_TAG = re.compile(r"[0-9a-fA-F]{8}", re.ASCII)
_ITEM = re.compile(r"[1-9]\d{0,8}", re.ASCII)


class BulkAnswers:
    """Sends bulk data.

    :param lasting: whether a stored instance never changes
    """

    def __init__(self, locator: Locator, bulk: BulkService, lasting: bool) -> None:
        self._locator = locator
        self._bulk = bulk
        self._lasting = lasting

    def answer(self, call: Call) -> Response:
        """The value that the path leads to.

        :raises BadRequest: for what is no path of tags and items.
        :raises UnknownResource: where nothing is there.
        :raises NotAcceptable: where the client accepts no bytes.
        """
        segments = _segments(call.params["path"])
        file = StoredFile.of(self._locator.instance(uid_path(call)))
        wanted = ranges(call)
        browser = any(one.media_type == "text/html" for one in wanted)
        stored = stored_type(file.transfer_syntax)
        pixels = segments == [f"{PIXEL_DATA:08x}"]
        chosen = choose(wanted, lambda one: _offers(one, browser, stored if pixels else OCTET_STREAM))
        tag = f'"{file.attachment.uuid}-{"/".join(segments)}-{chosen.parts}-{chosen.media_type}"'
        if not_modified(call, tag):
            return with_tag(Response(304), tag, self._lasting)
        values = self._bulk.find(file, segments)
        if values is None:
            raise UnknownResource("There is no such value")
        media_type = chosen.media_type
        if len(values) == 1 and (not chosen.parts or takes_range(call, wanted, chosen)):
            value = values[0]
            response = content_response(call, value.size, value.read, media_type)
            response.with_header("Accept-Ranges", "bytes")
        else:
            parts = [Part(media_type, value, value.size) for value in values]
            response = related_response(parts, media_type)
        return with_tag(response, tag, self._lasting)


def bulk_routes(root: str, answers: BulkAnswers) -> Router:
    """The route that sends bulk data."""
    router = Router("DICOMweb")
    router.get(
        f"{root}{INSTANCE}/bulk/{{path:path}}",
        "Bulk data: a value (WADO-RS)",
        description="The path is a tag, or the tag of a sequence, the number of an item counted from 1, and "
        "a tag in it. Pixel data in fragments are sent as one part for each frame.",
        query=[Arg("accept", "Media types, in place of the header Accept")],
        headers=[Arg("Range", "A part of the value")],
        answers=("multipart/related", OCTET_STREAM),
    )(answers.answer)
    return router


def _offers(wanted: Range, browser: bool, stored: str) -> Iterator[Offer]:
    """What can be sent to a client that accepts ``wanted``.

    :param browser: whether somebody looks at it, who has no use for parts
    :param stored: the media type of the value
    """
    asked = wanted.transfer_syntax
    for media_type in dict.fromkeys((OCTET_STREAM, stored)):
        if wanted.parts is not False:
            yield Offer(media_type, True, asked, cost=int(browser and wanted.parts is None))
        if wanted.parts is not True:
            yield Offer(media_type, False, asked, cost=int(not browser and wanted.parts is None))


def _segments(path: str) -> list[str]:
    """Tags and, between them, numbers of items.

    :raises BadRequest: for anything else.
    """
    segments = path.strip("/").lower().split("/")
    for position, segment in enumerate(segments):
        if not (_ITEM if position % 2 else _TAG).fullmatch(segment):
            raise BadRequest(f"Not the path of a value: {path}")
    if len(segments) % 2 == 0:
        raise BadRequest(f"The path of a value ends with a tag: {path}")
    return segments
