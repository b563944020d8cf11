"""What the files say: tags, headers, raw contents, modules, and the files themselves."""

from __future__ import annotations

from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import SMALL_SIZE
from orthanclite.dicom.renderings.tags_json import Style
from orthanclite.rest.resources.views import STYLE_ARGUMENTS, object_response, style_of
from orthanclite.services.content.attachments import OCTET_STREAM
from orthanclite.services.content.pieces import Content
from orthanclite.services.content.tags import TagService, TagsFormat
from orthanclite.web.answers.ranges import read_chunks
from orthanclite.web.answers.responses import (
    Response,
    StreamResponse,
    bytes_response,
    json_bytes,
    json_response,
)
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Router

_WHOLE = Arg("whole", "If present, tags behind the pixel data are shown, too", "boolean")
_IGNORE_LENGTH = Arg("ignore-length", "Tags whose value is shown however long it is, separated by commas")


def tag_routes(tags: TagService) -> Router:
    """Routes that show what the files of instances contain."""
    router = Router("Tags")
    _add_instance(router, tags)
    _add_content(router, tags)
    for level in Level:
        _add_module(router, level, level, "module", tags)
        if level is not Level.INSTANCE:
            _add_summaries(router, level, tags)
    _add_module(router, Level.STUDY, Level.PATIENT, "module-patient", tags)
    return router


def _add_instance(router: Router, tags: TagService) -> None:
    _add_tags(router, tags, "tags", "Get the DICOM tags", None)
    _add_tags(router, tags, "simplified-tags", "Get the DICOM tags by name", Style.SIMPLE)

    @router.get("/instances/{id}/header", "Get the file meta information", query=STYLE_ARGUMENTS)
    def get_header(call: Call) -> Response:
        return json_bytes(tags.header(call.params["id"], style_of(call, Style.FULL)))

    @router.get("/instances/{id}/pdf", "Get the PDF document", answers="application/pdf")
    def get_pdf(call: Call) -> Response | None:
        document = tags.pdf(call.params["id"])
        return None if document is None else bytes_response(document, "application/pdf")


def _add_tags(router: Router, tags: TagService, name: str, summary: str, style: Style | None) -> None:
    """:param style: the form of the tags; None where the arguments choose it"""

    def format_of(call: Call) -> TagsFormat:
        return _format(call, tags, style or style_of(call, Style.FULL))

    def get_known_tags(call: Call) -> Response | None:
        known = tags.known_tags(call.params["id"], format_of(call))
        return None if known is None else json_bytes(known)

    @router.get(
        f"/instances/{{id}}/{name}",
        summary,
        query=[*(() if style else STYLE_ARGUMENTS), _WHOLE, _IGNORE_LENGTH],
        quick=get_known_tags,
    )
    def get_tags(call: Call) -> Response:
        return json_bytes(tags.tags(call.params["id"], format_of(call)))


def _add_content(router: Router, tags: TagService) -> None:
    @router.get(
        "/instances/{id}/content/{path:path}",
        "Get a raw tag",
        description="The path alternates tags and indices of items: 0008-1140/0/0008-1155. Data sets, "
        "sequences and encapsulated pixel data list what is below them.",
        answers=(OCTET_STREAM, "application/json"),
    )
    def get_content(call: Call) -> Response | None:
        path = [segment for segment in call.params["path"].split("/") if segment]
        found = tags.content(call.params["id"], path)
        if found is None:
            return None
        return json_response(found) if isinstance(found, list) else _raw_response(found)


def _add_module(router: Router, level: Level, module: Level, name: str, tags: TagService) -> None:
    @router.get(
        f"/{level.plural}/{{id}}/{name}",
        f"Get the tags of a {level.label.lower()} that describe the {module.label.lower()}",
        query=[*STYLE_ARGUMENTS, _IGNORE_LENGTH],
    )
    def get_module(call: Call) -> Response:
        format = _format(call, tags, style_of(call, Style.FULL))
        return json_bytes(tags.module(level, call.params["id"], module, format))


def _add_summaries(router: Router, level: Level, tags: TagService) -> None:
    name = level.label.lower()

    @router.get(
        f"/{level.plural}/{{id}}/instances-tags",
        f"Get the tags of all instances of a {name}",
        query=[*STYLE_ARGUMENTS, _IGNORE_LENGTH],
    )
    def get_instances_tags(call: Call) -> Response:
        format = _format(call, tags, style_of(call, Style.FULL))
        count, members = tags.instances_tags(level, call.params["id"], format)
        return object_response(members, count)

    @router.get(
        f"/{level.plural}/{{id}}/shared-tags",
        f"Get the tags that all instances of a {name} share",
        query=STYLE_ARGUMENTS,
    )
    def get_shared_tags(call: Call) -> Response:
        return json_response(tags.shared_tags(level, call.params["id"], style_of(call, Style.FULL)))


def _format(call: Call, tags: TagService, style: Style) -> TagsFormat:
    """How the arguments want tags to be shown.

    :raises UnknownDicomTag: for a name in ``ignore-length`` that is no tag.
    """
    names = call.argument("ignore-length").split(",") if call.has("ignore-length") else ()
    return TagsFormat(style, call.flag("whole"), tags.parse_tags(names))


def _raw_response(content: Content) -> Response:
    if content.size <= SMALL_SIZE:
        return bytes_response(content.read(0, content.size), OCTET_STREAM)
    return StreamResponse(read_chunks(content.read, 0, content.size), OCTET_STREAM, content.size)
