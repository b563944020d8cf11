"""Running the server: the HTTP and DICOM servers around the services, from start to an orderly end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from orthanclite.app.dicom import dicom_backends
from orthanclite.app.options import dicom_options
from orthanclite.app.routes import rest_application
from orthanclite.app.services import Services
from orthanclite.config import Settings
from orthanclite.config.options import RunOptions
from orthanclite.core.errors import IncompatibleConfigurations, NetworkProtocol
from orthanclite.dimse.scp.table import offers
from orthanclite.dimse.upper.server import DicomServer
from orthanclite.web.protocol.connection import http_protocol
from orthanclite.web.protocol.patrol import Patrol

_SHUTDOWN = 10  # seconds that requests and associations under way may take to finish

log = logging.getLogger("orthanclite.generic")


class _HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: the rest of the server must be closed after it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ServerProcess:
    """One execution of the server.

    :param settings: the configuration
    :param run_options: what the command line says about this execution
    """

    def __init__(self, settings: Settings, run_options: RunOptions) -> None:
        self._settings = settings
        self._services = Services(settings)
        self._stopping: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._restart = False
        self._terminated = False
        self._rest = rest_application(self._services, self.stop, self.restart)
        self._dicom = DicomServer(
            dicom_options(settings),
            self._services.runtime,
            lambda: self._services.modalities.all().values(),
            offers(dicom_backends(self._services), settings.dicom.threads),
        )

    def stop(self) -> None:
        """Begin an orderly end; callable from any thread."""
        if self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)

    def restart(self) -> None:
        """Begin an orderly end, to be followed by a new start."""
        self._restart = True
        self.stop()

    def _terminate(self) -> None:
        """What a signal asks for: an end for good, also where a restart has begun."""
        self._terminated = True
        self.stop()

    def run(self) -> bool:
        """Serve until stopped by a signal or over REST; whether a restart was asked for."""
        try:
            with asyncio.Runner(loop_factory=_new_loop) as runner:
                runner.run(self._serve())
        finally:
            with _deadline(_SHUTDOWN):
                self._rest.close()
                self._services.close()
        log.warning("Orthanc has stopped")
        return self._restart and not self._terminated

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._terminate)
        self._services.start()
        if self._services.index.database.is_sqlite:
            self._services.index.database.reserve_reader()
        if self._settings.dicom.enabled:
            self._dicom.start()
        try:
            if self._settings.http.enabled:
                await self._serve_http(self._stopping)
            else:
                await self._stopping.wait()
        finally:
            await asyncio.to_thread(self._dicom.stop, float(_SHUTDOWN))

    async def _serve_http(self, stopping: asyncio.Event) -> None:
        server = _HttpServer(self._http_config())
        sockets = _listen(self._settings)
        serving = asyncio.ensure_future(server.serve(sockets))
        waiting = asyncio.ensure_future(stopping.wait())
        log.warning("Orthanc has started: REST API on port %d", self._settings.http.port)
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        server.should_exit = True
        # Both at once: neither may take longer because of the other.
        await asyncio.gather(serving, asyncio.to_thread(self._dicom.stop, float(_SHUTDOWN)))

    def _http_config(self) -> uvicorn.Config:
        http, access = self._settings.http, self._settings.access
        patrol = Patrol(self._services.memory, self._rest.budget, float(http.request_timeout))
        config = uvicorn.Config(
            self._rest,
            http=http_protocol(patrol),
            access_log=False,
            log_config=None,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_keep_alive=http.keep_alive_timeout,
            timeout_graceful_shutdown=_SHUTDOWN,
            backlog=512,
        )
        if access.ssl_enabled:
            config.load()
            config.ssl = _http_tls(self._settings)
        return config


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """End the process if a block takes longer, as with a script in an endless loop.

    Nothing is lost by that: what was acknowledged is durable, and the start after a crash is any start.
    """
    timer = threading.Timer(seconds, _give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _give_up() -> None:
    log.error("Something does not end: the server stops without waiting for it")
    logging.shutdown()
    os._exit(1)


def _new_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def _listen(settings: Settings) -> list[socket.socket]:
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


def _http_tls(settings: Settings) -> ssl.SSLContext:
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
