"""pynetdicom's association, waiting for events instead of polling, with a short way for C-STORE.

pynetdicom runs two threads for an association that look for work every millisecond. Here the reading thread
(``provider``) waits for the socket, and the other one for what the first has found. The private names of
pynetdicom that both rely on are checked by ``tests/dimse/upper/test_association.py``.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND
from pynetdicom.pdu_primitives import P_DATA

from orthanclite.core.errors import NetworkProtocol
from orthanclite.dimse.command import StoreRequest, data_pdus, find_response
from orthanclite.dimse.options import Service
from orthanclite.dimse.peer import Peer, peer_of
from orthanclite.dimse.permissions import Permissions
from orthanclite.dimse.scp.find import FindScp
from orthanclite.dimse.scp.store import IncomingInstance, StoreService
from orthanclite.dimse.upper.provider import EventDrivenDul

LOGGER = logging.getLogger(__name__)

_IDLE_CHECK = 1.0  # seconds


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
        self.provider = EventDrivenDul(self)
        self.dul = self.provider
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

    def run_reactor(self) -> None:
        """The thread of the association."""
        try:
            super().run_reactor()
        # Whatever it is, the peer must not wait for an answer that nobody will send.
        except Exception:
            LOGGER.exception("Aborting the association of %s", self.name)
            self.abort()

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
        is_complete = self.dimse.message is None
        if is_complete:
            self.wake()
        return is_complete

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
        self._dul = association.provider
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
        return not self._dul.is_open

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
