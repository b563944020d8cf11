"""Archives and media: ``/{level}/{id}/archive`` and ``media``, ``/tools/create-archive`` and its relatives.

A streamed archive has no size before it is complete, so it cannot be continued by ``Range`` (RFC 9110
section 14: the header is ignored). With ``SynchronousZipStream`` off it is made first, and can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from orthanclite.core.errors import BadFileFormat, BadRequest
from orthanclite.core.levels import Level
from orthanclite.core.principal import Access
from orthanclite.core.text.fields import boolean_field, integer_field, string_field
from orthanclite.jobs.engine import JobEngine
from orthanclite.jobs.kinds.archive import ArchiveKind
from orthanclite.rest.resources.views import check_identifiers, quality_argument
from orthanclite.rest.submission import done
from orthanclite.services.archive.plan import Layout
from orthanclite.services.archive.service import ArchiveRequest, ArchiveService
from orthanclite.web.answers.ranges import download_response
from orthanclite.web.answers.responses import Response, StreamResponse
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Body, Router

_MEDIA_TYPE = "application/zip"

_QUERY = (
    Arg("filename", "Name of the file in the header Content-Disposition"),
    Arg("transcode", "Transfer syntax that the files are changed to"),
    Arg("lossy-quality", "Quality of lossy JPEG, from 1 to 100", "number"),
)
_EXTENDED = Arg("extended", "If present, the DICOMDIR has optional attributes, such as SeriesDescription")
_FIELDS = {
    "Synchronous": "boolean: Answer with the archive (the default)",
    "Asynchronous": "boolean: Answer with the job that makes the archive",
    "Filename": "string: Name of the file in the header Content-Disposition",
    "Transcode": "string: Transfer syntax that the files are changed to",
    "LossyQuality": "number: Quality of lossy JPEG, from 1 to 100",
    "Utf8": "boolean: Names in UTF-8 (by default, what the option ZipUseUtf8 says)",
    "Priority": "number: Priority of the job",
    "Permissive": "boolean: The job succeeds although instances could not be archived, or not as asked for",
    "UserData": "any: Kept with the job",
}
_RESOURCES = {"Resources": "array: Orthanc identifiers, of any level"}
_EXTENDED_FIELD = {"Extended": "boolean: The DICOMDIR has optional attributes"}


@dataclass(frozen=True, slots=True)
class _Kind:
    """One of the operations."""

    layout: Layout
    extended: bool = False  # unless the request says otherwise

    @property
    def media(self) -> bool:
        return self.layout is Layout.MEDIA


class ArchiveKinds(NamedTuple):
    """What makes archives in jobs."""

    archive: ArchiveKind
    media: ArchiveKind


def archive_routes(
    archives: ArchiveService, engine: JobEngine, kinds: ArchiveKinds, stream: bool = True
) -> Router:
    """Routes that answer ZIP files, or have them made in jobs.

    :param stream: the option ``SynchronousZipStream``
    """
    router = Router("Archives")
    handlers = _Handlers(archives, engine, kinds, stream)
    for level in (Level.PATIENT, Level.STUDY, Level.SERIES):
        # A series that is posted alone is not put into folders for its patient and study.
        posted = Layout.SERIES if level is Level.SERIES else Layout.FULL
        _add_level(router, handlers, level, "archive", _Kind(Layout.FULL), _Kind(posted))
        _add_level(router, handlers, level, "media", _Kind(Layout.MEDIA), _Kind(Layout.MEDIA))
    _add_tool(router, handlers, "/tools/create-archive", "Create archive", _Kind(Layout.FULL))
    _add_tool(router, handlers, "/tools/create-media", "Create media", _Kind(Layout.MEDIA))
    extended = _Kind(Layout.MEDIA, extended=True)
    _add_tool(router, handlers, "/tools/create-media-extended", "Create media, extended", extended)
    return router


def _add_level(router: Router, handlers: _Handlers, level: Level, name: str, get: _Kind, post: _Kind) -> None:
    path = f"/{level.plural}/{{id}}/{name}"
    summary = f"Create {'an archive' if name == 'archive' else 'a DICOM medium'} of one {level.label.lower()}"
    extended = (_EXTENDED,) if get.media else ()
    fields = {**_FIELDS, **(_EXTENDED_FIELD if post.media else {})}

    @router.get(path, summary, query=(*_QUERY, *extended), answers=_MEDIA_TYPE)
    def on_get(call: Call) -> Response:
        return handlers.get_resource(call, level, get)

    @router.post(path, summary, body=Body(fields=fields), answers=_MEDIA_TYPE, access=Access.READ)
    def on_post(call: Call) -> Response:
        return handlers.post_resource(call, level, post)


def _add_tool(router: Router, handlers: _Handlers, path: str, summary: str, kind: _Kind) -> None:
    resources = Arg("resources", "Orthanc identifiers of any level, separated by commas")
    fields = {**_RESOURCES, **_FIELDS, **(_EXTENDED_FIELD if kind.media else {})}

    @router.get(path, summary, query=(resources, *_QUERY), answers=_MEDIA_TYPE)
    def on_get(call: Call) -> Response:
        return handlers.get_many(call, kind)

    @router.post(path, summary, body=Body(fields=fields), answers=_MEDIA_TYPE, access=Access.READ)
    def on_post(call: Call) -> Response:
        return handlers.post_many(call, kind)


class _Handlers:
    def __init__(
        self, archives: ArchiveService, engine: JobEngine, kinds: ArchiveKinds, stream: bool
    ) -> None:
        self._archives = archives
        self._engine = engine
        self._kinds = kinds
        self._stream = stream

    def get_resource(self, call: Call, level: Level, kind: _Kind) -> Response:
        id = call.params["id"]
        extended = kind.media and call.has("extended")
        request = _query_request(call, [id], level, kind.layout, extended)
        return self._answer(call, request, call.argument("filename", f"{id}.zip"))

    def post_resource(self, call: Call, level: Level, kind: _Kind) -> Response:
        id = call.params["id"]
        body = call.json()
        # The reference accepts any JSON here, and looks only into objects.
        fields = body if isinstance(body, dict) else {}
        request = _body_request(fields, [id], level, kind)
        return self._answer_body(call, request, string_field(fields, "Filename", f"{id}.zip"), fields)

    def get_many(self, call: Call, kind: _Kind) -> Response:
        if not call.has("resources"):
            raise BadRequest("Missing resources argument")
        ids = [id for id in call.argument("resources").split(",") if id]
        request = _query_request(call, ids, None, kind.layout, kind.extended)
        return self._answer(call, request, call.argument("filename", "Archive.zip"))

    def post_many(self, call: Call, kind: _Kind) -> Response:
        expected = "Expected a list of resources to archive in the body"
        try:
            body = call.json()
        except BadFileFormat as exc:
            raise BadFileFormat(expected) from exc
        if isinstance(body, list):
            ids, fields = body, {}
        elif isinstance(body, dict):
            if "Resources" not in body:
                raise BadFileFormat("Missing field Resources in the JSON body")
            ids, fields = body["Resources"], body
        else:
            raise BadFileFormat(expected)
        if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
            raise BadFileFormat("Expected a list of strings (Orthanc identifiers)")
        check_identifiers(ids)
        request = _body_request(fields, ids, None, kind)
        return self._answer_body(call, request, string_field(fields, "Filename", "Archive.zip"), fields)

    def _answer_body(
        self, call: Call, request: ArchiveRequest, filename: str, fields: Mapping[str, Any]
    ) -> Response:
        """The archive itself, or the job that makes it."""
        asynchronous = boolean_field(fields, "Asynchronous", False)
        synchronous = boolean_field(fields, "Synchronous", not asynchronous)
        priority = integer_field(fields, "Priority", 0, minimum=-(2**63))
        user_data = fields.get("UserData")
        permissive = boolean_field(fields, "Permissive", False)
        if synchronous:
            return self._answer(call, request, filename)
        kind = self._kinds.media if request.layout is Layout.MEDIA else self._kinds.archive
        submission = kind.submission(
            request, filename, priority=priority, permissive=permissive, user_data=user_data
        )
        return done(self._engine, submission, synchronous=False)

    def _answer(self, call: Call, request: ArchiveRequest, filename: str) -> Response:
        if not self._stream:
            spool = self._archives.spool(request)
            return download_response(call, spool.size, spool.pieces, _MEDIA_TYPE, filename, spool.tag)
        chunks = self._archives.writer(request).stream()
        return StreamResponse(chunks, _MEDIA_TYPE, filename=filename).with_header("Accept-Ranges", "none")


def _query_request(
    call: Call, ids: list[str], level: Level | None, layout: Layout, extended: bool
) -> ArchiveRequest:
    return ArchiveRequest(
        ids,
        layout,
        level,
        extended,
        transfer_syntax=call.argument("transcode") if call.has("transcode") else None,
        lossy_quality=quality_argument(call),
    )


def _body_request(
    fields: Mapping[str, Any], ids: list[str], level: Level | None, kind: _Kind
) -> ArchiveRequest:
    return ArchiveRequest(
        ids,
        kind.layout,
        level,
        boolean_field(fields, "Extended", kind.extended) if kind.media else False,
        boolean_field(fields, "Utf8") if "Utf8" in fields else None,
        string_field(fields, "Transcode") or None,
        integer_field(fields, "LossyQuality", 0) if "LossyQuality" in fields else None,
    )
