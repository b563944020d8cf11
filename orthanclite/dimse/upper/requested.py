"""One association that this server has requested (PS3.8 section 7), in the thread that asks.

The state machine of PS3.8 section 9.2 has little to decide on for a requestor that sends a request and waits
for its answer, so none runs here: what a peer sends out of turn ends the association.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from typing import Final, Self

from orthanclite.core.errors import NetworkProtocol, NoPresentationContext
from orthanclite.core.machine.budget import MemoryBudget
from orthanclite.core.machine.buffers import View
from orthanclite.dimse.command import (
    C_ECHO_RQ,
    C_FIND_RQ,
    C_GET_RQ,
    C_MOVE_RQ,
    C_STORE_RQ,
    COMMAND_FIELD,
    N_ACTION_RQ,
    N_EVENT_REPORT_RQ,
    STATUS,
    Command,
    Value,
    bunches,
    cancel_of,
    command_pdu,
    data_pdus,
    request_of,
)
from orthanclite.dimse.conversation import Context, Incoming, Message, Offers, Receiver
from orthanclite.dimse.outgoing import Proposal, Remote
from orthanclite.dimse.peer import Peer, plain_ip
from orthanclite.dimse.status import is_pending
from orthanclite.dimse.upper.assembly import MessageAssembly, WholeDataSet
from orthanclite.dimse.upper.exchange import Exchange
from orthanclite.dimse.upper.link import Link
from orthanclite.dimse.upper.negotiation import (
    A_ABORT,
    A_ASSOCIATE_AC,
    A_ASSOCIATE_RJ,
    A_RELEASE_RP,
    A_RELEASE_RQ,
    ABORT,
    P_DATA_TF,
    RELEASE_REQUEST,
    RELEASE_RESPONSE,
    association_request,
    read_acceptance,
    rejection,
)

LOGGER = logging.getLogger(__name__)

_MAX_MESSAGE_ID = 0xFFFF
_LONGEST_PDU = 1 << 20
"""Bytes, whatever was announced: an answer to 128 presentation contexts takes 10 KB, data 128 KB."""
_RELEASE_PATIENCE = 5.0  # seconds for the answer to a release
_ABORT_PATIENCE = 0.5  # seconds for an abort to be sent
_ABORTED = "Peer aborted Association (or never connected)"

_NAMES: Final = {
    C_ECHO_RQ: "C-ECHO",
    C_STORE_RQ: "C-STORE",
    C_FIND_RQ: "C-FIND",
    C_MOVE_RQ: "C-MOVE",
    C_GET_RQ: "C-GET",
    N_ACTION_RQ: "N-ACTION",
    N_EVENT_REPORT_RQ: "N-EVENT-REPORT",
}


def failure(doing: str, remote: Remote, reason: str) -> NetworkProtocol:
    """An error of an association, told as the reference tells it."""
    return NetworkProtocol(f'DicomAssociation - {doing} to AET "{remote.aet}": {reason}')


class RequestedAssociation:
    """See :class:`orthanclite.dimse.outgoing.Association`.

    :param maximum_length: bytes that the peer may send in the variable field of a PDU
    :param offers: the services that the peer may ask for
    :param budget: memory that messages on their way in may take, besides those that are streamed
    :param on_end: called once, when it is over
    """

    def __init__(
        self,
        link: Link,
        remote: Remote,
        maximum_length: int,
        offers: Offers,
        budget: MemoryBudget,
        on_end: Callable[[RequestedAssociation], None],
    ) -> None:
        self.peer = Peer(remote.aet, plain_ip(link.address), remote.local_aet)
        self.contexts: Sequence[Context] = ()
        self.is_open = True
        self.peer_maximum_length = 0
        self._link = link
        self._remote = remote
        self._maximum_length = maximum_length
        self._offers = offers
        self._budget = budget
        self._on_end = on_end
        self._assembly = MessageAssembly(self)
        self._responses: list[Message] = []  # that came, and are not taken yet
        self._doing = "connecting"
        self._message_id = 0  # of the last request
        self._is_asking = False  # between a request and its final response
        self._heard = 0.0  # when the last request was sent, or something came (monotonic)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def negotiate(self, proposals: Sequence[Proposal]) -> None:
        """Request the association; called first. It is over where that fails.

        :raises NetworkProtocol: if the peer rejects, aborts, or does not answer in time
        :raises NoPresentationContext: if it accepts none of the proposals
        """
        remote = self._remote
        with self._ending_on_error():
            self._link.send(
                association_request(remote.aet, remote.local_aet, proposals, self._maximum_length),
                remote.timeout,
            )
            kind, body = self._link.read_pdu(_LONGEST_PDU, remote.timeout)
            if kind == A_ASSOCIATE_RJ:
                self._end()
                raise NetworkProtocol(rejection(bytes(body)))
            if kind != A_ASSOCIATE_AC:
                raise self._unexpected(kind)
            acceptance = read_acceptance(bytes(body), proposals)
        self.contexts = acceptance.contexts
        self.peer_maximum_length = acceptance.maximum_length
        if not self.contexts:
            self.close()
            raise NoPresentationContext(
                f'Unable to negotiate a presentation context with AET "{self._remote.aet}"'
            )

    def find(self, abstract_syntax: str) -> Context | None:
        return next((one for one in self.contexts if one.abstract_syntax == abstract_syntax), None)

    def ask(
        self,
        context: Context,
        elements: Mapping[int, Value],
        data: Iterable[View] | None = None,
        meanwhile: Callable[[], None] | None = None,
        before: bytes = b"",
    ) -> Message:
        self._send_request(context, elements, data, before=before)
        if meanwhile is not None:
            meanwhile()
        response = self._await_response()
        self._is_asking = False
        assert response is not None
        return response

    def ask_all(
        self,
        context: Context,
        elements: Mapping[int, Value],
        data: Iterable[View] | None = None,
    ) -> Iterator[Message]:
        for response in self._ask_all(context, elements, data, None, None):
            if response is not None:
                yield response

    def watch(
        self,
        context: Context,
        elements: Mapping[int, Value],
        data: Iterable[View] | None,
        interval: float,
        message_id: int | None = None,
    ) -> Iterator[Message | None]:
        return self._ask_all(context, elements, data, interval, message_id)

    def _ask_all(
        self,
        context: Context,
        elements: Mapping[int, Value],
        data: Iterable[View] | None,
        interval: float | None,
        message_id: int | None,
    ) -> Iterator[Message | None]:
        self._send_request(context, elements, data, message_id)
        try:
            while self._is_asking:
                response = self._await_response(interval)
                if response is not None:
                    self._is_asking = is_pending(response.command.status)
                yield response
        finally:
            if self._is_asking:
                self.abort()

    def cancel(self) -> None:
        if self._is_asking and self.is_open:
            context_id = self._asked_in.context_id
            with self._ending_on_error():
                self.send_encoded(command_pdu(context_id, cancel_of(self._message_id)))

    def close(self) -> None:
        if not self.is_open:
            return
        if self._is_asking:
            self.abort()
            return
        try:
            self._release()
        except (OSError, ValueError, NetworkProtocol) as exc:
            LOGGER.info("The association with %s was not released: %s", self.peer, exc)
        self._end()

    def abort(self) -> None:
        if self.is_open:
            with suppress(OSError):
                self._link.send(ABORT, _ABORT_PATIENCE)
            self._end()

    def interrupt(self) -> None:
        """Break it off, from another thread."""
        self._link.interrupt()

    # -- what messages and services need of it -----------------------------------------------------

    def send_encoded(self, pdus: bytes) -> None:
        """Send the encoded PDUs of one message."""
        self._link.send(pdus, self._remote.timeout)

    def begin(self, command: Command, context_id: int) -> Incoming:
        """Begin to receive a message.

        :raises NetworkProtocol: if the peer may not send it
        """
        context = next((one for one in self.contexts if one.context_id == context_id), None)
        if context is None:
            raise NetworkProtocol("A message came in a presentation context that was not accepted")
        if command.is_response:
            take = partial(self._take_response, command, context)
            return WholeDataSet(self._budget, take)
        offer = self._offers.find(command.field, command.sop_class_uid, context.abstract_syntax)
        if offer is None:
            raise NetworkProtocol(f"The peer asks for what is not offered (0x{command.field:04x})")
        request = Message(command, context)
        exchange = Exchange(self, request)
        provider = offer.provider
        if isinstance(provider, Receiver):
            return provider.receive(request, exchange)
        return WholeDataSet(
            self._budget, lambda data: provider.serve(Message(command, context, data), exchange)
        )

    # ----------------------------------------------------------------------------------------------

    def _send_request(
        self,
        context: Context,
        elements: Mapping[int, Value],
        data: Iterable[View] | None,
        message_id: int | None = None,
        before: bytes = b"",
    ) -> None:
        self._doing = _NAMES.get(int(elements[COMMAND_FIELD]), "asking")
        if not self.is_open:
            raise self._failure("The association is over")
        if self._is_asking:
            raise self._failure("The request before is not answered yet")
        self._message_id = message_id or self._message_id % _MAX_MESSAGE_ID + 1
        self._asked_in, self._asked_field = context, int(elements[COMMAND_FIELD])
        self._is_asking = True
        command = request_of(self._message_id, data is not None, elements)
        pdus = () if data is None else data_pdus(context.context_id, data, self.peer_maximum_length)
        try:
            for bunch in bunches(chain((before + command_pdu(context.context_id, command),), pdus)):
                with self._ending_on_error():
                    self.send_encoded(bunch)
        # Also where the data set ends early: nothing else can be sent amid a message.
        except BaseException:
            self.abort()
            raise
        self._heard = time.monotonic()

    def _await_response(self, interval: float | None = None) -> Message | None:
        """The next response to what was asked last; None where there is none within ``interval`` seconds."""
        end = None if interval is None else time.monotonic() + interval
        with self._ending_on_error():
            while not self._responses:
                if end is not None and not self._comes_something(end):
                    return None
                kind, body = self._link.read_pdu(_LONGEST_PDU, self._remote.timeout)
                if kind != P_DATA_TF:
                    raise self._unexpected(kind)
                self._assembly.add(body)
                self._heard = time.monotonic()
            return self._responses.pop(0)

    def _comes_something(self, end: float) -> bool:
        """Whether the peer sends something before ``end`` (monotonic).

        :raises TimeoutError: where it has been silent for too long
        """
        timeout = self._remote.timeout
        silent = None if timeout is None else self._heard + timeout
        limit = end if silent is None else min(end, silent)
        if (left := limit - time.monotonic()) > 0 and self._link.wait(left):
            return True
        if silent is not None and time.monotonic() >= silent:
            raise TimeoutError("No data in time")
        return False

    def _take_response(self, command: Command, context: Context, data: bytes) -> None:
        if not self._is_asking or command.message_id != self._message_id:
            raise NetworkProtocol(f"The peer answered a message that was not sent ({command.message_id})")
        if not command.answers(self._asked_field):
            raise NetworkProtocol(f"The peer answered with another command (0x{command.field:04x})")
        if STATUS not in command:
            raise NetworkProtocol("The peer answered without a status")
        self._responses.append(Message(command, context, data))

    def _unexpected(self, kind: int) -> NetworkProtocol:
        """What a PDU means that is not the one that was waited for."""
        if kind == A_ABORT:
            self._end()
            return NetworkProtocol(_ABORTED)
        if kind == A_RELEASE_RQ:
            with suppress(OSError):
                self._link.send(RELEASE_RESPONSE, _ABORT_PATIENCE)
            self._end()
            return NetworkProtocol("Peer requested Release")
        return NetworkProtocol(f"Unexpected PDU of the peer (type 0x{kind:02x})")

    def _release(self) -> None:
        """Release (PS3.8 section 7.2); data that is still under way is dropped."""
        patience = _RELEASE_PATIENCE
        if self._remote.timeout is not None:
            patience = min(patience, self._remote.timeout)
        self._link.send(RELEASE_REQUEST, patience)
        while True:
            kind, _ = self._link.read_pdu(_LONGEST_PDU, patience)
            if kind == A_RELEASE_RQ:  # both release at the same time
                self._link.send(RELEASE_RESPONSE, patience)
            elif kind != P_DATA_TF:
                if kind != A_RELEASE_RP:
                    LOGGER.info("%s answered the release with a PDU of type 0x%02x", self.peer, kind)
                return

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
            raise self._failure(f"{'TLS Error' if is_refusal else _ABORTED}: {exc}") from exc
        except (ValueError, NetworkProtocol) as exc:
            self.abort()
            raise self._failure(str(exc)) from exc
        except BaseException:
            self.abort()
            raise

    def _failure(self, reason: str) -> NetworkProtocol:
        return failure(self._doing, self._remote, reason)

    def _end(self) -> None:
        if self.is_open:
            self.is_open = False
            self._assembly.abort()
            self._link.close()
            self._on_end(self)
