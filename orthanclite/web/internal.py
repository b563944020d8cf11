"""The REST API for callers inside this process (Lua scripts): no network, no authentication."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar, cast
from urllib.parse import unquote

from orthanclite.core.errors import OrthancError
from orthanclite.core.machine.buffers import View
from orthanclite.core.principal import Principal
from orthanclite.web.answers.responses import Response, StreamResponse, json_response
from orthanclite.web.call import Call
from orthanclite.web.routing import AsyncHandler, Node, RouteTable, SyncHandler

T = TypeVar("T")

_logger = logging.getLogger("orthanclite.http")


class InternalClient:
    """Calls handlers in the caller's own thread, so that no pool can be exhausted by waiting for it."""

    def __init__(self, table: Callable[[], RouteTable], principal: Principal) -> None:
        """``table`` gives the routes when they are needed: scripts belong to a route themselves."""
        self._table = table
        self._principal = principal

    def __call__(self, method: str, uri: str, body: bytes = b"") -> bytes | None:
        """The body of the answer; None for any answer that is no success."""
        try:
            response = self._respond(method, uri, body)
            if response is None or response.status >= 300:
                return None
            return _whole(response)
        except OrthancError as error:
            _logger.info("%s %s by a script: %s", method, uri, error)
            return None

    def _respond(self, method: str, uri: str, body: bytes) -> Response | None:
        path, _, query = uri.partition("?")
        path = unquote(path)
        found = self._table().find(path)
        if found is None:
            return None
        node, values = found
        operation = node.operations.get(method)
        if operation is None:
            return _listing(node) if method == "GET" else None
        if not self._principal.may(operation.access):
            return None
        params = dict(zip(operation.variables, values, strict=True))
        call = Call(method, path, self._principal, params, query, (), body)
        call.operations = node.names
        if operation.streaming:
            call.run = _run_here
            call.chunks = _once(body)
            return asyncio.run(_await(cast(AsyncHandler, operation.handler), call))
        return cast(SyncHandler, operation.handler)(call)


def _listing(node: Node) -> Response | None:
    return json_response(list(node.names)) if node.fixed else None


def _whole(response: Response) -> bytes:
    if not isinstance(response, StreamResponse):
        return bytes(response.body)
    if isinstance(response.chunks, AsyncIterator):
        return asyncio.run(_gather(response.chunks))
    return b"".join(response.chunks)


async def _gather(chunks: AsyncIterator[View]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def _await(handler: AsyncHandler, call: Call) -> Response | None:
    return await handler(call)


async def _run_here(function: Callable[..., T], *args: Any) -> T:
    return function(*args)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    if data:
        yield data
