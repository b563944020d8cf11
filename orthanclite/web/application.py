"""The application that serves: FastAPI around our table of routes.

- Its lifespan starts and ends the services. Whoever runs the application enters it, with HTTP or without.
- A request is let in (or not) in one place, :mod:`orthanclite.web.entrance.admission`, for all that follows.
- The table of routes is asked first: its look-up costs a few microseconds, FastAPI's matching a multiple of
  most handlers. What the table does not know goes to FastAPI's router, if anything was included there: the
  routers of plug-ins, with dependencies, response models and whatever else FastAPI offers. They cannot shadow
  the table.
- What neither knows is answered as the reference does.
- Both are in one OpenAPI document.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import Response as StarletteResponse
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

from orthanclite import __version__
from orthanclite.core.errors import BodyTooLarge, OrthancError, UnknownResource
from orthanclite.core.metrics import Metrics
from orthanclite.core.principal import Access, Principal
from orthanclite.web.answers.errors import error_response
from orthanclite.web.bodies.reading import RequestTimeout, bounded_receive
from orthanclite.web.budget import MemoryBudget
from orthanclite.web.dispatch import Dispatcher
from orthanclite.web.documentation import documentation_routes
from orthanclite.web.openapi import describe, merge
from orthanclite.web.policy import HttpPolicy
from orthanclite.web.routing import Router, RouteTable, default_access

ACCESS = "x-access"
"""Under this name the ``openapi_extra`` of a FastAPI route says what it does (a value of :class:`Access`)."""


class Application(FastAPI):
    """See the module. To be entered by ``lifespan_context`` of its router before it serves."""

    def __init__(
        self,
        routers: Iterable[Router],
        policy: HttpPolicy,
        metrics: Metrics | None = None,
        lifespan: Lifespan[FastAPI] | None = None,
    ) -> None:
        """The routes of ``routers``, and the API documentation.

        :raises ValueError: where two routers claim the same operation.
        """
        self.table = RouteTable()
        self._policy = policy
        super().__init__(
            title="orthanclite",
            version=__version__,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            lifespan=lifespan,
            dependencies=[Depends(self._permit)],
            exception_handlers={OrthancError: self._describe_error},
        )
        for router in (*routers, documentation_routes(self.openapi)):
            for operation in router.operations:
                if not (policy.read_only and operation.access is Access.WRITE):
                    self.table.add(operation)
        self.router.default = self._unknown
        self._pool: Executor = ThreadPoolExecutor(policy.threads, "http")
        self._slow_pool: Executor = ThreadPoolExecutor(policy.threads, "http slow")
        self.budget = MemoryBudget()
        """Of all that clients make the server hold."""
        self._dispatcher = Dispatcher(
            self.table,
            policy,
            self._pool,
            self._slow_pool,
            metrics or Metrics(),
            self._further,
            self.budget,
        )
        self._document: dict[str, Any] | None = None
        self._document_lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's event (ASGI)."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
        else:
            await self._dispatcher(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document of all routes, made on first use."""
        with self._document_lock:
            if self._document is None:
                document = describe(self.table.operations, self.title, self.version)
                if self.routes:
                    further = get_openapi(title=self.title, version=self.version, routes=self.routes)
                    document = merge(document, further)
                self._document = document
            return self._document

    def close(self) -> None:
        """Wait for the handlers at work and end their threads."""
        for pool in (self._pool, self._slow_pool):
            pool.shutdown(wait=True, cancel_futures=True)

    def _further(self) -> ASGIApp | None:
        """What serves the paths that the table does not know; None where nothing was included."""
        return self._serve_included if self.routes else None

    async def _serve_included(self, scope: Scope, receive: Receive, send: Send) -> None:
        bounded = bounded_receive(receive, self._policy.maximum_body, self._policy.request_timeout)

        async def receive_bounded() -> Message:
            # FastAPI takes any other exception for a body that cannot be parsed.
            try:
                return await bounded()
            except BodyTooLarge as exc:
                raise HTTPException(413) from exc
            except RequestTimeout as exc:
                raise HTTPException(408) from exc

        application = super().__call__ if self._permits(scope) else _forbidden
        await application(scope, receive_bounded, send)

    def _permits(self, scope: Scope) -> bool:
        """Whether the sender of a request may send it, as far as nobody else will ask.

        What is mounted, and what is not FastAPI's own, is asked nothing by FastAPI (see :meth:`_permit`) and
        declares nothing.
        """
        route = next((one for one in self.routes if one.matches(scope)[0] is Match.FULL), None)
        while route is not None and hasattr(route, "_match"):  # a router that was included: its own route
            route = route._match(scope)[2]
        if route is None or isinstance(route, APIRoute):
            return True
        return self._may(scope["state"]["principal"], default_access(scope["method"]))

    def _permit(self, request: Request) -> None:
        """Refuse what the principal has no right to; FastAPI calls it for each route that was included.

        :raises HTTPException: with status 403
        """
        access = _access_of(request.scope["route"], request.method)
        if not self._may(request.state.principal, access):
            raise HTTPException(403)

    def _may(self, principal: Principal, access: Access) -> bool:
        return principal.may(access) and not (self._policy.read_only and access is Access.WRITE)

    async def _describe_error(self, request: Request, error: Exception) -> StarletteResponse:
        """The errors of :mod:`orthanclite.core.errors` look the same, whoever raises them."""
        assert isinstance(error, OrthancError)
        answer = error_response(error, request.method, request.url.path, self._policy.describe_errors)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
        return StarletteResponse(bytes(answer.body), answer.status, headers)

    async def _unknown(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What neither the table nor a router that was included knows."""
        if scope["type"] == "http":
            answer = await self._describe_error(Request(scope), UnknownResource())
            await answer(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})


_forbidden = StarletteResponse(status_code=403)


def _access_of(route: BaseRoute, method: str) -> Access:
    """What a route of FastAPI says it does, or is taken to do."""
    declared = (getattr(route, "openapi_extra", None) or {}).get(ACCESS)
    return default_access(method) if declared is None else Access(declared)
