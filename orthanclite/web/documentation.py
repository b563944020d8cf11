"""The API documentation, for people and for machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from orthanclite.web.answers.responses import Response, header
from orthanclite.web.call import Call
from orthanclite.web.routing import Router
from orthanclite.web.static_files import serve_file

_PACKAGE = "orthanclite.web"


def documentation_routes(openapi: Callable[[], dict[str, Any]]) -> Router:
    """``/docs`` and ``/openapi.json``; ``openapi`` makes the document when it is first asked for."""
    router = Router("Documentation")
    serve_file(router, "/docs", _PACKAGE, "docs.html", "This API, for people")
    serve_file(router, "/app/docs.js", _PACKAGE, "docs.js", "Script of the API documentation")
    serve_file(router, "/app/style.css", _PACKAGE, "style.css", "Style of the pages")
    serve_file(router, "/app/icon.svg", _PACKAGE, "icon.svg", "Icon of the pages")

    @router.get("/openapi.json", "This API, for machines (OpenAPI)")
    def document(call: Call) -> Response:
        return Response(200, orjson.dumps(openapi()), [header("content-type", "application/json")])

    return router
