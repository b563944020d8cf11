"""Attachments of resources: ``/{level}/{id}/attachments``."""

from __future__ import annotations

from collections.abc import Callable

from orthanclite.core.errors import UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import Attachment
from orthanclite.core.names import is_user_number
from orthanclite.core.principal import Access
from orthanclite.rest.resources.metadata import IF_MATCH, IF_NONE_MATCH
from orthanclite.services.content.attachments import OCTET_STREAM, AttachmentReception, AttachmentService
from orthanclite.web.answers.conditional import expected_revision, not_modified, with_etag
from orthanclite.web.answers.ranges import content_response
from orthanclite.web.answers.responses import (
    Response,
    empty,
    json_response,
    literal_object,
    status_only,
    text_response,
)
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Body, Router

_OPERATIONS = ("compress", "compressed-data", "compressed-size", "data", "info", "is-compressed", "size")
_MD5_OPERATIONS = ("compressed-md5", "md5", "verify-md5")

_FILENAME = Arg("filename", "Name of the file in the header Content-Disposition")
_RANGE = Arg("Range", "Part of the content, e.g. bytes=0-99")

_Show = Callable[[Call, Attachment], Response]


def attachment_routes(attachments: AttachmentService) -> Router:
    """Routes that read and write attachments."""
    router = Router("Attachments")
    for level in Level:
        _add_lists(router, level, attachments)
        _add_contents(router, level, attachments)
        _add_facts(router, level, attachments)
        _add_writing(router, level, attachments)
        _add_actions(router, level, attachments)
    return router


def _path(level: Level, below: str = "") -> str:
    return f"/{level.plural}/{{id}}/attachments/{{name}}{below}"


def _type_of(call: Call, attachments: AttachmentService) -> int:
    return attachments.names.number(call.params["name"])


def _shown(level: Level, attachments: AttachmentService, show: _Show) -> Callable[[Call], Response]:
    """A handler that shows one attachment by ``show``, with the ETag of its content."""

    def handler(call: Call) -> Response:
        type = _type_of(call, attachments)
        attachment = attachments.get(level, call.params["id"], type)
        known = not_modified(call, attachment.revision, attachment.md5)
        return known or with_etag(show(call, attachment), attachment.revision, attachment.md5)

    return handler


def _add_lists(router: Router, level: Level, attachments: AttachmentService) -> None:
    name = level.label.lower()

    @router.get(
        f"/{level.plural}/{{id}}/attachments",
        f"List the attachments of a {name}",
        query=[Arg("full", "If present, the types are shown, too", "boolean")],
    )
    def list_attachments(call: Call) -> Response:
        types = attachments.all(level, call.params["id"])
        name_of = attachments.names.name
        if call.has("full"):
            return json_response({name_of(type): type for type in types})
        return json_response([name_of(type) for type in types])

    def list_operations(call: Call, attachment: Attachment) -> Response:
        names = {*_OPERATIONS, "uncompress", *(_MD5_OPERATIONS if attachment.md5 else ())}
        return json_response(sorted(names))

    router.get(_path(level), f"List the operations on an attachment of a {name}", headers=[IF_NONE_MATCH])(
        _shown(level, attachments, list_operations)
    )


def _add_contents(router: Router, level: Level, attachments: AttachmentService) -> None:
    name = level.label.lower()

    def data(call: Call, attachment: Attachment) -> Response:
        return content_response(
            call,
            attachment.size,
            attachments.reader(attachment),
            attachments.media_type(attachment),
            call.argument("filename") or attachment.uuid,
        )

    def compressed_data(call: Call, attachment: Attachment) -> Response:
        media_type = OCTET_STREAM if attachment.compressed else attachments.media_type(attachment)
        return content_response(
            call,
            attachment.stored_size,
            attachments.stored_reader(attachment),
            media_type,
            call.argument("filename") or attachment.uuid,
        )

    for below, text, show in (
        ("/data", "Get an attachment", data),
        ("/compressed-data", "Get an attachment as it is stored", compressed_data),
    ):
        router.get(
            _path(level, below),
            f"{text} of a {name}",
            query=[_FILENAME],
            headers=[IF_NONE_MATCH, _RANGE],
            answers=OCTET_STREAM,
        )(_shown(level, attachments, show))


def _add_facts(router: Router, level: Level, attachments: AttachmentService) -> None:
    def info(call: Call, attachment: Attachment) -> Response:
        return json_response(
            {
                "CompressedMD5": attachment.stored_md5,
                "CompressedSize": attachment.stored_size,
                "ContentType": attachment.type,
                "UncompressedMD5": attachment.md5,
                "UncompressedSize": attachment.size,
                "Uuid": attachment.uuid,
            }
        )

    router.get(_path(level, "/info"), "Get all about an attachment", headers=[IF_NONE_MATCH])(
        _shown(level, attachments, info)
    )
    facts: tuple[tuple[str, str, Callable[[Attachment], str]], ...] = (
        ("/size", "Get the size of an attachment", lambda one: str(one.size)),
        ("/compressed-size", "Get its size as it is stored", lambda one: str(one.stored_size)),
        ("/is-compressed", "Is an attachment compressed?", lambda one: "1" if one.compressed else "0"),
        ("/md5", "Get the MD5 of an attachment", lambda one: one.md5),
        ("/compressed-md5", "Get its MD5 as it is stored", lambda one: one.stored_md5),
    )
    for below, text, fact in facts:

        def show(call: Call, attachment: Attachment, fact: Callable[[Attachment], str] = fact) -> Response:
            value = fact(attachment)
            if not value:
                raise UnknownResource("The MD5 of this attachment was not stored")
            return text_response(value)

        router.get(_path(level, below), text, headers=[IF_NONE_MATCH], answers="text/plain")(
            _shown(level, attachments, show)
        )


def _add_writing(router: Router, level: Level, attachments: AttachmentService) -> None:
    name = level.label.lower()

    @router.put(
        _path(level),
        f"Set a user attachment of a {name}",
        headers=[IF_MATCH],
        body=Body((OCTET_STREAM,), text="The content"),
        answers="application/json",
    )
    async def set_attachment(call: Call) -> Response:
        assert call.run is not None
        type = _type_of(call, attachments)
        if not is_user_number(type):
            return status_only(403)
        expected = expected_revision(call)
        reception = await call.run(attachments.receive, level, call.params["id"], type, expected)
        await _receive(call, reception)
        return with_etag(literal_object(), *await call.run(reception.finish))

    @router.delete(_path(level), f"Delete a user attachment of a {name}", headers=[IF_MATCH])
    def delete_attachment(call: Call) -> Response:
        type = _type_of(call, attachments)
        if not is_user_number(type):
            return status_only(403)
        attachments.delete(level, call.params["id"], type, expected_revision(call))
        return empty()


async def _receive(call: Call, reception: AttachmentReception) -> None:
    """Write the body of the request as it arrives."""
    assert call.run is not None
    try:
        if call.chunks is None:
            await call.run(reception.write, call.body)
        else:
            async for chunk in call.chunks:
                await call.run(reception.write, chunk)
    except BaseException:
        reception.abort()
        raise


def _add_actions(router: Router, level: Level, attachments: AttachmentService) -> None:
    def add_compression(below: str, text: str, compressed: bool) -> None:
        @router.post(_path(level, below), text)
        def set_compression(call: Call) -> Response:
            type = _type_of(call, attachments)
            attachments.set_compression(level, call.params["id"], type, compressed)
            return literal_object()

    add_compression("/compress", "Compress an attachment on the disk", True)
    add_compression("/uncompress", "Uncompress an attachment on the disk", False)

    @router.post(
        _path(level, "/verify-md5"),
        "Is an attachment intact?",
        description="200 if its content has the MD5 that was computed when it was stored.",
        answers="application/json",
        access=Access.READ,
    )
    def verify_md5(call: Call) -> Response | None:
        type = _type_of(call, attachments)
        return literal_object() if attachments.is_intact(level, call.params["id"], type) else None
