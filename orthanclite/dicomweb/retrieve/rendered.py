"""Pictures of instances, series and studies (PS3.18 sections 10.4.1.1.3 and 10.4.1.1.4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial

from orthanclite.core.errors import BadRequest, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import Parts, Resource
from orthanclite.core.ports import Resources
from orthanclite.core.text.multipart import Part
from orthanclite.dicom.pixels.showing.profiles import Profile
from orthanclite.dicomweb.negotiation import Offer, Range, choose, ranges
from orthanclite.dicomweb.paths import INSTANCE, LEVELS, not_modified, uid_path, with_tag
from orthanclite.dicomweb.retrieve.frames import frame_numbers
from orthanclite.dicomweb.retrieve.looks import quality, refuse_annotations, render_options
from orthanclite.services.content.files import StoredFile
from orthanclite.services.dicomweb.locator import Locator, UidPath
from orthanclite.services.dicomweb.pictures import GIF, JPEG, PICTURES, Look, PictureService
from orthanclite.services.dicomweb.representatives import Representatives
from orthanclite.web.answers.ranges import content_response
from orthanclite.web.answers.related import related_response
from orthanclite.web.answers.responses import Response
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Router

_THUMBNAIL = 256
"""The side of the box that a thumbnail fits into, in pixels, unless the client says otherwise."""

_QUERY = (
    Arg("accept", "Media types, in place of the header Accept"),
    Arg("quality", "Quality of JPEG, from 1 to 100", "number"),
    Arg("viewport", "Width and height, and the region of the image: vw,vh,sx,sy,sw,sh"),
    Arg("window", "Center, width and function: linear, linear-exact or sigmoid"),
    Arg("iccprofile", "The colour profile in the picture: no, yes for that of the image, or srgb"),
)


class RenderedAnswers:
    """Sends pictures.

    :param lasting: whether a stored instance never changes
    """

    def __init__(
        self,
        locator: Locator,
        resources: Resources,
        representatives: Representatives,
        pictures: PictureService,
        lasting: bool,
    ) -> None:
        self._locator = locator
        self._resources = resources
        self._representatives = representatives
        self._pictures = pictures
        self._lasting = lasting

    def answer(self, call: Call, thumbnail: bool) -> Response:
        """The pictures of what the path names: all where the client wants parts, else one.

        :raises BadRequest: for parameters that are malformed, or not supported.
        :raises UnknownResource: for a resource or frame that is not there.
        :raises NotAcceptable: where the client accepts no picture of it.
        """
        refuse_annotations(call)
        look = Look(JPEG, quality(call, "quality"), render_options(call, _THUMBNAIL if thumbnail else 0))
        path = uid_path(call)
        numbers = frame_numbers(call.params.get("frames"))
        first = self._shown(path)
        natural = JPEG if thumbnail or numbers else self._pictures.natural_type(first)
        chosen = choose(ranges(call), partial(_offers, natural=natural, thumbnail=thumbnail))
        look = Look(chosen.media_type, look.quality, look.options)
        if chosen.media_type == GIF and look.options.profile is not Profile.NONE:
            raise BadRequest("GIF pictures hold no colour profile")
        if chosen.media_type == natural != JPEG:
            stored = self._pictures.as_stored(first)
            return content_response(call, stored.size, stored.read, chosen.media_type)
        frames = [number - 1 for number in numbers]
        if chosen.parts:
            if frames:
                self._pictures.check(first, frames)  # before the first part is on its way
            shown = [first] if path.level is Level.INSTANCE else self._instances(path)
            return related_response(self._all(path.level, shown, frames, look), look.media_type)
        kind = hashlib.blake2b(repr((numbers, look)).encode(), digest_size=8).hexdigest()
        tag = f'"{StoredFile.of(first).attachment.uuid}-{kind}"'
        if not_modified(call, tag):
            return with_tag(Response(304), tag, self._lasting and path.level is Level.INSTANCE)
        symbol = self._pictures.symbol(first) if thumbnail and not numbers else None
        if symbol is not None:
            content = self._pictures.drawn(symbol, look)
        else:
            animated = look.media_type == GIF and not thumbnail
            every = range(self._pictures.frame_count(first)) if animated else (0,)
            content = self._pictures.picture(first, frames or every, look)
        response = Response(200, content).with_header("Content-Type", look.media_type)
        return with_tag(response, tag, self._lasting and path.level is Level.INSTANCE)

    def _shown(self, path: UidPath) -> Resource:
        """The instance that is shown where one is."""
        if path.level is Level.INSTANCE:
            return self._locator.instance(path)
        return self._representatives.of(self._locator.find(path))

    def _instances(self, path: UidPath) -> list[Resource]:
        ids: list[str] = []
        for found in self._locator.find(path):
            ids += self._resources.descendant_ids(found.level, found.id, Level.INSTANCE)
        instances = self._resources.get_many(Level.INSTANCE, ids, Parts.ATTACHMENTS)
        if not instances:
            raise UnknownResource
        return sorted(instances, key=lambda one: (one.parent_id or "", _number(one), one.id))

    def _all(
        self, level: Level, instances: Sequence[Resource], wanted: Sequence[int], look: Look
    ) -> Iterator[Part]:
        for instance in instances:
            try:
                frames = wanted or range(self._pictures.frame_count(instance))
            except UnknownResource:
                if level is Level.INSTANCE:
                    raise
                continue  # a report among the images
            for frame in frames:
                content = self._pictures.picture(instance, (frame,), look)
                yield Part(look.media_type, (content,), len(content))


def rendered_routes(root: str, answers: RenderedAnswers) -> Router:
    """Routes that send pictures."""
    router = Router("DICOMweb", slow=True)

    def add(path: str, thumbnail: bool) -> None:
        @router.get(
            f"{root}{path}/{'thumbnail' if thumbnail else 'rendered'}",
            "A small picture (WADO-RS)" if thumbnail else "Pictures, as a viewer shows them (WADO-RS)",
            query=_QUERY,
            answers=(*PICTURES, "video/mp4", "application/pdf"),
        )
        def get_rendered(call: Call) -> Response:
            return answers.answer(call, thumbnail)

    for place in (*LEVELS, f"{INSTANCE}/frames/{{frames}}"):
        add(place, thumbnail=False)
        add(place, thumbnail=True)
    return router


def _offers(wanted: Range, natural: str, thumbnail: bool) -> Iterator[Offer]:
    """What can be sent to a client that accepts ``wanted``.

    :param natural: the media type that costs nothing
    """
    # Of a video or a document there are no pictures.
    for media_type in PICTURES if natural == JPEG else (natural,):
        cost = 0 if media_type == natural else 2
        if wanted.parts is not True:
            yield Offer(media_type, False, wanted.transfer_syntax, cost=cost)
        if wanted.parts is not False and not thumbnail and media_type in PICTURES:
            # Who accepts anything gets one picture, as ever.
            yield Offer(media_type, True, wanted.transfer_syntax, cost=cost + (wanted.parts is None))


def _number(instance: Resource) -> float:
    try:
        return float(instance.tags.get("0020,0013", ""))
    except ValueError:
        return 0.0
