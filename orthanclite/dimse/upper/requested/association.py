"""One association that this server has requested (PS3.8 section 7), in the thread that asks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
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
    Value,
    cancel_of,
    command_pdu,
)
from orthanclite.dimse.conversation import Context, Message, Offers
from orthanclite.dimse.outgoing import Proposal, Remote
from orthanclite.dimse.peer import Peer
from orthanclite.dimse.status import is_pending
from orthanclite.dimse.upper.requested.negotiation import association_request, read_acceptance, rejection
from orthanclite.dimse.upper.wire.association import BaseAssociation
from orthanclite.dimse.upper.wire.link import Link
from orthanclite.dimse.upper.wire.pdus import (
    A_ASSOCIATE_AC,
    A_ASSOCIATE_RJ,
    A_RELEASE_RP,
    A_RELEASE_RQ,
    P_DATA_TF,
    RELEASE_REQUEST,
    RELEASE_RESPONSE,
)

LOGGER = logging.getLogger(__name__)

_RELEASE_PATIENCE = 5.0  # seconds for the answer to a release
_ANSWER_PATIENCE = 0.5  # seconds for the answer to a release to be sent

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


class RequestedAssociation(BaseAssociation):
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
        super().__init__(
            link, Peer(remote.aet, link.address, remote.local_aet), remote.timeout, offers, budget
        )
        self._remote = remote
        self._maximum_length = maximum_length
        self._on_end = on_end
        self._doing = "connecting"
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
            kind, body = self._link.read_pdu(remote.timeout)
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
        if self._is_asking:
            self.send_encoded(command_pdu(self._asked_in.context_id, cancel_of(self._message_id)))

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

    def _send_request(
        self,
        context: Context,
        elements: Mapping[int, Value],
        data: Iterable[View] | None,
        message_id: int | None = None,
        before: bytes = b"",
    ) -> None:
        self._doing = _NAMES.get(int(elements[COMMAND_FIELD]), "asking")
        self._asked_in = context
        super()._send_request(context, elements, data, message_id, before)
        self._heard = time.monotonic()

    def _read(self) -> None:
        super()._read()
        self._heard = time.monotonic()
        with self._ending_on_error():
            while self._waiting:
                self._serve()

    def _await_response(self, interval: float | None) -> Message | None:
        """The next response to what was asked last; None where there is none within ``interval`` seconds."""
        end = None if interval is None else time.monotonic() + interval
        while not self._responses:
            with self._ending_on_error():
                if end is not None and not self._comes_something(end):
                    return None
            self._read()
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

    def _unexpected(self, kind: int) -> Exception:
        if kind != A_RELEASE_RQ:
            return super()._unexpected(kind)
        with suppress(OSError):
            self._link.send(RELEASE_RESPONSE, _ANSWER_PATIENCE)
        self._end()
        return NetworkProtocol("Peer requested Release")

    def _release(self) -> None:
        """Release (PS3.8 section 7.2); data that is still under way is dropped."""
        patience = _RELEASE_PATIENCE
        if self._remote.timeout is not None:
            patience = min(patience, self._remote.timeout)
        self._link.send(RELEASE_REQUEST, patience)
        while True:
            kind, _ = self._link.read_pdu(patience)
            if kind == A_RELEASE_RQ:  # both release at the same time
                self._link.send(RELEASE_RESPONSE, patience)
            elif kind != P_DATA_TF:
                if kind != A_RELEASE_RP:
                    LOGGER.info("%s answered the release with a PDU of type 0x%02x", self.peer, kind)
                return

    def _failure(self, reason: str) -> NetworkProtocol:
        return failure(self._doing, self._remote, reason)

    def _end(self) -> None:
        if self.is_open:
            super()._end()
            self._on_end(self)
