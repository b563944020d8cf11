"""Running the server: the HTTP and DICOM servers around the services, from start to an orderly end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from orthanclite.app.house import GRACE, House
from orthanclite.app.http import http_server, listen
from orthanclite.app.wiring.server import Lifecycle
from orthanclite.config import Settings

log = logging.getLogger("orthanclite.generic")


class ServerProcess:
    """One execution of the server.

    :param settings: the configuration
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._restart = False
        self._terminated = False
        self._house = House(settings, Lifecycle(self.stop, self.restart))

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
            with _deadline(GRACE):
                self._house.close()
        log.warning("Orthanc has stopped")
        return self._restart and not self._terminated

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._terminate)
        application = self._house.application
        async with application.router.lifespan_context(application):
            if self._settings.http.enabled:
                await self._serve_http(self._stopping)
            else:
                await self._stopping.wait()

    async def _serve_http(self, stopping: asyncio.Event) -> None:
        server = http_server(self._house)
        sockets = listen(self._settings)
        serving = asyncio.ensure_future(server.serve(sockets))
        waiting = asyncio.ensure_future(stopping.wait())
        log.warning("Orthanc has started: REST API on port %d", self._settings.http.port)
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        server.should_exit = True
        # Both at once: neither may take longer because of the other.
        await asyncio.gather(serving, self._house.stop_serving())


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
