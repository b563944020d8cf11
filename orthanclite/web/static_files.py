"""Files of our own packages, served as they are. Nothing comes from other servers."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from orthanclite.web.answers.compression import accepted_encodings
from orthanclite.web.answers.responses import Header, Response, header
from orthanclite.web.call import Call
from orthanclite.web.routing import Router

_TYPES = {
    "css": "text/css; charset=utf-8",
    "gif": "image/gif",
    "html": "text/html; charset=utf-8",
    "ico": "image/vnd.microsoft.icon",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript; charset=utf-8",
    "md": "text/plain; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
    "wasm": "application/wasm",
    "webp": "image/webp",
}
_CODINGS = {b"br": ".br", b"gzip": ".gz"}
"""Content codings by which files may lie beside themselves, the best first."""

_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' blob:; style-src 'self'; {} "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_NO_REFERRER = header("referrer-policy", "no-referrer")
_SAFETY = (header("content-security-policy", _POLICY.format("script-src 'self';")), _NO_REFERRER)
_SAFETY_WITH_DECODERS = (
    header(
        "content-security-policy",
        _POLICY.format(
            "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; frame-src 'self'; media-src 'self';"
        ),
    ),
    _NO_REFERRER,
)
"""Decoders of images are WebAssembly, in workers. It is compiled, but never from text.

Documents (PDF) are shown in a frame, by the browser's own viewer, and videos by its player: both from here.
"""
_REVALIDATED = header("cache-control", "no-cache")
_FOR_EVER = header("cache-control", "public, max-age=31536000, immutable")


def serve_file(router: Router, path: str, package: str, name: str, summary: str) -> None:
    """Answer ``path`` with a file in the folder ``static`` of a package, which is read once, now."""
    body = files(package).joinpath("static", name).read_bytes()
    media_type = _media_type(name)

    @router.get(path, summary, answers=media_type.partition(";")[0], inline=True)
    def page(call: Call) -> Response:
        return Response(200, body, [header("content-type", media_type), *_SAFETY, _REVALIDATED])


class BuiltSite:
    """A folder that a bundler has written: pages, and ``assets`` whose names change with their content.

    Which files there are is read once, now, so that no name leads out of the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._files: Mapping[str, Path] = {
            path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
        }

    def __contains__(self, name: str) -> bool:
        return name in self._files and name.rpartition(".")[2] in _TYPES

    def answer(self, name: str, call: Call) -> Response:
        """A file, in the best content coding that the client takes and that was built.

        :raises KeyError: where there is none
        """
        accepted = accepted_encodings(call.header("accept-encoding").encode("latin-1"))
        coding = next(
            (one for one, suffix in _CODINGS.items() if one in accepted and name + suffix in self._files),
            None,
        )
        headers: list[Header] = [
            header("content-type", _media_type(name)),
            header("vary", "accept-encoding"),
            *_SAFETY_WITH_DECODERS,
            _FOR_EVER if name.startswith("assets/") else _REVALIDATED,
        ]
        if coding is not None:
            headers.append((b"content-encoding", coding))
        path = self._files[name if coding is None else name + _CODINGS[coding]]
        return Response(200, path.read_bytes(), headers)


class GivenFile:
    """A file of the configuration, shown within a built site; read once, now.

    :raises OSError: where it cannot be read.
    :raises KeyError: where its type is not known by the end of its name.
    """

    def __init__(self, path: Path) -> None:
        self._body = path.read_bytes()
        self._headers = [
            header("content-type", _media_type(path.name.lower())),
            *_SAFETY,
            _REVALIDATED,
        ]

    def answer(self) -> Response:
        return Response(200, self._body, list(self._headers))


def _media_type(name: str) -> str:
    return _TYPES[name.rpartition(".")[2]]
