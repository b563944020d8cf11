"""The start page, the API documentation and the OpenAPI document. Nothing comes from other servers."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import orjson

from orthanclite.rest.call import Call
from orthanclite.rest.responses import Response, header, redirect
from orthanclite.rest.routing import Router

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

_SAFETY = (
    header(
        "content-security-policy",
        "default-src 'none'; connect-src 'self'; img-src 'self'; script-src 'self'; style-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    header("referrer-policy", "no-referrer"),
    header("cache-control", "no-cache"),
)


def documentation_routes(openapi: Callable[[], dict[str, Any]]) -> Router:
    """``/docs`` and ``/openapi.json``; ``openapi`` makes the document when it is first asked for."""
    router = Router("Documentation")
    _serve(router, "/docs", "docs.html", "This API, for people")
    _serve(router, "/app/docs.js", "docs.js", "Script of the API documentation")
    _serve(router, "/app/style.css", "style.css", "Style of the pages")
    _serve(router, "/app/icon.svg", "icon.svg", "Icon of the pages")

    @router.get("/openapi.json", "This API, for machines (OpenAPI)")
    def document(call: Call) -> Response:
        return Response(200, orjson.dumps(openapi()), [header("content-type", "application/json")])

    return router


def start_page_routes() -> Router:
    """The start page (``OrthancExplorerEnabled``), also at the address of Orthanc's user interface."""
    router = Router("Documentation")
    _serve(router, "/", "start.html", "The start page")
    _serve(router, "/app/start.js", "start.js", "Script of the start page")

    @router.get("/app/explorer.html", "Leads to the start page", answers=(), inline=True)
    def explorer(call: Call) -> Response:
        return redirect("../")

    @router.get("/favicon.ico", "Leads to the icon", answers=(), inline=True)
    def favicon(call: Call) -> Response:
        return redirect("app/icon.svg")

    return router


def _serve(router: Router, path: str, name: str, summary: str) -> None:
    """A file of this package, read once."""
    body = files("orthanclite.rest").joinpath("static", name).read_bytes()
    media_type = _TYPES[name.rpartition(".")[2]]

    @router.get(path, summary, answers=media_type.partition(";")[0], inline=True)
    def page(call: Call) -> Response:
        return Response(200, body, [header("content-type", media_type), *_SAFETY])
