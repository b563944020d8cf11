"""pynetdicom's association, waiting for events instead of polling, with a short way for C-STORE.

pynetdicom runs two threads for an association that look for work every millisecond. Here the reading thread
waits for the socket, and the other one for what the first has found. The reading thread assembles messages
(``assembly``) and answers C-STORE itself; everything else goes pynetdicom's own way. The private names that
this relies on are checked by ``tests/dimse/test_reactor.py``.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from contextlib import suppress
from typing import Any

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import P_DATA

from orthanclite.core.errors import NetworkProtocol
from orthanclite.dimse.assembly import MessageAssembly
from orthanclite.dimse.commands import StoreRequest, data_pdus, find_response
from orthanclite.dimse.find import FindScp
from orthanclite.dimse.options import Service
from orthanclite.dimse.peer import Peer, peer_of
from orthanclite.dimse.permissions import Permissions
from orthanclite.dimse.store import IncomingInstance, StoreService
from orthanclite.dimse.transport import BufferedSocket

LOGGER = logging.getLogger(__name__)

_P_DATA_TF = 0x04
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


class Gate(threading.Event):
    """pynetdicom's pause point of the association's thread, which here also waits for something to do."""

    def __init__(self) -> None:
        super().__init__()
        self._work = threading.Event()

    def wake(self) -> None:
        """There is something to do."""
        self._work.set()

    def set(self) -> None:
        super().set()
        self._work.set()

    def wait(self, timeout: float | None = None) -> bool:
        self._work.wait(_IDLE_CHECK)
        self._work.clear()
        return super().wait(timeout)


class EventDrivenAssociation(Association):
    """An association that a peer requested."""

    def __init__(
        self, application: Any, permissions: Permissions, store: StoreService, find: FindScp | None = None
    ) -> None:
        super().__init__(application, "acceptor")
        self.permissions = permissions
        self.store = store
        self.find = find
        self._peer: Peer | None = None
        self.dul = EventDrivenDul(self)
        # The setters hand the time-outs on to the timers of the new provider.
        self.acse_timeout, self.network_timeout = application.acse_timeout, application.network_timeout
        self._gate = Gate()
        self._gate.set()
        self._reactor_checkpoint = self._gate

    @property
    def peer(self) -> Peer:
        """Who requested the association; known once its request was read."""
        if self._peer is None:
            self._peer = peer_of(self)
        return self._peer

    def wake(self) -> None:
        """Let the thread of the association look for messages and for the end."""
        self._gate.wake()

    def begin_instance(self, request: StoreRequest, context_id: int) -> IncomingInstance:
        """Begin to receive what a C-STORE-RQ announces.

        :raises NetworkProtocol: if the context was not accepted, or the peer may not store.
        """
        context = self._accepted_cx.get(context_id)
        if context is None:
            raise NetworkProtocol("C-STORE in a presentation context that was not accepted")
        if not self.permissions.is_allowed(Service.STORE, self.peer.aet, self.peer.ip):
            raise NetworkProtocol("C-STORE is not allowed")
        return self.store.begin(request, str(context.transfer_syntax[0]), self.peer)

    def take_value(self, value: P_DATA) -> bool:
        """Let pynetdicom assemble a message; whether it is complete."""
        self.dimse.receive_primitive(value)
        return self.dimse.message is None

    def _bind_defaults(self) -> None:
        for event in evt._INTERVENTION_EVENTS:
            self.bind(event, evt.get_default_handler(event))

    def _serve_request(self, msg: Any, context_id: int) -> None:
        service = _service_of(msg)
        if service is not None and not self.permissions.is_allowed(service, self.peer.aet, self.peer.ip):
            LOGGER.warning("Rejected the %s request of %s: not allowed", service.value, self.peer)
            self.abort()
            return
        context = self._accepted_cx.get(context_id)
        if isinstance(msg, C_FIND) and service is not None and self.find is not None and context is not None:
            self.dimse.cancel_req.clear()
            self.find.serve(msg, str(context.transfer_syntax[0]), _FindConversation(self, msg, context_id))
            return
        super()._serve_request(msg, context_id)


class _FindConversation:
    """The association as the service that answers a C-FIND sees it; see ``find.Conversation``."""

    def __init__(self, association: EventDrivenAssociation, request: C_FIND, context_id: int) -> None:
        self._association = association
        self._dul: Any = association.dul
        self._sop_class = str(request.AffectedSOPClassUID)
        self._message_id = int(request.MessageID or 0)
        self._context_id = context_id

    @property
    def peer(self) -> Peer:
        return self._association.peer

    @property
    def sop_class(self) -> str:
        return self._sop_class

    @property
    def is_cancelled(self) -> bool:
        return self._message_id in self._association.dimse.cancel_req

    @property
    def is_over(self) -> bool:
        return bool(self._dul._kill_thread) or self._dul.state_machine.current_state not in _OPEN

    def send(self, status: int, identifier: bytes | None = None, comment: str = "") -> None:
        context, has_data = self._context_id, identifier is not None
        pdus = find_response(self._sop_class, self._message_id, context, status, comment, has_data)
        if identifier is not None:
            limit = self._association.requestor.maximum_length or 0
            pdus += data_pdus(context, identifier, limit)
        self._dul.send_encoded(pdus)


_SERVICES = {
    "C_ECHO": Service.ECHO,
    "C_STORE": Service.STORE,
    "C_FIND": Service.FIND,
    "C_GET": Service.GET,
    "C_MOVE": Service.MOVE,
    "N_ACTION": Service.N_ACTION,
    "N_EVENT_REPORT": Service.N_EVENT_REPORT,
}
_WORKLIST_FIND = "1.2.840.10008.5.1.4.31"


def _service_of(message: Any) -> Service | None:
    """The service whose permission a request needs; None for a response or a message of no service."""
    # Without an identifier, pynetdicom takes a C-FIND for no request: its peer would wait in vain.
    is_empty_query = isinstance(message, C_FIND) and message.MessageID is not None
    if not message.is_valid_request and not is_empty_query:
        return None
    service = _SERVICES.get(type(message).__name__)
    if service is Service.FIND and message.AffectedSOPClassUID == _WORKLIST_FIND:
        return Service.FIND_WORKLIST
    return service


class EventDrivenDul(DULServiceProvider):
    """The reading and sending thread of an association."""

    def __init__(self, association: EventDrivenAssociation) -> None:
        super().__init__(association)
        self._association = association
        self.daemon = True
        self._run_loop_delay = 0  # waiting is done on the socket
        self.to_provider_queue = queue.Queue(_OUTGOING)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._assembly = MessageAssembly(association, self._send_now)
        self._max_data_pdu = max(association.ae.maximum_pdu_size + _PDU_SLACK, _LENIENT_PDU)
        self._busy = False
        self._has_sent = False  # in the last round: the peer's turn, where it has something to say

    def run_reactor(self) -> None:
        try:
            super().run_reactor()
        finally:
            self._assembly.abort()
            self._kill_thread = True
            # Nothing more will come: whoever waits for the peer's next primitive need not.
            self.to_user_queue.put(None)
            self._association.wake()
            self._close_pipe()

    def _close_pipe(self) -> None:
        wake_read, self._wake_read = self._wake_read, -1
        wake_write, self._wake_write = self._wake_write, -1
        os.close(wake_read)
        os.close(wake_write)

    def wake(self) -> None:
        """End the waiting for the socket."""
        # Full is as good as written, and without its thread there is nothing to wake.
        with suppress(OSError):
            os.write(self._wake_write, b"\0")

    def send_pdu(self, primitive: Any) -> None:
        """Queue a primitive to send; waits while a slow peer has much to read already."""
        if not isinstance(primitive, P_DATA):
            evt.trigger(self.assoc, evt.EVT_ACSE_SENT, {"primitive": primitive})
        self._enqueue(primitive)

    def send_encoded(self, pdus: bytes) -> None:
        """Queue encoded P-DATA-TF PDUs; waits while a slow peer has much to read already."""
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

    def _send_next_encoded(self) -> bool:
        """Send what is encoded already: data changes nothing in the state of an open association."""
        queued = self.to_provider_queue.queue
        if not queued or not isinstance(queued[0], bytes):
            return False
        pdus = self.to_provider_queue.get(block=False)
        if isinstance(pdus, bytes) and self.state_machine.current_state in _OPEN:
            self._send_now(pdus)
        return True

    def _is_transport_event(self) -> bool:
        if not self.to_user_queue.empty() or not self.assoc.dimse.msg_queue.empty():
            self._association.wake()
        connection = self.socket
        if self.state_machine.current_state == _CLOSING or not isinstance(connection, BufferedSocket):
            return bool(super()._is_transport_event())
        if not self.event_queue.empty():
            return False
        ready = connection.wait(self._patience(), self._wake_read)
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        if not ready:
            return False
        self._busy = True
        try:
            self._read(connection)
        finally:
            self._busy = False
        return True

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
            body = connection.recv(length)
        except OSError as exc:
            LOGGER.info("The connection broke within a PDU: %s", exc)
            self.event_queue.put("Evt17")
            return
        if len(body) < length:
            self.event_queue.put("Evt17")
        elif kind == _P_DATA_TF and self.state_machine.current_state == _ESTABLISHED:
            self._take_data(body)
        else:
            self._take_control(head + body)

    def _is_acceptable(self, kind: int, length: int) -> bool:
        if kind == _P_DATA_TF:
            return length <= self._max_data_pdu
        return 1 <= kind <= 7 and length <= _MAX_CONTROL_PDU

    def _take_data(self, body: bytearray) -> None:
        try:
            self._assembly.add(memoryview(body))
        except NetworkProtocol as exc:
            LOGGER.warning("Aborting the association with %s: %s", self._association.peer, exc)
            self.event_queue.put("Evt19")

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
