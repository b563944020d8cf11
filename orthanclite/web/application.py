"""The FastAPI application of the REST API."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from orthanclite import __version__
from orthanclite.core.metrics import Metrics
from orthanclite.web.dispatch import Dispatcher
from orthanclite.web.documentation import documentation_routes
from orthanclite.web.openapi import describe
from orthanclite.web.policy import HttpPolicy
from orthanclite.web.read_only import writes
from orthanclite.web.routing import Router, RouteTable

_VERSIONS = frozenset({"1.1", "1.0"})


async def _refuse_version(version: str, send: Send) -> None:
    """What the reference answers; the connection is closed, as nobody knows how another version goes on."""
    body = f"Error 505: HTTP Version not supported\nBad HTTP version: [{version}]".encode()
    headers = [
        (b"connection", b"close"),
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": 505, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class RestApplication(FastAPI):
    """FastAPI with the lean dispatch of :mod:`orthanclite.web.dispatch` in place of its own."""

    def __init__(
        self,
        routers: Iterable[Router],
        policy: HttpPolicy,
        metrics: Metrics | None = None,
        lifespan: Lifespan[FastAPI] | None = None,
        pool: Executor | None = None,
    ) -> None:
        """The routes of ``routers``, and the API documentation.

        :param pool: the worker threads of the handlers; without it the application makes its own.
        :raises ValueError: where two routers claim the same operation.
        """
        super().__init__(
            title="orthanclite",
            version=__version__,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            lifespan=lifespan,
        )
        self.table = RouteTable()
        for router in (*routers, documentation_routes(self.openapi)):
            for operation in router.operations:
                if not (policy.read_only and writes(operation)):
                    self.table.add(operation)
        self._owns_pool = pool is None
        self._pool: Executor = ThreadPoolExecutor(policy.threads, "http") if pool is None else pool
        self._dispatcher = Dispatcher(self.table, policy, self._pool, metrics or Metrics())
        self._document: dict[str, Any] | None = None
        self._document_lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Requests go straight to the dispatcher: the layers of FastAPI would cost more than many answers."""
        if scope["type"] == "http":
            if scope["http_version"] in _VERSIONS:
                await self._dispatcher(scope, receive, send)
            else:
                await _refuse_version(scope["http_version"], send)
        else:
            await super().__call__(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """The lifespan goes to Starlette's router, with nothing in between."""
        router = self.router

        async def entry(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await router(scope, receive, send)
            else:
                # No WebSockets here: refused before the handshake (ASGI).
                await send({"type": "websocket.close", "code": 1000})

        return entry

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document of all routes, made on first use."""
        with self._document_lock:
            if self._document is None:
                self._document = describe(self.table.operations, self.title, self.version)
            return self._document

    def close(self) -> None:
        """Wait for the handlers at work and end their threads, unless these belong to somebody else."""
        if self._owns_pool:
            self._pool.shutdown(wait=True, cancel_futures=True)
