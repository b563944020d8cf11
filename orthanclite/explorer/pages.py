"""The start page, also at the address of Orthanc's user interface."""

from __future__ import annotations

from orthanclite.web.answers.responses import Response, redirect
from orthanclite.web.call import Call
from orthanclite.web.routing import Router
from orthanclite.web.static_files import serve_file

_PACKAGE = "orthanclite.explorer"


def start_page_routes() -> Router:
    """The start page (``OrthancExplorerEnabled``)."""
    router = Router("Documentation")
    serve_file(router, "/", _PACKAGE, "start.html", "The start page")
    serve_file(router, "/app/start.js", _PACKAGE, "start.js", "Script of the start page")

    @router.get("/app/explorer.html", "Leads to the start page", answers=(), inline=True)
    def explorer(call: Call) -> Response:
        return redirect("../")

    @router.get("/favicon.ico", "Leads to the icon", answers=(), inline=True)
    def favicon(call: Call) -> Response:
        return redirect("app/icon.svg")

    return router
