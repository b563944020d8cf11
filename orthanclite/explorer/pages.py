"""The web interface: the files that were built from the folder ``explorer`` at the top of the project.

It stands at ``/ui/app/``, where Orthanc Explorer 2 stands. Its own addresses follow a ``#``, so that it works
below any path and behind any proxy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

from orthanclite.core.principal import Access
from orthanclite.web.answers.responses import Response, header, json_response, redirect
from orthanclite.web.call import Call
from orthanclite.web.routing import Router
from orthanclite.web.static_files import BuiltSite, GivenFile

STATIC = Path(__file__).parent / "static"
_NOT_BUILT = (
    "This installation of orthanclite has no web interface: it was left out when the package was built "
    "(ORTHANCLITE_WITHOUT_EXPLORER, or no registry of npm packages). The REST API is complete: see ../docs\n"
)


@dataclass(frozen=True, slots=True)
class Offered:
    """What the pages may offer, apart from the rights of who looks at them."""

    options: Mapping[str, object]
    """By the names of the ``UiOptions`` of Orthanc Explorer 2."""
    read_only: bool
    """Whether nothing that is stored may be changed."""
    theme: str
    """``light`` or ``dark``; empty for that of the user's system."""
    title: str
    """What the browser's tab is called; empty for the name of the server."""
    dicomweb_root: str | None
    """Path of DICOMweb, relative to the root of the API; None where there is none."""
    custom: Mapping[str, GivenFile] = field(default_factory=dict)
    """Files of the configuration: ``custom-style``, ``custom-logo`` and ``custom-icon``."""


def explorer_routes(offered: Offered, folder: Path = STATIC) -> Router:
    """The web interface (``OrthancExplorerEnabled``), or a page that says that it was not built."""
    router = Router("Web interface")
    site = BuiltSite(folder)
    is_built = "index.html" in site

    @router.get("/", "Leads to the web interface", answers=(), inline=True)
    def root(call: Call) -> Response:
        return redirect("ui/app/")

    @router.get(
        "/app/explorer.html",
        "Leads to the web interface, as links to Orthanc Explorer do",
        answers=(),
        inline=True,
    )
    def former(call: Call) -> Response:
        return redirect("../ui/app/")

    @router.get("/favicon.ico", "Leads to the icon", answers=(), inline=True)
    def favicon(call: Call) -> Response:
        return redirect("app/icon.svg")

    @router.get("/ui", "Leads to the web interface", answers=(), inline=True)
    def ui(call: Call) -> Response:
        return redirect("app/" if call.path.endswith("/") else "ui/app/")

    @router.get(
        "/ui/api/configuration", "What the web interface offers", answers="application/json", inline=True
    )
    def configuration(call: Call) -> Response:
        refused = {Access.WRITE} if offered.read_only else set[Access]()
        rights = call.principal.rights - refused
        return json_response(
            {
                "UiOptions": offered.options,
                "ReadOnly": offered.read_only,
                "Rights": sorted(rights),
                "Theme": offered.theme,
                "Title": offered.title,
                "DicomWebRoot": offered.dicomweb_root,
                "Custom": sorted(offered.custom),
            }
        )

    @router.get("/ui/app/{name:path}", "The web interface", answers="text/html")
    def page(call: Call) -> Response | None:
        name = call.params["name"]
        if not is_built:
            return Response(200, _NOT_BUILT.encode(), [header("content-type", "text/plain; charset=utf-8")])
        if not name:
            # Relative addresses in the page count from the slash at the end.
            return site.answer("index.html", call) if call.path.endswith("/") else redirect("app/", 302)
        if (given := offered.custom.get(name)) is not None:
            return given.answer()
        if name in site:
            return site.answer(name, call)
        if name == "retrieve-and-view.html":
            name = "retrieve-and-view"
        if "." in name:  # a file of another build
            return None
        # A page of Orthanc Explorer 2 (filtered-studies?StudyInstanceUID=...): ours come after the "#".
        query = f"?{urlencode(call.arguments)}" if call.arguments else ""
        depth = call.path.count("/") - "/ui/app/".count("/")
        return redirect(f"{'../' * depth}./#/{quote(name)}{query}", 302)

    return router
