"""WADO-URI: one object by the query of a URL (PS3.18 chapter 9)."""

from __future__ import annotations

from orthanclite.core.errors import BadRequest, NotAcceptable, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import IDENTIFIER_OF
from orthanclite.core.model import Parts, Resource
from orthanclite.core.ports import Resources, Search
from orthanclite.core.query import MAXIMUM_PATTERN, Constraint, FindRequest, Match
from orthanclite.core.text.numbers import natural
from orthanclite.dicom.pixels.showing.render import Region, RenderOptions
from orthanclite.dicom.pixels.syntaxes import is_transfer_syntax
from orthanclite.dicomweb.retrieve.instances import DICOM, Transcoder
from orthanclite.dicomweb.retrieve.looks import quality, real, refuse_annotations, side
from orthanclite.services.content.files import InstanceFiles, StoredFile
from orthanclite.services.dicomweb.pictures import GIF, PICTURES, Look, PictureService
from orthanclite.web.answers.ranges import content_response
from orthanclite.web.answers.responses import Response, bytes_response, sized_response
from orthanclite.web.call import Call
from orthanclite.web.media_types import parse_accept
from orthanclite.web.routing import Arg, Router

_UIDS = (("studyUID", Level.STUDY), ("seriesUID", Level.SERIES), ("objectUID", Level.INSTANCE))
_UNSUPPORTED = ("presentationUID", "presentationSeriesUID")

_QUERY = (
    Arg("requestType", "WADO"),
    Arg("studyUID", "StudyInstanceUID"),
    Arg("seriesUID", "SeriesInstanceUID"),
    Arg("objectUID", "SOPInstanceUID"),
    Arg("contentType", "application/dicom, image/jpeg, image/png, image/gif, or as it is stored"),
    Arg("transferSyntax", "Of application/dicom"),
    Arg("frameNumber", "The frame, counted from 1", "number"),
    Arg("rows", "The height of the box that the picture fits into", "number"),
    Arg("columns", "The width of the box that the picture fits into", "number"),
    Arg("region", "Left, top, right and bottom, as parts of the width and of the height from 0 to 1"),
    Arg("windowCenter", "Center of the window", "number"),
    Arg("windowWidth", "Width of the window", "number"),
    Arg("imageQuality", "Quality of JPEG, from 1 to 100", "number"),
)


class WadoUri:
    """Answers requests."""

    def __init__(
        self,
        search: Search,
        resources: Resources,
        files: InstanceFiles,
        transcoder: Transcoder,
        pictures: PictureService,
    ) -> None:
        self._search = search
        self._resources = resources
        self._files = files
        self._transcoder = transcoder
        self._pictures = pictures

    def answer(self, call: Call) -> Response:
        """The object that the query names.

        :raises BadRequest: for a query that is malformed, or asks for what is not supported.
        :raises UnknownResource: where there is no such object, or more than one.
        :raises NotAcceptable: where it cannot be shown so.
        """
        if call.argument("requestType") != "WADO":
            raise BadRequest('The parameter requestType must be "WADO"')
        for name in _UNSUPPORTED:
            if call.argument(name):
                raise BadRequest(f"The parameter {name} is not supported")
        if call.argument("anonymize"):
            raise BadRequest("Objects are not anonymized: the parameter anonymize is not supported")
        refuse_annotations(call)
        instance = self._find(call)
        natural_type = self._pictures.natural_type(instance)
        media_type = _chosen(call, natural_type)
        if media_type == DICOM:
            return self._dicom(call, instance)
        if media_type not in PICTURES:
            content = self._pictures.as_stored(instance)
            return content_response(call, content.size, content.read, media_type)
        look = Look(media_type, quality(call, "imageQuality"), _options(call))
        frame = _frame(call)
        frames: tuple[int, ...] = (frame - 1,) if frame else (0,)
        if media_type == GIF and not frame:
            frames = tuple(range(self._pictures.frame_count(instance)))
        return bytes_response(self._pictures.picture(instance, frames, look), media_type)

    def _find(self, call: Call) -> Resource:
        if not call.argument("objectUID"):
            raise BadRequest("The parameter objectUID is missing")
        constraints = []
        for name, level in _UIDS:
            uid = call.argument(name)
            if len(uid) > MAXIMUM_PATTERN:
                raise UnknownResource
            if uid:
                constraints.append(Constraint(IDENTIFIER_OF[level], Match.EQUAL, (uid,)))
        found = self._search.find_ids(FindRequest(Level.INSTANCE, tuple(constraints)))
        if len(found) > 1:
            raise UnknownResource("More than one object has these UIDs")
        instance = self._resources.get(Level.INSTANCE, found[0], Parts.ATTACHMENTS) if found else None
        if instance is None:
            raise UnknownResource("There is no such object")
        return instance

    def _dicom(self, call: Call, instance: Resource) -> Response:
        file = StoredFile.of(instance)
        syntax = call.argument("transferSyntax").strip()
        name = f"{instance.id}.dcm"
        if not syntax or syntax == file.transfer_syntax:
            return sized_response(self._files.chunks(file), file.attachment.size, DICOM, name)
        if not is_transfer_syntax(syntax):
            raise NotAcceptable(f"Unknown transfer syntax: {syntax}")
        content = self._transcoder.transcode_instance(instance.id, syntax, None)
        return sized_response(content.pieces(0, content.size), content.size, DICOM, name)


def wado_uri_routes(path: str, wado: WadoUri) -> Router:
    """The route of WADO-URI."""
    router = Router("DICOMweb", slow=True)
    router.get(path, "One object (WADO-URI)", query=_QUERY, answers=(DICOM, *PICTURES))(wado.answer)
    return router


def _chosen(call: Call, natural_type: str) -> str:
    """The first of the wanted media types that can be made."""
    wanted = [one.name for one in parse_accept(call.argument("contentType")) if one.quality > 0]
    if not wanted:
        return natural_type
    for name in wanted:
        if name in (DICOM, natural_type, *PICTURES):
            return name
        if name in ("*/*", f"{natural_type.partition('/')[0]}/*"):
            return natural_type
    raise NotAcceptable(f"The object cannot be shown as {wanted[0]}")


def _frame(call: Call) -> int:
    """The frame counted from 1; 0 where none is named."""
    if not call.argument("frameNumber"):
        return 0
    number = natural(call.argument("frameNumber"))
    if not number:
        raise BadRequest("Frames are counted from 1")
    return number


def _options(call: Call) -> RenderOptions:
    def size(name: str) -> int:
        return side(call.argument(name), name) if call.argument(name) else 0

    def number(name: str) -> float | None:
        return real(call.argument(name), name) if call.argument(name) else None

    center, width = number("windowCenter"), number("windowWidth")
    if (center is None) != (width is None):
        raise BadRequest("windowCenter and windowWidth go together")
    return RenderOptions(
        size("columns"), size("rows"), True, center, width, region=_region(call.argument("region"))
    )


def _region(text: str) -> Region | None:
    if not text:
        return None
    parts = [real(part, "region") for part in text.split(",")]
    if len(parts) != 4 or not (0 <= parts[0] < parts[2] <= 1 and 0 <= parts[1] < parts[3] <= 1):
        raise BadRequest("A region has left, top, right and bottom, from 0 to 1")
    left, top, right, bottom = parts
    return Region(left, top, right - left, bottom - top, relative=True)
