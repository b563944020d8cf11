"""The port of the DICOM server."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

from orthanclite.dimse.peer import plain_ip
from orthanclite.dimse.upper.accepted.admission import Places
from orthanclite.dimse.upper.wire.link import tune

LOGGER = logging.getLogger(__name__)

_BACKLOG = 128
_HAND_SHAKE_TIMEOUT = 10.0  # seconds
_LINGER = 1.0  # seconds that a peer which was refused may be silent before the connection is closed
_MOST_READS = 4  # of what it still sends


class DicomListener(ThreadingTCPServer):
    """Accepts connections. A TLS hand-shake is made in the thread of its connection: others need not wait.

    :param serve: called with each connection, in a thread of its own; it is closed after that
    :param places: bounds the connections that are open, associated or not
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = _BACKLOG

    def __init__(
        self,
        address: tuple[str, int],
        serve: Callable[[socket.socket], None],
        tls: ssl.SSLContext | None,
        places: Places,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._serve = serve
        self._tls = tls
        self._places = places
        super().__init__(address, BaseRequestHandler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        try:
            tune(connection, _HAND_SHAKE_TIMEOUT)
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
        """In the thread of the connection: shake hands, then serve it."""
        if isinstance(request, ssl.SSLSocket):
            try:
                request.do_handshake()  # within the time-out, however it is cut into pieces
            except (OSError, ValueError) as exc:
                LOGGER.warning("DICOM TLS: refused the connection of %s: %s", client_address[0], exc)
                _part(request)
                return
        self._serve(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        LOGGER.exception("Cannot serve the DICOM connection of %s", client_address[0])


def _part(connection: ssl.SSLSocket) -> None:
    """Close a connection whose hand-shake has failed. What is unread would have the kernel reset it, and the
    peer lose the alert that tells why."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)  # and speak TLS no more
        connection.settimeout(_LINGER)
        for _ in range(_MOST_READS):
            if not connection.recv(65536):
                break
    with suppress(OSError):
        connection.close()
