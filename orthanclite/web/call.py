"""One request, as a handler sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote_plus

import orjson

from orthanclite.core.errors import (
    BadFileFormat,
    BadParameterType,
    BodyTooLarge,
    OrthancError,
)
from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.principal import Principal
from orthanclite.core.text.numbers import natural

T = TypeVar("T")

_JSON_MARKS = (b",", b"[", b"{")
_MAXIMUM_JSON_VALUES = 1_000_000
"""Commas and opening brackets, within texts or not; values are at most twice as many."""

_BOOLEANS = {"0": False, "false": False, "1": True, "true": True}


class Runner(Protocol):
    """Runs a blocking function in the pool of worker threads."""

    def __call__(self, function: Callable[..., T], *args: Any) -> Awaitable[T]: ...


class Call:
    """A request: everything is read already, except where the handler is ``async`` and takes the stream."""

    __slots__ = (
        "_arguments",
        "_headers",
        "_query",
        "_query_string",
        "_raw_headers",
        "body",
        "chunks",
        "method",
        "operations",
        "params",
        "path",
        "principal",
        "run",
        "sent_size",
        "wants_xml",
    )

    def __init__(
        self,
        method: str,
        path: str,
        principal: Principal,
        params: Mapping[str, str] | None = None,
        query_string: str = "",
        headers: Iterable[tuple[bytes, bytes]] = (),
        body: bytes = b"",
    ) -> None:
        self.method = method
        self.path = path  # decoded, without the query
        self.params: Mapping[str, str] = {} if params is None else params  # the variables of the route
        self.body = body  # inflated where it was sent with Content-Encoding: gzip
        self.principal = principal
        self.operations: Sequence[str] = ()  # names of the routes below this one, sorted
        self.chunks: AsyncIterator[Buffer] | None = None  # the body, for async handlers that stream
        self.run: Runner | None = None  # set for async handlers
        self.sent_size: int | None = None  # bytes that came for a body that is inflated, so far; else None
        self.wants_xml = False  # in place of JSON
        self._query_string = query_string
        self._arguments: list[tuple[str, str]] | None = None
        self._query: dict[str, str] | None = None
        self._raw_headers = headers
        self._headers: dict[str, str] | None = None

    # -- query arguments -------------------------------------------------------------------------

    @property
    def query(self) -> Mapping[str, str]:
        """The query arguments; an argument without ``=`` has the empty value, the last of a name wins."""
        if self._query is None:
            self._query = dict(self.arguments)
        return self._query

    @property
    def arguments(self) -> Sequence[tuple[str, str]]:
        """All query arguments in their order, also those of the same name."""
        if self._arguments is None:
            self._arguments = parse_query(self._query_string) if self._query_string else []
        return self._arguments

    def every(self, name: str) -> list[str]:
        """The values of all query arguments of that name (``includefield`` of QIDO-RS)."""
        return [value for key, value in self.arguments if key == name]

    def argument(self, name: str, default: str = "") -> str:
        return self.query.get(name, default)

    def has(self, name: str) -> bool:
        """Whether the argument is present, whatever its value."""
        return bool(self._query_string) and name in self.query

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean argument: present means true, unless its value is ``false`` or ``0``."""
        if not self._query_string:
            return default
        value = self.query.get(name)
        return default if value is None else value not in ("false", "0")

    def unsigned(self, name: str, default: int | None = None) -> int | None:
        """A non-negative integer argument (see :func:`natural`); ``default`` when it is absent.

        :raises BadParameterType: where it is not one.
        """
        value = self.query.get(name)
        if value is None:
            return default
        number = natural(value)
        if number is None:
            raise BadParameterType(f'Value for "{name}" should be a non-negative integer: {value}')
        return number

    # -- headers ---------------------------------------------------------------------------------

    def header(self, name: str, default: str = "") -> str:
        """The header of that (lower-case) name."""
        if self._headers is None:
            self._headers = {key.decode("latin-1"): text.decode("latin-1") for key, text in self._raw_headers}
        return self._headers.get(name, default)

    # -- body ------------------------------------------------------------------------------------

    async def read(self) -> bytes:
        """The whole body, for an async handler that does not stream it."""
        if self.chunks is not None:
            self.body = b"".join([chunk async for chunk in self.chunks])
            self.chunks = None
        return self.body

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode("utf-8", "replace")

    def boolean_body(self) -> bool:
        """The body as ``0``, ``1``, ``true`` or ``false``.

        :raises BadFileFormat: for anything else.
        """
        value = _BOOLEANS.get(self.text.strip().lower())
        if value is None:
            raise BadFileFormat("Boolean value expected")
        return value

    def json(self, error: type[OrthancError] = BadFileFormat) -> Any:
        """The body parsed as JSON; raises ``error`` where it is none.

        :raises BodyTooLarge: for too many values: each takes many times its text
        """
        if sum(map(self.body.count, _JSON_MARKS)) > _MAXIMUM_JSON_VALUES:
            raise BodyTooLarge("The JSON of the body has too many values")
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as exc:
            raise error from exc

    def json_object(self, error: type[OrthancError] = BadFileFormat) -> dict[str, Any]:
        """The body, which must be a JSON object, or ``error`` is raised; see :meth:`json`."""
        value = self.json(error)
        if not isinstance(value, dict):
            raise error
        return value


def parse_query(text: str) -> list[tuple[str, str]]:
    """The arguments of a query string, in their order.

    >>> parse_query("expand&since=1&name=a%20b&name=c")
    [('expand', ''), ('since', '1'), ('name', 'a b'), ('name', 'c')]
    """
    arguments = []
    for pair in text.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if "%" in pair or "+" in pair:
            name, value = unquote_plus(name), unquote_plus(value)
        arguments.append((name, value))
    return arguments
