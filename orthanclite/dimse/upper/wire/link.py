"""The connection of an association, read and written in the thread that uses it.

Nothing runs in the background: whoever asks also waits, for the socket and a deadline.

A default ``storescu`` writes each message in small pieces with Nagle's algorithm on, and waits for the ACK of
one before it sends the next: a receiver that delays its ACKs stores 22 instances/s. So immediate ACKs are
asked for, and again after each read, since Linux forgets.
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
from orthanclite.dimse.peer import plain_ip
from orthanclite.dimse.upper.wire.buffer import PDU_HEAD, InputBuffer
from orthanclite.dimse.upper.wire.pdus import P_DATA_TF

_KINDS = range(0x01, 0x08)  # of PDUs
_LONGEST_CONTROL_PDU = 1 << 20
"""Bytes of any other PDU: an A-ASSOCIATE-RQ of 128 contexts with all transfer syntaxes takes 0.2 MB."""
_LENIENT_PDU = 128 * 1024
_PDU_SLACK = 4096
"""Bytes that a P-DATA-TF may be longer than announced: some peers do not count the heads of its values."""
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_WANTS = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_LOOKS = 10  # at the progress of a slow line, before the time is over
_MOST_UNREAD = 64 * 1024
"""Bytes that are read while there is something to send: a peer that must not wait for its reader goes on."""


def connect(
    host: str, port: int, timeout: float | None, tls: ssl.SSLContext | None, maximum_length: int
) -> Link:
    """Connect, and shake hands where TLS is wanted, each within ``timeout`` seconds.

    :param maximum_length: bytes that the peer may send in the variable field of a PDU with data
    :raises OSError: if that fails (also the errors of TLS)
    """
    connection = socket.create_connection((host, port), timeout)
    try:
        tune(connection, timeout)
        if tls is not None:
            connection = tls.wrap_socket(connection, server_hostname=host)
        return Link(connection, maximum_length)
    except BaseException:
        connection.close()
        raise


def tune(connection: socket.socket, timeout: float | None) -> None:
    """Send and acknowledge without delay; give up a read or write after ``timeout`` seconds."""
    connection.settimeout(timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    _acknowledge(connection)


def _acknowledge(connection: socket.socket) -> None:
    """Let the next segments be acknowledged at once."""
    if _QUICKACK is not None:
        connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


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

    :param maximum_length: bytes that the peer may send in the variable field of a PDU with data
    """

    def __init__(self, connection: socket.socket, maximum_length: int) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._longest_data_pdu = max(maximum_length + _PDU_SLACK, _LENIENT_PDU)
        self.address = plain_ip(str(connection.getpeername()[0]))
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

    def read_pdu(self, patience: float | None) -> tuple[int, memoryview]:
        """The kind and the body of the next PDU (PS3.8 section 9.3); valid until the next one is read.

        :param patience: seconds for all of it to come; None for no limit
        :raises OSError: if the connection breaks, or the time is over (TimeoutError)
        :raises ValueError: if it is of no kind that there is, or too long
        """
        deadline = _Deadline(patience)
        while len(self._input) < (wanted := self._wanted()):
            self._fill(wanted, deadline)
        pdu = self._input.take(wanted)
        return pdu[0], pdu[PDU_HEAD:]

    def has_pdu(self) -> bool:
        """Whether a whole PDU is there, or comes without waiting.

        :raises OSError: if the connection breaks
        :raises ValueError: as :meth:`read_pdu`
        """
        if not self._input.has_pdu:
            with suppress(*_WANTS):
                self._read_once(self._wanted())
        return self._input.has_pdu

    def _wanted(self) -> int:
        """Bytes of the next PDU, or of its head."""
        head = self._input.next_pdu
        if head is None:
            return PDU_HEAD
        kind, length = head
        longest = self._longest_data_pdu if kind == P_DATA_TF else _LONGEST_CONTROL_PDU
        if kind not in _KINDS or length - PDU_HEAD > longest:
            raise ValueError(f"Invalid PDU: type 0x{kind:02x}, {length} bytes")
        return length

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
        while True:
            try:
                self._read_once(wanted)
                return
            except _WANTS as exc:
                self._poll(
                    select.POLLOUT if isinstance(exc, ssl.SSLWantWriteError) else select.POLLIN, deadline
                )

    def _read_once(self, wanted: int) -> None:
        count = self._connection.recv_into(self._input.room(wanted))
        if not count:
            raise ConnectionError("The peer closed the connection")
        _acknowledge(self._connection)
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
