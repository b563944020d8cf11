"""Remote HTTP servers: where they are, and what they are told of who calls."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from orthanclite.core.errors import BadFileFormat

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The root of a remote server, which ends with a slash, and how to be let in."""

    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificate_file: str = ""  # PEM, that of the client
    certificate_key_file: str = ""  # PEM; empty where the key is in the file of the certificate
    certificate_key_password: str = field(default="", repr=False)
    timeout: int = 0  # seconds; 0 for HttpTimeout

    @property
    def authorization(self) -> str | None:
        """The header ``Authorization`` (RFC 7617); None where nobody has to log in."""
        if not self.username:
            return None
        credentials = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(credentials).decode('ascii')}"

    @property
    def public_url(self) -> str:
        """The URL as it may stand in errors and logs."""
        return without_secrets(self.url)

    def stranger(self, url: str) -> Endpoint:
        """Another server, which is told nothing of what this one may know."""
        return Endpoint(url, timeout=self.timeout)

    def at(self, url: str) -> Endpoint:
        """The same server at another URL."""
        return replace(self, url=url)


def check_url(text: str) -> str:
    """The root URL of a server with a slash at its end; without a scheme, it is spoken to by HTTP.

    :raises BadFileFormat: where it is none, or of another scheme than ``http`` and ``https``.
    """
    if not text:
        raise BadFileFormat("Empty URL")
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        is_good = parts.scheme.lower() in _DEFAULT_PORTS and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is none, a broken IPv6 address
        is_good = False
    if not is_good or not text.isprintable() or " " in text:
        raise BadFileFormat(f"Bad URL: {without_secrets(text)}")
    return text if text.endswith("/") else text + "/"


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL (RFC 6454 section 4)."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(scheme, 0)


def without_secrets(url: str) -> str:
    """A URL as it may stand in errors and logs: without user and password.

    >>> without_secrets("http://alice:secret@host/x")
    'http://host/x'
    """
    head, separator, rest = url.rpartition("@")
    if not separator or "/" in head.partition("://")[2]:
        return url
    scheme, mark, _ = head.partition("://")
    return f"{scheme}{mark}{rest}" if mark else rest
