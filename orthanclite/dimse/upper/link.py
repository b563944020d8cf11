"""The connection of an association that this server requests, read and written in the thread that uses it.

Nothing runs in the background: whoever asks also waits, for the socket and a deadline.
"""

from __future__ import annotations

import fcntl
import select
import socket
import ssl
import struct
import termios
import time
from contextlib import suppress

from orthanclite.core.machine.buffers import View
from orthanclite.dimse.upper.buffer import PDU_HEAD, InputBuffer
from orthanclite.dimse.upper.transport import acknowledge, tune

_WANTS = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_LOOKS = 10  # at the progress of a slow line, before the time is over
_MOST_UNREAD = 64 * 1024
"""Bytes that are read while there is something to send: a peer that must not wait for its reader goes on."""


def connect(host: str, port: int, timeout: float | None, tls: ssl.SSLContext | None) -> Link:
    """Connect, and shake hands where TLS is wanted, each within ``timeout`` seconds.

    :raises OSError: if that fails (also the errors of TLS)
    """
    connection = socket.create_connection((host, port), timeout)
    try:
        tune(connection, timeout)
        if tls is not None:
            connection = tls.wrap_socket(connection, server_hostname=host)
        connection.setblocking(False)
        return Link(connection)
    except BaseException:
        connection.close()
        raise


class _Deadline:
    """When a peer has kept still for too long.

    What a slow line has not carried yet is no silence of the peer: megabytes may lie in the buffers of the
    system, and for as long as they become less, the time begins anew.
    """

    def __init__(self, patience: float | None) -> None:
        self._patience = patience
        self._end = 0.0 if patience is None else time.monotonic() + patience
        self._unacknowledged: int | None = None

    @property
    def is_over(self) -> bool:
        return self._patience is not None and time.monotonic() >= self._end

    @property
    def next_look(self) -> float | None:
        """Milliseconds until it is to be looked at again."""
        if self._patience is None:
            return None
        return 1000 * max(min(self._end - time.monotonic(), self._patience / _LOOKS), 0.001)

    def observe(self, unacknowledged: int) -> None:
        """Note how many bytes the peer has not acknowledged."""
        before, self._unacknowledged = self._unacknowledged, unacknowledged
        if self._patience is not None and before is not None and 0 < unacknowledged < before:
            self._end = time.monotonic() + self._patience


class Link:
    """An open connection.

    :param connection: one that does not block
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.address = str(connection.getpeername()[0])
        self._input = InputBuffer()

    def send(self, data: View, patience: float | None) -> None:
        """Send everything.

        :param patience: seconds that the peer may go without reading anything; None for no limit
        :raises OSError: if the connection breaks, or the peer does not read (TimeoutError)
        """
        view = memoryview(data)
        while view:
            try:
                view = view[self._connection.send(view) :]
            except _WANTS as exc:
                self._wait_to_send(exc, _Deadline(patience))

    def read_pdu(self, limit: int, patience: float | None) -> tuple[int, memoryview]:
        """The kind and the body of the next PDU (PS3.8 section 9.3); valid until the next one is read.

        :param limit: bytes that it may have
        :param patience: seconds for all of it to come; None for no limit
        :raises OSError: if the connection breaks, or the time is over (TimeoutError)
        :raises ValueError: if it is longer
        """
        deadline = _Deadline(patience)
        while (length := self._input.pdu_length) is None:
            self._fill(PDU_HEAD, deadline)
        if length - PDU_HEAD > limit:
            raise ValueError(f"A PDU of {length} bytes")
        while len(self._input) < length:
            self._fill(length, deadline)
        pdu = self._input.take(length)
        return pdu[0], pdu[PDU_HEAD:]

    def wait(self, seconds: float) -> bool:
        """Whether there is something to read, or comes in time.

        :raises OSError: if the connection breaks
        """
        pending = self._connection.pending() if isinstance(self._connection, ssl.SSLSocket) else 0
        if len(self._input) or pending:
            return True
        try:
            self._poll(select.POLLIN, _Deadline(seconds))
        except TimeoutError:
            return False
        return True

    def interrupt(self) -> None:
        """End what another thread waits for on this connection; it fails there."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        # What is unread would have the kernel reset the connection, and the peer lose what was sent last.
        with suppress(OSError):
            for _ in range(16):
                if not self._connection.recv(_MOST_UNREAD):
                    break
        self._connection.close()

    def _fill(self, wanted: int, deadline: _Deadline) -> None:
        """Read once, so that ``wanted`` bytes will stand in one piece."""
        room = self._input.room(wanted)
        while True:
            try:
                count = self._connection.recv_into(room)
                break
            except _WANTS as exc:
                self._poll(
                    select.POLLOUT if isinstance(exc, ssl.SSLWantWriteError) else select.POLLIN, deadline
                )
        if not count:
            raise ConnectionError("The peer closed the connection")
        acknowledge(self._connection)
        self._input.added(count)

    def _wait_to_send(self, reason: OSError, deadline: _Deadline) -> None:
        """Wait until more can be sent; what comes in meanwhile is read."""
        if isinstance(reason, ssl.SSLWantReadError):
            self._poll(select.POLLIN, deadline)
            return
        is_read = not isinstance(self._connection, ssl.SSLSocket) and len(self._input) < _MOST_UNREAD
        events = self._poll(select.POLLOUT | (select.POLLIN if is_read else 0), deadline)
        if events & select.POLLIN:
            self._fill(PDU_HEAD, deadline)

    def _poll(self, events: int, deadline: _Deadline) -> int:
        # Not select(), which knows no descriptors above 1023.
        poller = select.poll()
        poller.register(self._connection, events)
        while not (found := poller.poll(deadline.next_look)):
            if deadline.is_over:
                raise TimeoutError("No data in time")
            deadline.observe(self._unacknowledged())
        return found[0][1]

    def _unacknowledged(self) -> int:
        """Bytes that were sent and that the peer's system has not acknowledged (ioctl SIOCOUTQ, tcp(7))."""
        try:
            answer = fcntl.ioctl(self._connection, termios.TIOCOUTQ, bytes(4))
        except OSError:
            return 0
        return int(struct.unpack("i", answer)[0])
