"""The reading and sending thread of an association: it waits for the socket, and polls nothing.

It assembles messages (``assembly``), and serves those whose data set is streamed.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Protocol, cast

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import InvalidEventError
from pynetdicom.pdu import A_ABORT_RQ
from pynetdicom.pdu_primitives import P_DATA

from orthanclite.core.errors import NetworkProtocol, OrthancError
from orthanclite.dimse.upper.assembly import MessageAssembly, MessageSink
from orthanclite.dimse.upper.associate_request import AssociateRequest
from orthanclite.dimse.upper.transport import BufferedSocket

LOGGER = logging.getLogger(__name__)

_A_ASSOCIATE_RQ, _P_DATA_TF = 0x01, 0x04
_MAX_CONTROL_PDU = 1 << 20
"""Bytes of any other PDU: an A-ASSOCIATE-RQ of 128 contexts with all transfer syntaxes takes 0.2 MB."""
_PDU_SLACK = 4096
"""Bytes that a P-DATA-TF may be longer than announced: some peers do not count the heads of its values."""
_LENIENT_PDU = 128 * 1024
_OUTGOING = 64
"""Messages that wait to be sent, before whoever produces more has to wait."""
_IDLE_CHECK = 1.0  # seconds

_ESTABLISHED = "Sta6"
_OPEN = (_ESTABLISHED, "Sta8")  # the latter: a release was requested, answers may still be sent
_CLOSING = "Sta13"
_ABORTED_BY_PROVIDER = 0x02


class Owner(MessageSink, Protocol):
    """The association of a provider, as far as pynetdicom's own class does not tell."""

    name: str

    def wake(self) -> None:
        """Let the other thread of the association look for what there is to do."""
        ...


class EventDrivenDul(DULServiceProvider):
    """The thread, made by and for an association of pynetdicom."""

    def __init__(self, owner: Owner) -> None:
        association = cast(Association, owner)
        super().__init__(association)
        self._owner = owner
        self.daemon = True
        self.to_provider_queue = queue.Queue(_OUTGOING)
        # Once it is closed, its number may be that of any other file, which must not be written to.
        self._pipe_lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._assembly = MessageAssembly(owner)
        self._postponed: list[bytes] = []  # responses of this thread, until a message is sent completely
        self._max_data_pdu = max(association.ae.maximum_pdu_size + _PDU_SLACK, _LENIENT_PDU)
        self._busy = False
        self._awaits_first = False
        self._has_sent = False  # in the last round: the peer's turn, where it has something to say

    @property
    def is_open(self) -> bool:
        """Whether answers can still be sent."""
        return not self._kill_thread and str(self.state_machine.current_state) in _OPEN

    def run_reactor(self) -> None:
        """The thread. In place of pynetdicom's loop, which sleeps for some microseconds before each PDU."""
        self._idle_timer.start()
        self.assoc._dul_ready.set()
        self._limit_negotiation(self.assoc.acse_timeout)
        try:
            while not self._kill_thread:
                self._do_round()
        # The peer sent what it may not send now or what has no meaning, or what goes to it cannot be read.
        except (InvalidEventError, ValueError, OrthancError) as exc:
            LOGGER.warning("Aborting the association of %s: %s", self._owner.name, exc)
            self._break_off()
        # Whatever it is, the peer must not wait for an answer that nobody will send.
        except Exception:
            LOGGER.exception("Aborting the association of %s", self._owner.name)
            self._break_off()
        finally:
            self._assembly.abort()
            self._kill_thread = True
            # Nothing more will come: whoever waits for the peer's next primitive need not.
            self.to_user_queue.put(None)  # type: ignore[arg-type]  # read as: no primitive
            self._owner.wake()
            self._close_pipe()

    def _limit_negotiation(self, seconds: float | None) -> None:
        """Bound the time until the peer's first PDU is there: sent in drips, it would hold its connection."""
        self._awaits_first = seconds is not None
        if isinstance(self.socket, BufferedSocket):
            self.socket.give_up_in(seconds)

    def _do_round(self) -> None:
        """Send or read once, and act on what came of it."""
        if self.artim_timer.expired:
            self.event_queue.put("Evt18")
        if not self._process_recv_primitive() and self._is_transport_event():
            self._idle_timer.restart()
        if self.event_queue.queue:
            self.state_machine.do_action(self.event_queue.get())

    def _break_off(self) -> None:
        """Abort past the state machine, which may be what failed."""
        pdu = A_ABORT_RQ()
        pdu.source, pdu.reason_diagnostic = _ABORTED_BY_PROVIDER, 0
        self._send_now(pdu.encode())
        if self.socket is not None:
            self.socket.close()
        self.assoc.is_aborted, self.assoc.is_established = True, False
        self.assoc._kill = True

    def _close_pipe(self) -> None:
        with self._pipe_lock:
            os.close(self._wake_read)
            os.close(self._wake_write)
            self._wake_read = self._wake_write = -1

    def wake(self) -> None:
        """End the waiting for the socket."""
        # Full is as good as written, and without its thread there is nothing to wake.
        with self._pipe_lock, suppress(OSError):
            os.write(self._wake_write, b"\0")

    def send_pdu(self, primitive: Any) -> None:
        """Queue a primitive to send; waits while a slow peer has much to read already."""
        if not isinstance(primitive, P_DATA):
            evt.trigger(self.assoc, evt.EVT_ACSE_SENT, {"primitive": primitive})
        self._enqueue(primitive)

    def send_encoded(self, pdus: bytes) -> None:
        """Send the encoded PDUs of one message; waits while a slow peer has much to read already."""
        if not self._is_own_thread():
            self._enqueue(pdus)
        elif self._is_sending_stream:
            self._postponed.append(pdus)
        else:
            self._send_now(pdus)

    def send_stream(self, pdus: Iterator[bytes]) -> None:
        """Send one message, whose encoded PDUs are taken while it is sent, in the reading thread."""
        self._enqueue(pdus)

    def _enqueue(self, primitive: Any) -> None:
        while not self._kill_thread:
            try:
                self.to_provider_queue.put(primitive, timeout=None if self._is_own_thread() else _IDLE_CHECK)
            except queue.Full:
                continue
            break
        self.wake()

    def kill_dul(self) -> None:
        super().kill_dul()
        self.wake()

    def stop_dul(self) -> bool:
        if self.state_machine.current_state != "Sta1":
            return False
        self._kill_thread = True
        self.wake()
        if not self._is_own_thread():
            self.join()
        return True

    def idle_timer_expired(self) -> bool:
        """Whether the peer has been silent for too long; never while its instance is being stored."""
        return not self._busy and bool(super().idle_timer_expired())

    def _send_now(self, pdu: bytes) -> None:
        """Send an encoded P-DATA-TF from the thread of this provider."""
        if self.socket is not None:
            self.socket.send(pdu)

    def _is_own_thread(self) -> bool:
        return threading.current_thread() is self

    def _process_recv_primitive(self) -> bool:
        """Take the next thing to send, but read in between: a C-CANCEL comes while answers are queued."""
        connection = self.socket
        if self._has_sent and isinstance(connection, BufferedSocket) and connection.ready:
            self._has_sent = False
            return False
        self._has_sent = self._send_next_encoded() or bool(super()._process_recv_primitive())
        return self._has_sent

    @property
    def _is_sending_stream(self) -> bool:
        queued = self.to_provider_queue.queue
        return bool(queued) and isinstance(queued[0], Iterator)

    def _send_next_encoded(self) -> bool:
        """Send what is encoded already: data changes nothing in the state of an open association."""
        queued = self.to_provider_queue.queue
        if not queued or not isinstance(queued[0], bytes | Iterator):
            return False
        pdus = queued[0] if isinstance(queued[0], bytes) else next(queued[0], None)
        if pdus is not None and self.is_open:
            self._send_now(pdus)
        if not self._is_sending_stream or pdus is None or not self.is_open:
            self.to_provider_queue.get(block=False)
            while self._postponed and self.is_open:
                self._send_now(self._postponed.pop(0))
        return True

    def _is_transport_event(self) -> bool:
        if not self.to_user_queue.empty():
            self._owner.wake()
        connection = self.socket
        if self.state_machine.current_state == _CLOSING or not isinstance(connection, BufferedSocket):
            return bool(super()._is_transport_event())
        if self.event_queue.queue or not connection.wait(self._patience(), self._wake_read):
            return False
        self._busy = True
        try:
            self._read(connection)
            while connection.has_pdu and self._has_only_to_read():
                self._read(connection)
        finally:
            self._busy = False
        return True

    def _has_only_to_read(self) -> bool:
        waiting = self.event_queue.queue or self.to_provider_queue.queue
        return self._is_established and not waiting and not self._kill_thread

    @property
    def _is_established(self) -> bool:
        return str(self.state_machine.current_state) == _ESTABLISHED

    def _patience(self) -> float:
        """Seconds until a timer has to be looked at."""
        return min(_IDLE_CHECK, max(0.0, self.artim_timer.remaining))

    def _read_pdu_data(self) -> None:
        if isinstance(self.socket, BufferedSocket):
            self._read(self.socket)

    def _read(self, connection: BufferedSocket) -> None:
        """Read one PDU (PS3.8 section 9.3); its kind, or what is wrong with it, becomes an event."""
        try:
            head = connection.recv(6)
            if len(head) < 6:
                self.event_queue.put("Evt17")
                return
            kind, length = head[0], int.from_bytes(head[2:6], "big")
            if not self._is_acceptable(kind, length):
                LOGGER.warning("Received an invalid PDU: type 0x%02x, %d bytes", kind, length)
                self.event_queue.put("Evt19")
                return
            body = connection.take(length)
            if self._awaits_first:
                self._limit_negotiation(None)
        except OSError as exc:
            LOGGER.info("The connection broke within a PDU: %s", exc)
            self.event_queue.put("Evt17")
            return
        if len(body) < length:
            self.event_queue.put("Evt17")
        elif kind == _P_DATA_TF and self._is_established:
            self._take_data(body)
        else:
            self._take_control(head + body)

    def _is_acceptable(self, kind: int, length: int) -> bool:
        if kind == _P_DATA_TF:
            return length <= self._max_data_pdu
        return 1 <= kind <= 7 and length <= _MAX_CONTROL_PDU

    def _take_data(self, body: memoryview) -> None:
        try:
            self._assembly.add(body)
        except NetworkProtocol as exc:
            LOGGER.warning("Aborting the association of %s: %s", self._owner.name, exc)
            self.event_queue.put("Evt19")

    def _decode_pdu(self, bytestream: bytearray) -> Any:
        if bytestream[0] != _A_ASSOCIATE_RQ:
            return super()._decode_pdu(bytestream)
        request = AssociateRequest()
        request.decode(bytes(bytestream))
        return request, "Evt6"

    def _take_control(self, encoded: bytearray) -> None:
        try:
            pdu, event = self._decode_pdu(encoded)
        # Any exception of the decoder means bytes that are no PDU, whatever its class.
        except Exception as exc:  # noqa: BLE001
            LOGGER.warning("Received a PDU that cannot be decoded: %s", exc)
            self.event_queue.put("Evt19")
            return
        self._recv_pdu.put(pdu)
        self.event_queue.put(event)
