"""What associations of both roles have in common (PS3.8 section 7): messages both ways, in one thread.

The state machine of PS3.8 section 9.2 has little to decide on once an association is open, so none runs here:
what a peer sends out of turn ends the association.
"""

from __future__ import annotations

import logging
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain

from orthanclite.core.errors import NetworkProtocol
from orthanclite.core.machine.budget import MemoryBudget
from orthanclite.core.machine.buffers import View
from orthanclite.dimse.command import (
    C_CANCEL_RQ,
    COMMAND_FIELD,
    STATUS,
    Command,
    Value,
    bunches,
    command_pdu,
    data_pdus,
    request_of,
)
from orthanclite.dimse.conversation import Context, Incoming, Message, Offers, Provider, Receiver
from orthanclite.dimse.peer import Peer
from orthanclite.dimse.service import Service
from orthanclite.dimse.upper.wire.assembly import MessageAssembly, WholeDataSet
from orthanclite.dimse.upper.wire.exchange import Exchange
from orthanclite.dimse.upper.wire.link import Link
from orthanclite.dimse.upper.wire.pdus import A_ABORT, ABORT, P_DATA_TF

LOGGER = logging.getLogger(__name__)

_MAX_MESSAGE_ID = 0xFFFF
_MOST_WAITING = 16
"""Requests that one peer may have waiting. One at a time is what PS3.7 D.3.3.3 grants without negotiation."""
_ABORT_PATIENCE = 0.5  # seconds for an abort to be sent


class BaseAssociation:
    """An association, used by one thread: who asks reads on until the answer is there.

    :param timeout: seconds that the peer may be silent; None for no limit
    :param offers: the services that the peer may ask for
    :param budget: memory that messages on their way in may take, besides those that are streamed
    """

    def __init__(
        self, link: Link, peer: Peer, timeout: float | None, offers: Offers, budget: MemoryBudget
    ) -> None:
        self.peer = peer
        self.contexts: Sequence[Context] = ()
        self.peer_maximum_length = 0
        self.is_open = True
        self._rights = frozenset(Service)  # those of the peer
        self._link = link
        self._timeout = timeout
        self._offers = offers
        self._budget = budget
        self._assembly = MessageAssembly(self)
        self._responses: list[Message] = []  # that came, and are not taken yet
        self._waiting: deque[tuple[Provider, Message, Exchange]] = deque()
        self._exchanges: dict[int, Exchange] = {}  # of requests that are not answered yet, by message ID
        self._message_id = 0  # of the last request to the peer
        self._asked_field = 0  # its command
        self._is_asking = False  # between it and its final response

    def ask(
        self,
        context: Context,
        elements: Mapping[int, Value],
        data: Iterable[View] | None = None,
        meanwhile: Callable[[], None] | None = None,
        before: bytes = b"",
    ) -> Message:
        """See ``upper.wire.exchange.ExchangeOwner``."""
        self._send_request(context, elements, data, before=before)
        if meanwhile is not None:
            meanwhile()
        while not self._responses:
            self._read()
        self._is_asking = False
        return self._responses.pop(0)

    def send_encoded(self, pdus: bytes) -> None:
        """Send the encoded PDUs of one message. Where that fails, the association is over."""
        if self.is_open:
            with self._ending_quietly():
                self._link.send(pdus, self._timeout)

    def notice(self) -> None:
        """Take in what the peer has sent meanwhile, up to its next request."""
        with self._ending_quietly():
            while self.is_open and not self._waiting and self._link.has_pdu():
                self._read()

    def abort(self) -> None:
        """End it at once (A-ABORT). May be called again."""
        if self.is_open:
            with suppress(OSError):
                self._link.send(ABORT, _ABORT_PATIENCE)
            self._end()

    def interrupt(self) -> None:
        """Break it off, from another thread."""
        self._link.interrupt()

    def begin(self, command: Command, context_id: int) -> Incoming:
        """Begin to receive a message.

        :raises NetworkProtocol: if the peer may not send it
        """
        context = next((one for one in self.contexts if one.context_id == context_id), None)
        if context is None:
            raise NetworkProtocol("A message came in a presentation context that was not accepted")
        if command.field == C_CANCEL_RQ:
            return WholeDataSet(self._budget, lambda _: self._cancel(command.message_id))
        if command.is_response:
            return WholeDataSet(self._budget, partial(self._take_response, command, context))
        offer = self._offers.find(command.field, command.sop_class_uid, context.abstract_syntax)
        if offer is None:
            raise NetworkProtocol(f"The peer asks for what is not offered (0x{command.field:04x})")
        if offer.service not in self._rights:
            raise NetworkProtocol(f"{offer.service.value} is not allowed")
        if isinstance(offer.provider, Receiver):
            request = Message(command, context)
            return offer.provider.receive(request, Exchange(self, request))
        return WholeDataSet(self._budget, partial(self._take_request, offer.provider, command, context))

    def _send_request(
        self,
        context: Context,
        elements: Mapping[int, Value],
        data: Iterable[View] | None,
        message_id: int | None = None,
        before: bytes = b"",
    ) -> None:
        if not self.is_open:
            raise self._failure("The association is over")
        if self._is_asking:
            raise self._failure("The request before is not answered yet")
        self._message_id = message_id or self._message_id % _MAX_MESSAGE_ID + 1
        self._asked_field = int(elements[COMMAND_FIELD])
        self._is_asking = True
        command = request_of(self._message_id, data is not None, elements)
        pdus = () if data is None else data_pdus(context.context_id, data, self.peer_maximum_length)
        try:
            for bunch in bunches(chain((before + command_pdu(context.context_id, command),), pdus)):
                with self._ending_on_error():
                    self._link.send(bunch, self._timeout)
        # Also where the data set ends early: nothing else can be sent amid a message.
        except BaseException:
            self.abort()
            raise

    def _read(self) -> None:
        """Read one PDU, and act on it.

        :raises NetworkProtocol: if the association is over
        """
        if not self.is_open:
            raise self._failure("The association is over")
        with self._ending_on_error():
            kind, body = self._link.read_pdu(self._timeout)
            if kind == P_DATA_TF:
                self._assembly.add(body)
            else:
                self._take_control(kind)

    def _take_control(self, kind: int) -> None:
        """Act on a PDU without data."""
        raise self._unexpected(kind)

    def _unexpected(self, kind: int) -> Exception:
        """What a PDU means that comes out of turn."""
        if kind == A_ABORT:
            return ConnectionAbortedError()
        return NetworkProtocol(f"Unexpected PDU of the peer (type 0x{kind:02x})")

    def _take_response(self, command: Command, context: Context, data: bytes) -> None:
        if not self._is_asking or command.message_id != self._message_id:
            raise NetworkProtocol(f"The peer answered a message that was not sent ({command.message_id})")
        if not command.answers(self._asked_field):
            raise NetworkProtocol(f"The peer answered with another command (0x{command.field:04x})")
        if STATUS not in command:
            raise NetworkProtocol("The peer answered without a status")
        self._responses.append(Message(command, context, data))

    def _take_request(self, provider: Provider, command: Command, context: Context, data: bytes) -> None:
        """Let a request wait until nothing is read: its service may want to read itself."""
        if len(self._waiting) >= _MOST_WAITING:
            raise NetworkProtocol("Too many requests at the same time")
        request = Message(command, context, data)
        exchange = self._exchanges[command.message_id] = Exchange(self, request)
        self._waiting.append((provider, request, exchange))

    def _serve(self) -> None:
        """Serve the request that has waited for longest."""
        provider, request, exchange = self._waiting.popleft()
        try:
            provider.serve(request, exchange)
        finally:
            message_id = request.command.message_id
            # The peer may have used the number again once it had the final response.
            if self._exchanges.get(message_id) is exchange:
                del self._exchanges[message_id]

    def _cancel(self, message_id: int) -> None:
        exchange = self._exchanges.get(message_id)
        if exchange is not None:
            exchange.cancel()

    @contextmanager
    def _ending_on_error(self) -> Iterator[None]:
        """Whatever goes wrong in between ends the association, and is told as an error of the network."""
        try:
            yield
        except TimeoutError as exc:
            # A peer that does not even answer the request is left alone, as the reference does.
            self.abort() if self.contexts else self._end()
            raise self._failure("No answer of the peer in time") from exc
        except OSError as exc:
            self._end()
            # With TLS 1.3 a peer refuses a certificate when its caller believes that the hand-shake is done.
            is_refusal = isinstance(exc, ssl.SSLError) and not isinstance(exc, ssl.SSLEOFError)
            what = "TLS Error" if is_refusal else "Peer aborted Association (or never connected)"
            raise self._failure(": ".join(filter(None, (what, str(exc))))) from exc
        except (ValueError, NetworkProtocol) as exc:
            self.abort()
            raise self._failure(str(exc)) from exc
        except BaseException:
            self.abort()
            raise

    @contextmanager
    def _ending_quietly(self) -> Iterator[None]:
        """As :meth:`_ending_on_error`, but told by :attr:`is_open` alone."""
        try:
            with self._ending_on_error():
                yield
        except NetworkProtocol as exc:
            LOGGER.info("The association with %s has ended: %s", self.peer, exc)

    def _failure(self, reason: str) -> NetworkProtocol:
        return NetworkProtocol(reason)

    def _end(self) -> None:
        if self.is_open:
            self.is_open = False
            self._assembly.abort()
            self._link.close()
