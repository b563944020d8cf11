"""Pages of other sites that may use a part of the API (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Header = tuple[bytes, bytes]

_EXPOSED = (
    b"access-control-expose-headers",
    b"content-disposition, content-encoding, content-length, content-location, content-range, etag, warning",
)
_MAXIMUM_AGE = (b"access-control-max-age", b"7200")
_VARY = (b"vary", b"origin")
_METHODS = (b"access-control-allow-methods", b"GET, POST, PUT, DELETE, OPTIONS")
_ANY = "*"


@dataclass(frozen=True, slots=True)
class CrossOrigin:
    """The sites whose pages may use what is below some paths.

    :param paths: without a slash at their ends
    :param origins: ``https://viewer.example.com``, in lower case; ``*`` for any
    """

    paths: tuple[str, ...] = ()
    origins: frozenset[str] = frozenset()

    def admits(self, path: str, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request comes from a page that may send it."""
        if not self.origins:
            return False
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        if not origin or not (_ANY in self.origins or origin in self.origins):
            return False
        return any(path == one or path.startswith(f"{one}/") for one in self.paths)

    def headers(self, headers: Mapping[bytes, bytes]) -> list[Header]:
        """What tells the browser that the page may see the answer, whatever it is."""
        if _ANY in self.origins:
            # Without credentials that the browser has by itself: those that a page has, it may send.
            return [(b"access-control-allow-origin", b"*"), _EXPOSED]
        origin = headers[b"origin"]
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            _EXPOSED,
            _VARY,
        ]

    def preflight(self, headers: Mapping[bytes, bytes]) -> list[Header] | None:
        """What tells a browser that asks that a page may send a request; None for any other request."""
        if b"access-control-request-method" not in headers:
            return None
        asked = headers.get(b"access-control-request-headers", b"")
        allowed = [(b"access-control-allow-headers", asked)] if asked else []
        return [_METHODS, *allowed, _MAXIMUM_AGE]
