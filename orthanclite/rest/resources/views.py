"""Query arguments that many routes share, and answers with many resources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from orthanclite.core.errors import BadRequest, ParameterOutOfRange, UnknownDicomTag
from orthanclite.core.levels import Level
from orthanclite.core.query import requested_tags
from orthanclite.core.text.numbers import natural
from orthanclite.core.text.styled_json import dumps
from orthanclite.dicom.renderings.tags_json import Style
from orthanclite.services.resources.rendering import Content, View
from orthanclite.web.answers.responses import JSON_TYPE, Response, StreamResponse, json_bytes
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg

IN_MEMORY = 1000
"""Resources up to which a list is answered as one piece."""

_MAXIMUM_IDENTIFIERS = 100_000

FORMAT_ARGUMENTS = (
    Arg("short", "If present, tags are shown by their number", "boolean"),
    Arg("full", "If present, tags are shown with number, name and type", "boolean"),
    Arg("requested-tags", "Further tags to show in RequestedTags, separated by semicolons"),
)
STYLE_ARGUMENTS = (
    Arg("simplify", "If present, tags are shown by their name", "boolean"),
    Arg("short", "If present, tags are shown by their number", "boolean"),
)
EXPAND_ARGUMENT = Arg("expand", "If present, resources are shown and not only their identifiers", "boolean")
CONTENT_ARGUMENT = Arg("response-content", "The parts of the resources to show, separated by semicolons")
PAGE_ARGUMENTS = (
    Arg("limit", "Most resources to show; together with since", "number"),
    Arg("since", "Number of resources to skip; together with limit", "number"),
)


def style_of(call: Call, default: Style) -> Style:
    """The form of tags that the arguments ask for; their presence counts, not their value."""
    for style in (Style.SIMPLE, Style.SHORT, Style.FULL):
        if call.has(style.value):
            return style
    return default


def view_of(call: Call) -> View:
    """How the arguments want resources to be shown.

    :raises ParameterOutOfRange: for an unknown ``response-content``.
    """
    content = None
    if call.has("response-content"):
        content = Content.parse(_items(call.argument("response-content")))
    return View(style_of(call, Style.SIMPLE), content)


def requested_tags_of(call: Call, parse: Callable[[str], int]) -> tuple[int, ...]:
    """The argument ``requested-tags`` (or, older, ``requestedTags``); ``parse`` knows the names of tags.

    :raises BadRequest: for an unknown name, and for too many.
    """
    text = call.argument("requested-tags") or call.argument("requestedTags")
    if not text:
        return ()
    try:
        return requested_tags(map(parse, _items(text)))
    except UnknownDicomTag as exc:
        raise BadRequest(f"Unknown DICOM tag in requested-tags: {exc.details}") from exc


def page_of(call: Call, level: Level) -> tuple[int, int | None]:
    """The arguments ``since`` and ``limit``; a limit of zero is none.

    :raises BadRequest: where only one is given.
    :raises BadParameterType: where one is not a number.
    """
    if not call.has("since") and not call.has("limit"):
        return 0, None
    for name in ("since", "limit"):
        if not call.has(name):
            raise BadRequest(f'Missing "{name}" argument for GET request against: /{level.plural}/')
    since, limit = call.unsigned("since", 0), call.unsigned("limit", 0)
    return since or 0, limit or None


def check_identifiers(ids: Sequence[object]) -> None:
    """:raises BadRequest: where a body lists more resources than one request may work on."""
    if len(ids) > _MAXIMUM_IDENTIFIERS:
        raise BadRequest(f"At most {_MAXIMUM_IDENTIFIERS} resources may be listed, not {len(ids)}")


def quality_argument(call: Call) -> int | None:
    """The argument ``lossy-quality``; None where it is absent.

    :raises ParameterOutOfRange: unless it is a number from 1 to 100.
    """
    if not call.has("lossy-quality"):
        return None
    quality = natural(call.argument("lossy-quality"))
    if quality is None or not 1 <= quality <= 100:
        raise ParameterOutOfRange("The quality of lossy transcoding must be between 1 and 100")
    return quality


def array_response(batches: Iterable[list[Any]], count: int) -> Response:
    """A JSON array of about ``count`` items that come in batches: streamed where it is long."""
    chunks = array_chunks(batches)
    if count <= IN_MEMORY:
        return json_bytes(b"".join(chunks))
    return _stream(chunks)


def object_response(members: Iterable[tuple[str, Any]], count: int) -> Response:
    """A JSON object of ``count`` members, in the order of their names: streamed where it is long."""
    chunks = object_chunks(members)
    if count <= IN_MEMORY:
        return json_bytes(b"".join(chunks))
    return _stream(chunks)


def array_chunks(batches: Iterable[list[Any]]) -> Iterator[bytes]:
    """The text of an array, a piece for each batch: the same bytes as ``dumps`` of all items."""
    yield from _joined((dumps(batch)[1:-2] for batch in batches if batch), b"[", b"]")


def object_chunks(members: Iterable[tuple[str, Any]]) -> Iterator[bytes]:
    """The text of an object, a piece for each member: the same bytes as ``dumps`` of all of them."""
    yield from _joined((dumps({name: value})[1:-2] for name, value in members), b"{", b"}")


def _joined(contents: Iterable[bytes], opening: bytes, closing: bytes) -> Iterator[bytes]:
    """The contents of several documents (what is between their brackets) as one."""
    separator = opening
    for content in contents:
        yield separator + content
        separator = b","
    yield opening + closing if separator == opening else b"\n" + closing


def _stream(chunks: Iterator[bytes]) -> StreamResponse:
    return StreamResponse(chunks, JSON_TYPE[1].decode("ascii"))


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(";") if item.strip()]
