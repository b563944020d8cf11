"""The HTTP server: its sockets, its encryption, and uvicorn with the protocol of ours."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from orthanclite.app.house import GRACE, House
from orthanclite.config import Settings
from orthanclite.core.errors import IncompatibleConfigurations, NetworkProtocol
from orthanclite.core.machine.limits import open_files
from orthanclite.web.protocol.connection import http_protocol
from orthanclite.web.protocol.patrol import MOST_CONNECTIONS, Patrol


class HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: the rest of the server must be closed after it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def http_server(house: House) -> HttpServer:
    """The server of a house's application.

    Whoever runs it enters the lifespan of the application, which is also needed where HTTP is not served.

    :raises IncompatibleConfigurations: where HTTPS cannot be set up
    """
    settings, application = house.base.settings, house.application
    http, access = settings.http, settings.access
    most = min(MOST_CONNECTIONS, open_files() // 2)
    patrol = Patrol(house.base.memory, application.budget, float(http.request_timeout), most)
    config = uvicorn.Config(
        application,
        http=http_protocol(patrol),
        access_log=False,
        log_config=None,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=http.keep_alive_timeout,
        timeout_graceful_shutdown=int(GRACE),
        backlog=512,
    )
    if access.ssl_enabled:
        config.load()
        config.ssl = _tls(settings)
    return HttpServer(config)


def listen(settings: Settings) -> list[socket.socket]:
    """The listening sockets of the REST API.

    :raises NetworkProtocol: where an address or the port cannot be used
    """
    http = settings.http
    addresses = http.bind_addresses or (
        ("::", "0.0.0.0") if settings.access.remote_access else ("127.0.0.1", "::1")
    )
    sockets: list[socket.socket] = []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            listener = socket.socket(family, socket.SOCK_STREAM)
        except OSError as exc:
            if http.bind_addresses is None and family is socket.AF_INET6:
                continue
            raise NetworkProtocol(f"Cannot listen on {address}: {exc}") from exc
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family is socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((address, http.port))
        except OSError as exc:
            listener.close()
            if http.bind_addresses is None and family is socket.AF_INET6:
                continue  # a host without IPv6
            raise NetworkProtocol(f"Cannot listen on the HTTP port {http.port} of {address}: {exc}") from exc
        sockets.append(listener)
    return sockets


def _tls(settings: Settings) -> ssl.SSLContext:
    access = settings.access
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = (
        ssl.TLSVersion.TLSv1_3 if access.ssl_minimum_version >= 5 else ssl.TLSVersion.TLSv1_2
    )
    try:
        context.load_cert_chain(access.ssl_certificate)
        if access.ssl_ciphers:
            context.set_ciphers(":".join(access.ssl_ciphers))
        if access.ssl_verify_peers:
            context.load_verify_locations(access.ssl_trusted_clients)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as exc:
        raise IncompatibleConfigurations(f"HTTPS cannot be set up: {exc}") from exc
    return context
