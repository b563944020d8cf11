"""Files of our own packages, served as they are. Nothing comes from other servers."""

from __future__ import annotations

from importlib.resources import files

from orthanclite.web.answers.responses import Response, header
from orthanclite.web.call import Call
from orthanclite.web.routing import Router

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


def serve_file(router: Router, path: str, package: str, name: str, summary: str) -> None:
    """Answer ``path`` with a file in the folder ``static`` of a package, which is read once, now."""
    body = files(package).joinpath("static", name).read_bytes()
    media_type = _TYPES[name.rpartition(".")[2]]

    @router.get(path, summary, answers=media_type.partition(";")[0], inline=True)
    def page(call: Call) -> Response:
        return Response(200, body, [header("content-type", media_type), *_SAFETY])
