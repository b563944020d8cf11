"""Declaring routes, and finding the one for a URI.

A router is made by a function that receives the services its handlers need::

    def changes_routes(changes: Changes) -> Router:
        router = Router("Tracking changes")

        @router.get("/changes", "List changes", query=[Arg("since", "Skip up to this one", "number")])
        def list_changes(call: Call) -> Response:
            return json_response(...)

        return router

A handler is a plain function, run in the pool of worker threads; with ``inline=True`` it runs on the event
loop (only for what never waits); an ``async`` one runs on the loop and receives the body as a stream.
A handler in the pool may have a ``quick`` one beside it, which the event loop asks first where the index is
embedded: the way to another thread and back takes longer than to read a few rows. It returns None for what
takes longer, or would wait for the disk; ``quick=True`` stands for the handler itself.
A handler that waits for much work (``slow``, for all calls or for some) runs in a pool of its own, so that
however many such requests there are, others find a thread.
An operation declares what it does (``access``), by which it is permitted or refused: see
:class:`~orthanclite.core.principal.Access`.
A handler that returns None "did not answer": an empty body, 400 for POST and 404 otherwise.

In a path, ``{name}`` stands for one segment and a final ``{name:path}`` for any number of them, none
included. Fixed segments win over variables. A URI that has routes below it and no GET of its own lists the
names of these routes.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from orthanclite.core.principal import Access
from orthanclite.web.answers.responses import Response
from orthanclite.web.call import Call

SyncHandler = Callable[[Call], Response | None]
AsyncHandler = Callable[[Call], Awaitable[Response | None]]
Handler = SyncHandler | AsyncHandler
ArgType = Literal["string", "number", "boolean"]

LARGEST_BODY = 16 << 20
"""Bytes of a body that is read as a whole, unless its operation says otherwise: what is made of JSON takes
several times as much."""

METHODS = ("GET", "POST", "PUT", "DELETE")
UNSERVED_METHODS = ("HEAD", "OPTIONS")
"""Methods that no resource has: the reference answers them with 404, and all others with 400."""


@dataclass(frozen=True, slots=True)
class Arg:
    """A query argument or a header, for the API documentation."""

    name: str
    text: str = ""
    type: ArgType = "string"


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request, for the API documentation."""

    types: tuple[str, ...] = ("application/json",)
    fields: Mapping[str, str] = field(default_factory=dict)  # JSON member -> "type: text"
    text: str = ""
    largest: int = LARGEST_BODY
    """Bytes, for a handler that is no coroutine function; 0 for no bound of its own."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one URI."""

    method: str
    path: str
    handler: Handler
    summary: str
    tag: str
    access: Access
    description: str = ""
    query: tuple[Arg, ...] = ()
    headers: tuple[Arg, ...] = ()
    body: Body | None = None
    answers: tuple[str, ...] = ()  # media types; none for an answer without a body
    deprecated: bool = False
    inline: bool = False
    quick: SyncHandler | None = None
    slow: Callable[[Call], bool] | None = None  # whether a call is
    streaming: bool = False  # the handler is a coroutine function
    variables: tuple[str, ...] = ()

    @property
    def largest_body(self) -> int:
        """Bytes of a body that is read as a whole; 0 for no bound of its own."""
        return LARGEST_BODY if self.body is None else self.body.largest


def _always(call: Call) -> bool:
    return True


class Router:
    """The routes of one section of the API."""

    def __init__(self, tag: str, slow: bool = False) -> None:
        """:param slow: whether its handlers wait for much work, all of them"""
        self.tag = tag
        self._slow = _always if slow else None
        self.operations: list[Operation] = []

    def route(
        self,
        method: str,
        path: str,
        summary: str,
        *,
        description: str = "",
        query: Iterable[Arg] = (),
        headers: Iterable[Arg] = (),
        body: Body | None = None,
        answers: str | Sequence[str] = (),
        deprecated: bool = False,
        inline: bool = False,
        quick: SyncHandler | Literal[True] | None = None,
        slow: Callable[[Call], bool] | None = None,
        access: Access | None = None,
    ) -> Callable[[Handler], Handler]:
        """A decorator that makes a function the handler of ``method`` on ``path``.

        :param access: what the operation does; without a word, GET reads and anything else writes
        """
        does = access or default_access(method)

        def register(handler: Handler) -> Handler:
            self.operations.append(
                Operation(
                    method,
                    path,
                    handler,
                    summary,
                    self.tag,
                    does,
                    description,
                    tuple(query),
                    tuple(headers),
                    body,
                    (answers,) if isinstance(answers, str) else tuple(answers),
                    deprecated,
                    inline,
                    cast(SyncHandler, handler) if quick is True else quick,
                    slow or self._slow,
                    inspect.iscoroutinefunction(handler),
                    path_variables(path),
                )
            )
            return handler

        return register

    def get(self, path: str, summary: str, **details: Any) -> Callable[[Handler], Handler]:
        """``route("GET", ...)``; answers JSON unless said otherwise."""
        return self.route("GET", path, summary, **{"answers": "application/json", **details})

    def post(self, path: str, summary: str, **details: Any) -> Callable[[Handler], Handler]:
        return self.route("POST", path, summary, **details)

    def put(self, path: str, summary: str, **details: Any) -> Callable[[Handler], Handler]:
        return self.route("PUT", path, summary, **details)

    def delete(self, path: str, summary: str, **details: Any) -> Callable[[Handler], Handler]:
        return self.route("DELETE", path, summary, **details)


def default_access(method: str) -> Access:
    """What an operation is taken to do that does not say it: nobody forgets to forbid."""
    return Access.READ if method in ("GET", "HEAD") else Access.WRITE


def path_variables(path: str) -> tuple[str, ...]:
    """The variables of a path, in their order.

    >>> path_variables("/instances/{id}/content/{path:path}")
    ('id', 'path')
    """
    return tuple(part[1:-1].removesuffix(":path") for part in path.split("/") if part.startswith("{"))


class Node:
    """A place in the tree of URIs."""

    __slots__ = ("_names", "fixed", "operations", "tail", "variable")

    def __init__(self) -> None:
        self.fixed: dict[str, Node] = {}
        self.variable: Node | None = None
        self.tail: Node | None = None
        self.operations: dict[str, Operation] = {}
        self._names: tuple[str, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The fixed names below this place, sorted."""
        if self._names is None:
            self._names = tuple(sorted(self.fixed))
        return self._names

    @property
    def allowed(self) -> list[str]:
        """The methods that this place answers."""
        allowed = [method for method in METHODS if method in self.operations]
        if self.fixed and "GET" not in self.operations:
            allowed.insert(0, "GET")
        return allowed


class RouteTable:
    """All routes, as a tree over the segments of their paths."""

    def __init__(self, routers: Iterable[Router] = ()) -> None:
        self._root = Node()
        self.operations: list[Operation] = []
        for router in routers:
            for operation in router.operations:
                self.add(operation)

    def add(self, operation: Operation) -> None:
        """:raises ValueError: for a second handler of the same method and path."""
        node = self._root
        for segment in _segments(operation.path):
            if not segment.startswith("{"):
                node = node.fixed.setdefault(segment, Node())
            elif segment.endswith(":path}"):
                node.tail = node.tail or Node()
                node = node.tail
            else:
                node.variable = node.variable or Node()
                node = node.variable
        if operation.method in node.operations:
            raise ValueError(f"Two handlers for {operation.method} {operation.path}")
        node.operations[operation.method] = operation
        self.operations.append(operation)

    def find(self, path: str) -> tuple[Node, list[str]] | None:
        """The place of ``path`` (decoded) and the values of the variables on the way; None if unknown."""
        node = self._root
        values: list[str] = []
        segments = _segments(path)
        for position, segment in enumerate(segments):
            below = node.fixed.get(segment)
            if below is None:
                if node.variable is not None:
                    below = node.variable
                    values.append(segment)
                elif node.tail is not None:
                    values.append("/".join(segments[position:]))
                    return node.tail, values
                else:
                    return None
            node = below
        if not node.operations:
            if node.tail is not None:
                values.append("")
                return node.tail, values
            if not node.fixed:
                return None
        return node, values


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]
