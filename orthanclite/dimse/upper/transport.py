"""The sockets of the DICOM server, tuned where pynetdicom leaves the defaults.

A default ``storescu`` writes each message in small pieces with Nagle's algorithm on, and waits for the ACK of
one before it sends the next: a receiver that delays its ACKs stores 22 instances/s. So immediate ACKs are
asked for, and again after each read, since Linux forgets.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pynetdicom import evt
from pynetdicom.transport import AssociationSocket, ThreadedAssociationServer

from orthanclite.dimse.peer import plain_ip
from orthanclite.dimse.upper.admission import Places
from orthanclite.dimse.upper.buffer import InputBuffer

LOGGER = logging.getLogger(__name__)

_SHORTEST = 0.001  # seconds: a time-out of zero would mean not to wait
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_LISTEN_BACKLOG = 128
_HAND_SHAKE_TIMEOUT = 10.0  # seconds


def tune(connection: socket.socket, timeout: float | None) -> None:
    """Send and acknowledge without delay; give up a read or write after ``timeout`` seconds."""
    connection.settimeout(timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    acknowledge(connection)


def acknowledge(connection: socket.socket) -> None:
    """Let the next segments be acknowledged at once."""
    if _QUICKACK is not None:
        connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


class BufferedSocket(AssociationSocket):
    """Reads what has arrived in one go, and hands it out in the portions that pynetdicom asks for."""

    def __init__(self, association: Any, connection: socket.socket) -> None:
        super().__init__(association, client_socket=connection)
        self._input = InputBuffer()
        self._timeout = connection.gettimeout()
        self._deadline: float | None = None

    def give_up_in(self, seconds: float | None) -> None:
        """Let reading fail from that moment on, however little comes at a time; None to take it back."""
        self._deadline = None if seconds is None else time.monotonic() + seconds
        if seconds is None and self.socket is not None:
            self.socket.settimeout(self._timeout)

    @property
    def buffered(self) -> int:
        """Bytes that were read and not handed out."""
        return len(self._input)

    @property
    def has_pdu(self) -> bool:
        """Whether a whole PDU is buffered."""
        return self._input.has_pdu

    @property
    def ready(self) -> bool:
        """Whether :meth:`recv` has something to read."""
        return self.buffered > 0 or self.wait(0)

    def wait(self, timeout: float, wake: int | None = None) -> bool:
        """Wait until there is something to read, at most ``timeout`` seconds.

        :param wake: a non-blocking pipe that ends the waiting when there is something in it; it is emptied
        """
        connection = self.socket
        if self.buffered:
            return True
        if connection is None or not self._is_connected:
            return False
        if isinstance(connection, ssl.SSLSocket) and connection.pending():
            return True
        try:
            # Not select(), which knows no descriptors above 1023.
            poller = select.poll()
            poller.register(connection, select.POLLIN)
            if wake is not None:
                poller.register(wake, select.POLLIN)
            ready = [descriptor for descriptor, _ in poller.poll(timeout * 1000)]
        except (OSError, ValueError):
            self.event_queue.put("Evt17")
            return False
        if wake in ready:
            ready.remove(wake)
            with suppress(BlockingIOError):
                os.read(wake, 4096)
        return bool(ready)

    def recv(self, nr_bytes: int) -> bytearray:
        """``nr_bytes``, or fewer where the peer closed the connection.

        :raises OSError: if the connection broke, or nothing came for the time-out.
        """
        return bytearray(self.take(nr_bytes))

    def take(self, size: int) -> memoryview:
        """As :meth:`recv`, but valid only until the next bytes are read."""
        while self.buffered < size:
            if not self._fill(size):
                size = self.buffered
        return self._input.take(size)

    def _fill(self, wanted: int) -> bool:
        """Read more, of which ``wanted`` bytes are to stand in one piece; whether anything came."""
        connection = self.socket
        if connection is None:
            raise OSError("The connection is closed")
        room = self._input.room(wanted)
        if self._deadline is not None:
            connection.settimeout(max(_SHORTEST, self._deadline - time.monotonic()))
        count = connection.recv_into(room)
        acknowledge(connection)
        self._input.added(count)
        return count > 0

    def _shutdown_socket(self) -> None:
        """Close the connection, also where the peer has gone already (then there is nothing to shut down)."""
        connection = self.socket
        if connection is None:
            return
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def send(self, bytestream: bytes) -> None:
        """Send everything; a failure ends the association (Evt17)."""
        try:
            if self.socket is None:
                raise OSError("The connection is closed")
            self.socket.sendall(bytestream)
        except OSError as exc:
            LOGGER.info("Cannot send to the peer: %s", exc)
            self.event_queue.put("Evt17")


class DicomListener(ThreadedAssociationServer):
    """Accepts connections. A TLS hand-shake is made in the thread of its connection: others need not wait.

    :param handler: makes the association of a connection
    :param timeout: seconds for a read and a write; None for no limit
    :param places: bounds the connections that are open, associated or not
    """

    daemon_threads = True
    request_queue_size = _LISTEN_BACKLOG

    def __init__(
        self,
        application: Any,
        address: tuple[str, int],
        handler: Callable[..., Any],
        tls: ssl.SSLContext | None,
        timeout: float | None,
        places: Places,
    ) -> None:
        self._places = places
        self._tls = tls
        self._connection_timeout = timeout
        # The presentation contexts are decided on for each association.
        super().__init__(application, address, application.ae_title, [], request_handler=handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        if self.socket is None:
            raise OSError("The listening socket is closed")
        connection, address = self.socket.accept()
        try:
            tune(connection, self._connection_timeout)
            if self._tls is not None:
                connection = self._tls.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            if not self._places.take(plain_ip(address[0]), lambda: connection.fileno() != -1):
                raise OSError(f"Too many connections of {address[0]}")
        except (OSError, ValueError) as exc:
            LOGGER.info("Closed a connection: %s", exc)
            connection.close()
            raise OSError("Closed") from exc
        return connection, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the thread of the connection: shake hands, then start the association."""
        if isinstance(request, ssl.SSLSocket):
            try:
                request.settimeout(_HAND_SHAKE_TIMEOUT)  # for all of it, however it is cut into pieces
                request.do_handshake()
                request.settimeout(self._connection_timeout)
            except (OSError, ValueError) as exc:
                LOGGER.warning("DICOM TLS: refused the connection of %s: %s", client_address[0], exc)
                with suppress(OSError):
                    request.close()
                return
        super().finish_request(request, client_address)

    def service_actions(self) -> None:
        """Nothing: pynetdicom collects garbage here, which stops all threads when there is much of it."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        LOGGER.exception("Cannot serve the DICOM connection of %s", client_address[0])

    def _bind_defaults(self) -> None:
        """Only the handlers that answer: those that merely write logs cost more than the work."""
        for event in evt._INTERVENTION_EVENTS:
            self.bind(event, evt.get_default_handler(event))
