"""JSON answers as XML, for clients whose ``Accept`` begins with ``application/xml``.

The form is Orthanc's: members become elements, items of arrays ``<item>``, scalars text, the whole is
``<root>``. Names are taken over as they are, so those of tags (``<0010,0010>``) are no names by the standard.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson

from orthanclite.core.machine.buffers import View
from orthanclite.web.answers.responses import JSON_TYPE, Header, Response, StreamResponse

_JSON_TYPES: tuple[Header, ...] = (JSON_TYPE, (b"content-type", b"application/json"))
_XML_TYPE: Header = (b"content-type", b"application/xml; charset=utf-8")
_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'
_TOKEN = re.compile(rb'\s*([{}\[\],:]|"(?:[^"\\]|\\.)*"|[^\s{}\[\],:"]+)')
_SPECIAL = re.compile(r"[&<>\x00-\x08\x0b\x0c\x0e-\x1f]")
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def wants_xml(accept: bytes) -> bool:
    """Whether an ``Accept`` header is XML, or begins with XML and its parameters.

    >>> wants_xml(b"application/xml;q=0.9, */*"), wants_xml(b"application/xml, */*"), wants_xml(b"")
    (True, False, False)
    """
    return accept.partition(b";")[0].strip() == b"application/xml"


def as_xml(response: Response) -> Response:
    """A successful JSON answer as XML; any other as it is."""
    headers = [_XML_TYPE if header in _JSON_TYPES else header for header in response.headers]
    if headers == response.headers:
        return response
    if isinstance(response, StreamResponse):
        assert isinstance(response.chunks, Iterator)  # JSON is rendered by plain handlers
        streamed = StreamResponse(xml_chunks(response.chunks), "", status=response.status)
        streamed.headers = headers
        return streamed
    return Response(response.status, b"".join(xml_chunks([bytes(response.body)])), headers)


def xml_chunks(chunks: Iterable[View]) -> Iterator[bytes]:
    """The XML of a JSON document that comes in pieces, each of whole tokens."""
    writer = _Writer()
    yield _DECLARATION.encode("ascii")
    for chunk in chunks:
        yield "".join(map(writer.token, _tokens(bytes(chunk)))).encode("utf-8", "surrogatepass")


def _tokens(chunk: bytes) -> Iterator[bytes]:
    return (found[1] for found in _TOKEN.finditer(chunk))


@dataclass(slots=True)
class _Container:
    """An object or an array that is being written."""

    name: str
    is_array: bool
    is_empty: bool = True


class _Writer:
    """Turns the tokens of a JSON document into XML."""

    def __init__(self) -> None:
        self._open: list[_Container] = []
        self._name: str | None = None  # of the member whose value comes next

    def token(self, token: bytes) -> str:
        """The text that one more token adds."""
        if token in b",:":
            return ""
        if token in b"{[":
            return self._begin(is_array=token == b"[")
        if token in b"}]":
            return self._end()
        if self._open and not self._open[-1].is_array and self._name is None:
            self._name = _text(token)
            return ""
        name = self._element()
        return f"{self._start()}{self._indentation()}<{name}>{_text(token)}</{name}>\n"

    def _begin(self, is_array: bool) -> str:
        name, before = self._element(), self._start()
        self._open.append(_Container(name, is_array))
        return before

    def _end(self) -> str:
        ended = self._open.pop()
        tag = f"<{ended.name} />" if ended.is_empty else f"</{ended.name}>"
        return f"{self._indentation()}{tag}\n"

    def _element(self) -> str:
        """The name of the element that comes next."""
        if not self._open:
            return "root"
        name = "item" if self._name is None else self._name
        self._name = None
        return name

    def _start(self) -> str:
        """The start tag of the innermost container, before its first element."""
        if not self._open or not self._open[-1].is_empty:
            return ""
        self._open[-1].is_empty = False
        return f"{'  ' * (len(self._open) - 1)}<{self._open[-1].name}>\n"

    def _indentation(self) -> str:
        return "  " * len(self._open)


def _text(token: bytes) -> str:
    """A scalar: the characters of a string, anything else as JSON writes it."""
    text = orjson.loads(token) if token[:1] == b'"' else token.decode("ascii")
    return _SPECIAL.sub(lambda found: _NAMED.get(found[0]) or f"&#{ord(found[0]):02};", text)
