"""From an HTTP request to its handler and back, by the table of routes.

FastAPI's own dispatch (regular expressions in a row, dependencies, response models) costs more than most
handlers here do, so the table is asked first: see :mod:`orthanclite.web.application`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import aclosing
from typing import Any, TypeVar, cast

from starlette.types import ASGIApp, Receive, Scope, Send

from orthanclite.core.errors import BodyTooLarge, NetworkProtocol, OrthancError, UnknownResource
from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.metrics import Metrics
from orthanclite.core.text.multipart import BodyParts
from orthanclite.core.text.numbers import natural
from orthanclite.web.answers.compression import compress
from orthanclite.web.answers.errors import error_response, method_not_allowed, unanswered
from orthanclite.web.answers.responses import Response, json_response
from orthanclite.web.answers.sending import Sender
from orthanclite.web.answers.xml import as_xml, wants_xml
from orthanclite.web.bodies.multipart import boundary_of
from orthanclite.web.bodies.pieces import FilesInPieces
from orthanclite.web.bodies.reading import (
    ClientDisconnected,
    RequestTimeout,
    count,
    inflate,
    read_chunks,
    read_whole,
)
from orthanclite.web.budget import MemoryBudget, Overloaded, Share
from orthanclite.web.call import Call
from orthanclite.web.entrance.admission import Entrance
from orthanclite.web.policy import HttpPolicy
from orthanclite.web.routing import (
    UNSERVED_METHODS,
    AsyncHandler,
    Node,
    Operation,
    RouteTable,
    SyncHandler,
)

T = TypeVar("T")

_logger = logging.getLogger("orthanclite.http")

_WITHOUT_CONTENT = frozenset({"GET", "DELETE"})
"""Methods whose handlers read no body. Some clients announce one and send none: nobody waits for it."""
_STREAMED = 4 * 1024 * 1024
"""Bytes of a body that a streaming handler keeps in memory; more goes to the disk."""

_QUICK = 0.02
"""Seconds that an answer of the event loop may take..."""
_PAUSE = 1.0
"""... or for so many others give them: the index may be on a slow disk, or every thread be at work."""

_ACTIVE = "orthanc_rest_api_active_requests"
_DURATION = "orthanc_rest_api_duration_ms"
_FREE_THREADS = "orthanc_available_http_threads_count"


class Dispatcher:
    """Serves the routes of ``table``. One per event loop."""

    def __init__(
        self,
        table: RouteTable,
        policy: HttpPolicy,
        pool: Executor,
        slow_pool: Executor,
        metrics: Metrics,
        further: Callable[[], ASGIApp | None] = lambda: None,
        budget: MemoryBudget | None = None,
    ) -> None:
        """
        :param pool: runs handlers
        :param slow_pool: runs those that wait for much work
        :param further: gives what serves the paths that the table does not know, for who was let in
        :param budget: of the bodies; without it they have one of their own
        """
        self._table = table
        self._policy = policy
        self._pool = pool
        self._slow_pool = slow_pool
        self._metrics = metrics
        self._entrance = Entrance(policy, self._run)
        self._further = further
        self._budget = budget or MemoryBudget()
        self._pieces = FilesInPieces(self._budget)
        self._active = 0
        self._at_work = 0  # of the threads of ``pool``; more than there are while others wait for one
        metrics.watch(self._observe_load)
        self._quick_from = 0.0 if policy.quick and not policy.compression else math.inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI, scope type ``http``)."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        cross_origin = self._policy.cross_origin
        admitted = cross_origin.admits(scope["path"], headers)
        shared = cross_origin.headers(headers) if admitted else ()
        sender = Sender(scope, headers, receive, send, self._policy, self._run, shared)
        started = time.perf_counter()
        self._active += 1
        self._metrics.observe(_ACTIVE, self._active)
        try:
            try:
                response = await self._respond(scope, headers, receive, admitted)
            except asyncio.CancelledError:
                sender.close()
                response = Response(503)  # the server stops, and has waited long enough
            if not isinstance(response, Response):
                await response(scope, receive, send)
                return
            if response.status in (408, 413, 503):
                sender.close()  # the rest of the body is not read
            await sender.send(response)
        except ClientDisconnected:
            _logger.info("%s %s: the client went away", scope["method"], scope["path"])
        finally:
            self._active -= 1
            self._metrics.observe(_DURATION, round((time.perf_counter() - started) * 1000))

    async def _respond(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, admitted: bool
    ) -> Response | ASGIApp:
        """The answer; or, where the table does not know the path, what may serve it instead.

        :param admitted: whether the request comes from a page of another site that may send it
        """
        if admitted and scope["method"] == "OPTIONS":
            preflight = self._policy.cross_origin.preflight(headers)
            if preflight is not None:  # a browser asks without credentials
                return Response(200, b"", preflight)
        visitor = await self._entrance.admit(scope, headers, admitted)
        if isinstance(visitor, Response):
            return visitor
        path: str = scope["path"]
        method = visitor.method
        # PostgreSQL has no NUL in a text, so nothing bears a name with one.
        found = None if "\0" in path else self._table.find(path)
        if found is None and (further := self._further()) is not None:
            scope.setdefault("state", {})["principal"] = visitor.principal
            return further
        if method is None:
            return Response(400)
        if _logger.isEnabledFor(logging.INFO):
            _logger.info("%s %s", method, path)
        if method in UNSERVED_METHODS and (found is None or method not in found[0].operations):
            return Response(404)
        if found is None:
            return self._error(UnknownResource(), method, path)
        node, values = found
        operation = node.operations.get(method)
        if operation is None:
            response = _without_handler(node, method)
            return as_xml(response) if wants_xml(headers.get(b"accept", b"")) else response
        if not visitor.principal.may(operation.access):
            return Response(403)
        call = Call(
            method,
            path,
            visitor.principal,
            dict(zip(operation.variables, values, strict=True)),
            scope["query_string"].decode("latin-1"),
            headers.items(),
        )
        call.operations = node.names
        call.wants_xml = wants_xml(headers.get(b"accept", b""))
        try:
            return await self._execute(operation, call, headers, receive)
        except OrthancError as error:
            return self._error(error, method, path)
        except RequestTimeout:
            return Response(408)
        except Overloaded:
            _logger.warning("%s %s: too many bodies at the same time", method, path)
            return Response(503, b"", [(b"retry-after", b"1")])

    async def _execute(
        self, operation: Operation, call: Call, headers: dict[bytes, bytes], receive: Receive
    ) -> Response:
        """Read the body and run the handler."""
        size = natural(headers.get(b"content-length", b"0").decode("latin-1")) or 0
        if call.method in _WITHOUT_CONTENT or not (size or b"transfer-encoding" in headers):
            call.chunks = _nothing() if operation.streaming else None
            return await self._handle(operation, call)
        limit = self._policy.maximum_body
        if limit and size > limit:
            raise BodyTooLarge("The body of the request is larger than MaximumRequestBodySizeMB")
        async with aclosing(read_chunks(receive, limit, self._policy.request_timeout)) as raw:
            gzipped = headers.get(b"content-encoding", b"").strip().lower() == b"gzip"
            chunks: AsyncIterator[Buffer] = inflate(_noted(raw, call), limit) if gzipped else raw
            boundary = boundary_of(call.header("content-type")) if call.method == "POST" else None
            if boundary is not None:
                return await self._handle_form(operation, call, chunks, boundary)
            return await self._handle_body(operation, call, chunks)

    async def _handle_body(self, operation: Operation, call: Call, chunks: AsyncIterator[Buffer]) -> Response:
        with Share(self._budget) as share:
            if operation.streaming:
                call.chunks = count(chunks, share, _STREAMED)
            else:
                call.body = await read_whole(count(chunks, share), operation.largest_body)
            return await self._handle(operation, call)

    async def _handle_form(
        self, operation: Operation, call: Call, chunks: AsyncIterator[Buffer], boundary: str
    ) -> Response:
        """Hand each part to the handler as a request of its own; the first bad one ends it all."""
        requested_with = call.header("x-requested-with")
        if requested_with and requested_with != "XMLHttpRequest":
            raise NetworkProtocol('Bad value of the HTTP header "X-Requested-With"')
        name, size = call.header("x-file-name"), call.header("x-file-size")
        total = natural(size or "0")
        if bool(name) != bool(size) or total is None:
            raise NetworkProtocol('The HTTP headers "X-File-Name" and "X-File-Size" go together')
        async with aclosing(BodyParts(chunks, boundary).parts()) as parts:
            async for part in parts:
                if name:
                    with Share(self._budget) as share:
                        piece = await read_whole(count(part, share))
                    whole = self._pieces.add(name, total, piece)
                    if whole is None:
                        continue
                    part = _once(whole)
                response = await self._handle_body(operation, call, part)
                if response.status >= 400:
                    return response
        return Response(200)

    async def _handle(self, operation: Operation, call: Call) -> Response:
        if operation.streaming:
            call.run = self._run_slowly if operation.slow is not None else self._run
            try:
                response = await cast(AsyncHandler, operation.handler)(call)
            except OrthancError as error:
                response = self._error(error, call.method, call.path)
            except (ClientDisconnected, Overloaded, RequestTimeout):
                raise
            except Exception:
                _logger.exception("%s %s failed unexpectedly", call.method, call.path)
                response = self._error(OrthancError(), call.method, call.path)
            if response is None:
                return unanswered(call.method)
            return as_xml(response) if call.wants_xml else response
        handler = cast(SyncHandler, operation.handler)
        if operation.inline:
            return self._answer(handler, call)
        if (
            operation.quick is not None
            and (response := self._quick_answer(operation.quick, call)) is not None
        ):
            return response
        slow = operation.slow is not None and operation.slow(call)
        pool = self._slow_pool if slow else self._pool
        return await self._run_in(pool, self._answer, handler, call)

    def _answer(self, handler: SyncHandler, call: Call) -> Response:
        response = self._call(handler, call)
        if response is None:
            return unanswered(call.method)
        if self._policy.compression:
            return compress(response, call.header("accept-encoding").encode("latin-1"))
        return response

    def _quick_answer(self, handler: SyncHandler, call: Call) -> Response | None:
        started = time.perf_counter()
        if started < self._quick_from:
            return None
        response = self._call(handler, call)
        ended = time.perf_counter()
        if ended - started > _QUICK:
            self._quick_from = ended + _PAUSE
        return response

    def _call(self, handler: SyncHandler, call: Call) -> Response | None:
        """Run a plain handler, in the thread that is meant for it; never raises."""
        try:
            response = handler(call)
            return as_xml(response) if call.wants_xml and response is not None else response
        except OrthancError as error:
            return self._error(error, call.method, call.path)
        except Exception:
            _logger.exception("%s %s failed unexpectedly", call.method, call.path)
            return self._error(OrthancError(), call.method, call.path)

    def _error(self, error: OrthancError, method: str, path: str) -> Response:
        if error.status >= 500:
            _logger.error("%s %s: %s", method, path, error)
        return error_response(error, method, path, self._policy.describe_errors)

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        return await self._run_in(self._pool, function, *args)

    async def _run_slowly(self, function: Callable[..., T], *args: Any) -> T:
        return await self._run_in(self._slow_pool, function, *args)

    async def _run_in(self, pool: Executor, function: Callable[..., T], *args: Any) -> T:
        counted = pool is self._pool
        self._at_work += counted
        self._metrics.observe_lowest(_FREE_THREADS, self._free_threads)
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, function, *args)
        finally:
            self._at_work -= counted

    @property
    def _free_threads(self) -> int:
        return max(0, self._policy.threads - self._at_work)

    def _observe_load(self) -> None:
        self._metrics.observe(_ACTIVE, self._active)
        self._metrics.observe_lowest(_FREE_THREADS, self._free_threads)


def _without_handler(node: Node, method: str) -> Response:
    """The answer of a known URI that has no handler for ``method``."""
    if method == "GET" and node.fixed:
        return json_response(list(node.names))
    return method_not_allowed(node.allowed)


async def _nothing() -> AsyncIterator[bytes]:
    """A body without any bytes."""
    for chunk in tuple[bytes, ...]():
        yield chunk


async def _noted(chunks: AsyncIterator[Buffer], call: Call) -> AsyncIterator[Buffer]:
    """Tell ``call`` how many bytes were sent for its body."""
    call.sent_size = 0
    async for chunk in chunks:
        call.sent_size += len(chunk)
        yield chunk


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
