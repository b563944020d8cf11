"""The HTTP client: connections that are used again, bounded answers, redirections that keep secrets."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urljoin

import httpx

from orthanclite.core.errors import NetworkProtocol
from orthanclite.core.machine.buffers import View
from orthanclite.core.ports.http import LIMIT, Answer, Upload
from orthanclite.core.remotes.endpoints import Endpoint, origin, without_secrets
from orthanclite.remote.errors import translated
from orthanclite.remote.tls import Identity, client_context

log = logging.getLogger("orthanclite.http.client")

_MOST_REDIRECTIONS = 10
_SAME_METHOD = (307, 308)
_REDIRECTIONS = (301, 302, 303, *_SAME_METHOD)
_MOST_CONNECTIONS = 64
_MOST_IDENTITIES = 32
_IDLE = 0.8
"""Seconds that a connection without requests is kept. Servers of this kind close theirs after a second
(``KeepAliveTimeout``), and a request that meets its end is lost."""
_LOST = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
_LONG_WAIT = 24 * 3600.0  # seconds; for a timeout of 0, which means none


@dataclass(frozen=True, slots=True)
class HttpxOptions:
    """The settings of outgoing HTTP."""

    timeout: int = 60
    """``HttpTimeout``: seconds to connect, and of silence."""
    proxy: str = field(default="", repr=False)
    """``HttpProxy``: ``host:port`` or ``user:password@host:port``; empty for none."""
    verify_peers: bool = True
    """``HttpsVerifyPeers``."""
    ca_certificates: str = ""
    """``HttpsCACertificates``."""
    verbose: bool = False
    """``HttpVerbose``: log each request."""


class HttpxClient:
    """The port ``core.ports.HttpClient``."""

    def __init__(self, options: HttpxOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._clients: OrderedDict[Identity, httpx.Client] = OrderedDict()

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            client.close()

    def request(
        self,
        endpoint: Endpoint,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Upload = b"",
        limit: int = LIMIT,
    ) -> Answer:
        with self.stream(endpoint, method, path, headers=headers, body=body) as answer:
            return Answer(answer.status, answer.headers, answer.read(limit))

    @contextmanager
    def stream(
        self,
        endpoint: Endpoint,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Upload = b"",
    ) -> Iterator[_Streamed]:
        target = endpoint.at(_absolute(endpoint.url) + path)
        for _ in range(_MOST_REDIRECTIONS + 1):
            with self._send(target, method, headers or {}, body) as answer:
                location = answer.headers.get("location")
                if answer.status not in _REDIRECTIONS or location is None:
                    yield answer
                    return
                target = _follow(target, method, answer.status, urljoin(target.url, location))
        raise NetworkProtocol(f"Too many redirections, while accessing {without_secrets(target.url)}")

    @contextmanager
    def _send(
        self, target: Endpoint, method: str, headers: Mapping[str, str], body: bytes | Upload
    ) -> Iterator[_Streamed]:
        timeout = float(target.timeout or self._options.timeout) or _LONG_WAIT
        all_headers = _headers(target, headers, body)
        began = time.monotonic()
        with translated(target.url):
            client = self._client(Identity.of(target))
            connected = _Connected()
            try:
                response = _begin(client, method, target.url, all_headers, body, timeout, connected)
            except _LOST:
                if connected:
                    raise
                # The connection was an old one, which the server was about to close.
                response = _begin(client, method, target.url, all_headers, body, timeout, connected)
        if self._options.verbose:
            took = time.monotonic() - began
            log.info("%s %s: %d (%.3f s)", method, without_secrets(target.url), response.status_code, took)
        try:
            yield _Streamed(response, target.url, timeout)
        finally:
            response.close()

    def _client(self, identity: Identity) -> httpx.Client:
        """The connections that are made as ``identity``."""
        with self._lock:
            client = self._clients.get(identity)
            if client is None:
                client = self._clients[identity] = self._make(identity)
                while len(self._clients) > _MOST_IDENTITIES:
                    # Not closed here: a request may be under way. Its connections go with their last user.
                    self._clients.popitem(last=False)
            self._clients.move_to_end(identity)
            return client

    def _make(self, identity: Identity) -> httpx.Client:
        options = self._options
        proxy = options.proxy
        client = httpx.Client(
            verify=client_context(identity, options.verify_peers, options.ca_certificates),
            proxy=(proxy if "://" in proxy else f"http://{proxy}") if proxy else None,
            limits=httpx.Limits(
                max_connections=_MOST_CONNECTIONS,
                max_keepalive_connections=_MOST_CONNECTIONS,
                keepalive_expiry=_IDLE,
            ),
            trust_env=False,
        )
        # Nothing that is said needlessly; an answer that is packed unasked is unpacked all the same.
        for name in ("accept-encoding", "connection", "user-agent"):
            del client.headers[name]
        return client


class _Connected:
    """Whether a connection was made for a request, as the library tells on the way."""

    def __init__(self) -> None:
        self._is_new = False

    def __call__(self, event: str, details: object) -> None:
        if event.startswith("connection.connect"):
            self._is_new = True

    def __bool__(self) -> bool:
        return self._is_new


def _begin(
    client: httpx.Client,
    method: str,
    url: str,
    headers: list[tuple[bytes, bytes]],
    body: bytes | Upload,
    timeout: float,
    connected: _Connected,
) -> httpx.Response:
    """Send a request, up to the head of its answer."""
    request = client.build_request(
        method,
        url,
        headers=headers,
        content=_content(body),
        timeout=timeout,
        extensions={"trace": connected},
    )
    return client.send(request, stream=True, auth=None, follow_redirects=False)


class _Streamed:
    """The port ``core.ports.StreamedAnswer``."""

    def __init__(self, response: httpx.Response, url: str, timeout: float) -> None:
        self._response = response
        self._url = url
        self._timeout = timeout

    @property
    def status(self) -> int:
        return self._response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return {name.lower(): value for name, value in self._response.headers.items()}

    def pieces(self) -> Iterator[bytes]:
        with translated(self._url):
            yield from self._response.iter_bytes()

    def read(self, limit: int = LIMIT) -> bytes:
        """The whole body, which must come within the time for which a server may be silent."""
        pieces: list[bytes] = []
        size = 0
        deadline = time.monotonic() + self._timeout
        where = without_secrets(self._url)
        for piece in self.pieces():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise NetworkProtocol(f"The answer has more than {limit} bytes, while accessing {where}")
            if time.monotonic() > deadline:
                raise NetworkProtocol(f"The server does not answer in time, while accessing {where}")
        return b"".join(pieces)


def _absolute(url: str) -> str:
    return url if "://" in url else f"http://{url}"


def _headers(target: Endpoint, headers: Mapping[str, str], body: bytes | Upload) -> list[tuple[bytes, bytes]]:
    """What is sent with a request; what the endpoint says goes before what the request says."""
    every = {name.lower(): (name, value) for name, value in headers.items()}
    if (authorization := target.authorization) is not None:
        every["authorization"] = ("Authorization", authorization)
    every |= {name.lower(): (name, value) for name, value in target.headers.items()}
    if isinstance(body, Upload) and body.size is not None:
        every["content-length"] = ("Content-Length", str(body.size))
    return [(name.encode("latin-1", "replace"), value.encode()) for name, value in every.values()]


def _content(body: bytes | Upload) -> bytes | Iterable[bytes] | None:
    if isinstance(body, Upload):
        return map(_as_bytes, body.pieces())
    return body or None


def _as_bytes(piece: View) -> bytes:
    return piece if isinstance(piece, bytes) else bytes(piece)


def _follow(target: Endpoint, method: str, status: int, location: str) -> Endpoint:
    """Where a redirected request goes.

    :raises NetworkProtocol: where it may not go there
    """
    is_same = origin(location) == origin(target.url) or _is_upgrade(target.url, location)
    if method in ("GET", "HEAD"):
        return target.at(location) if is_same else target.stranger(location)
    if status in _SAME_METHOD and is_same:
        return target.at(location)
    raise NetworkProtocol(
        f"The server redirects to {without_secrets(location)} ({status}), where nothing is sent, "
        f"while accessing {without_secrets(target.url)}"
    )


def _is_upgrade(url: str, location: str) -> bool:
    """Whether a server says that it is better spoken to by HTTPS."""
    _, host, port = origin(url)
    return port == 80 and origin(location) == ("https", host, 443)
