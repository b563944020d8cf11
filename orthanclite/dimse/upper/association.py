"""pynetdicom's association, waiting for events instead of polling, with messages of our own.

pynetdicom runs two threads for an association that look for work every millisecond. Here the reading thread
(``provider``) waits for the socket, and the other one for what the first has found. The private names of
pynetdicom that both rely on are checked by ``tests/dimse/upper/test_association.py``.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from orthanclite.core.errors import NetworkProtocol, OrthancError
from orthanclite.core.machine.budget import MemoryBudget
from orthanclite.core.machine.buffers import View
from orthanclite.dimse.command import (
    C_CANCEL_RQ,
    Command,
    Value,
    bunches,
    command_pdu,
    data_pdus,
    request_of,
)
from orthanclite.dimse.conversation import Context, Incoming, Message, Offers, Provider, Receiver
from orthanclite.dimse.peer import Peer, plain_ip
from orthanclite.dimse.service import Service
from orthanclite.dimse.upper.assembly import WholeDataSet
from orthanclite.dimse.upper.exchange import Exchange
from orthanclite.dimse.upper.provider import EventDrivenDul

LOGGER = logging.getLogger(__name__)

_IDLE_CHECK = 1.0  # seconds
_MAX_OUTSTANDING = 16
"""Requests that one peer may have waiting. One at a time is what PS3.7 D.3.3.3 grants without negotiation."""
_MAX_MESSAGE_ID = 0xFFFF


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
    """An association that a peer requested.

    :param offers: the services that the peer may ask for
    :param budget: memory that messages on their way in may take, besides those that are streamed
    """

    def __init__(self, application: Any, offers: Offers, budget: MemoryBudget) -> None:
        super().__init__(application, "acceptor")
        self.rights: frozenset[Service] = frozenset()
        self._offers = offers
        self._budget = budget
        self._peer: Peer | None = None
        self._contexts: dict[int, Context] | None = None
        self._exchanges: dict[int, Exchange] = {}  # of requests that are not answered yet, by message ID
        self._responses: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._asked = 0  # the message ID of the last request to the peer
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
            request: Any = self.requestor.primitive
            self._peer = Peer(
                aet=str(request.calling_ae_title).strip(),
                ip=plain_ip(self.requestor.address),
                called_aet=str(request.called_ae_title).strip(),
            )
        return self._peer

    @property
    def contexts(self) -> Sequence[Context]:
        """The accepted contexts; known once they are negotiated."""
        return list(self._by_id().values())

    @property
    def peer_maximum_length(self) -> int:
        """Bytes that the peer accepts in the variable field of a PDU; 0 for any number."""
        return self.requestor.maximum_length or 0

    @property
    def is_open(self) -> bool:
        """Whether answers can still be sent."""
        return self.provider.is_open

    def send_encoded(self, pdus: bytes) -> None:
        """Send the encoded PDUs of one message; waits while a slow peer has much to read already."""
        self.provider.send_encoded(pdus)

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

    def begin(self, command: Command, context_id: int) -> Incoming:
        """Begin to receive a message, in the reading thread.

        :raises NetworkProtocol: if the peer may not send it.
        """
        context = self._by_id().get(context_id)
        if context is None:
            raise NetworkProtocol("Received a message in a presentation context that was not accepted")
        field = command.field
        if field == C_CANCEL_RQ:
            return WholeDataSet(self._budget, lambda _: self._cancel(command.message_id))
        if command.is_response:
            return WholeDataSet(self._budget, partial(self._take_response, command, context))
        return self._begin_request(command, context)

    def ask(
        self,
        context: Context,
        elements: Mapping[int, Value],
        data: Iterable[View] | None = None,
        meanwhile: Callable[[], None] | None = None,
        before: bytes = b"",
    ) -> Message:
        """Send a request, and wait for its response; in the thread of the association.

        See ``upper.exchange.ExchangeOwner``.

        :raises NetworkProtocol: if the association ends, or no response comes in time.
        """
        self._asked = self._asked % _MAX_MESSAGE_ID + 1
        request = request_of(self._asked, data is not None, elements)
        command = before + command_pdu(context.context_id, request)
        if data is None:
            self.provider.send_encoded(command)
        else:
            pdus = data_pdus(context.context_id, data, self.peer_maximum_length)
            self.provider.send_stream(bunches(chain((command,), pdus)))
        if meanwhile is not None:
            meanwhile()
        return self._await_response(self._asked)

    def _await_response(self, message_id: int) -> Message:
        deadline = None if self.dimse_timeout is None else time.monotonic() + self.dimse_timeout
        while self.provider.is_open:
            if deadline is not None and time.monotonic() > deadline:
                raise NetworkProtocol(f"No response of {self.peer} in time")
            try:
                response = self._responses.get(timeout=_IDLE_CHECK)
            except queue.Empty:
                continue
            if response.command.message_id == message_id:
                return response
        raise NetworkProtocol(f"The association of {self.peer} has ended before its response")

    def _begin_request(self, command: Command, context: Context) -> Incoming:
        request = Message(command, context)
        offer = self._offers.find(command.field, command.sop_class_uid, context.abstract_syntax)
        if offer is None:
            raise NetworkProtocol(f"No service for the command 0x{command.field:04x}")
        if offer.service not in self.rights:
            raise NetworkProtocol(f"{offer.service.value} is not allowed")
        provider = offer.provider
        if isinstance(provider, Receiver):
            return provider.receive(request, Exchange(self, request))
        return WholeDataSet(self._budget, partial(self._take_request, provider, command, context))

    def _take_request(self, provider: Provider, command: Command, context: Context, data: bytes) -> None:
        """Leave a request to the thread of the association."""
        if len(self._exchanges) >= _MAX_OUTSTANDING:
            raise NetworkProtocol("Too many requests at the same time")
        request = Message(command, context, data)
        exchange = Exchange(self, request)
        self._exchanges[command.message_id] = exchange
        serve = partial(self._serve, provider, request, exchange)
        messages: queue.Queue[Any] = self.dimse.msg_queue
        messages.put((context.context_id, serve))
        self.wake()

    def _take_response(self, command: Command, context: Context, data: bytes) -> None:
        self._responses.put(Message(command, context, data))

    def _cancel(self, message_id: int) -> None:
        exchange = self._exchanges.get(message_id)
        if exchange is not None:
            exchange.cancel()

    def _serve_request(self, msg: Any, context_id: int) -> None:
        """Serve what the reading thread has put into pynetdicom's queue of messages."""
        msg()

    def _serve(self, provider: Provider, request: Message, exchange: Exchange) -> None:
        try:
            provider.serve(request, exchange)
        except OrthancError as exc:
            LOGGER.warning("Aborting the association of %s: %s", self.peer, exc)
            self.abort()
        finally:
            message_id = request.command.message_id
            # The peer may have used the number again once it had the final response.
            if self._exchanges.get(message_id) is exchange:
                del self._exchanges[message_id]

    def _by_id(self) -> dict[int, Context]:
        if self._contexts is None:
            self._contexts = {
                number: Context(
                    number, str(one.abstract_syntax), str(one.transfer_syntax[0]), self._may_send_in(one)
                )
                for number, one in sorted(self._accepted_cx.items())
            }
        return self._contexts

    def _may_send_in(self, context: PresentationContext) -> bool:
        """Whether this server may be the SCU in an accepted context.

        Where the peer says nothing of roles, C-GET is served nevertheless, as by the reference: there are
        peers that rely on it.
        """
        if context.abstract_syntax in self._offers.sop_classes:
            return bool(context.as_scu)
        is_negotiated = context.abstract_syntax in self.requestor.role_selection
        return bool(context.as_scu) if is_negotiated else self._offers.sends_instances

    def _bind_defaults(self) -> None:
        for event in evt._INTERVENTION_EVENTS:
            self.bind(event, evt.get_default_handler(event))
