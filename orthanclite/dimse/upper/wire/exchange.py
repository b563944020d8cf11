"""One request of a peer and its responses: an association, as the service that answers sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from orthanclite.core.machine.buffers import View
from orthanclite.dimse.command import Value, command_pdu, data_pdus, response_to
from orthanclite.dimse.conversation import Context, Message
from orthanclite.dimse.peer import Peer


class ExchangeOwner(Protocol):
    """The association of an exchange."""

    @property
    def peer(self) -> Peer: ...

    @property
    def contexts(self) -> Sequence[Context]: ...

    @property
    def peer_maximum_length(self) -> int:
        """Bytes that the peer accepts in the variable field of a PDU; 0 for any number."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether answers can still be sent."""
        ...

    def send_encoded(self, pdus: bytes) -> None:
        """Send the encoded PDUs of one message. Where that fails, the association is over."""
        ...

    def notice(self) -> None:
        """Take in what the peer has sent meanwhile, without waiting."""
        ...

    def ask(
        self,
        context: Context,
        elements: Mapping[int, Value],
        data: Iterable[View] | None = None,
        meanwhile: Callable[[], None] | None = None,
        before: bytes = b"",
    ) -> Message:
        """See ``dimse.conversation.Channel``.

        :param before: encoded PDUs that are sent in one piece with the request
        """
        ...


class Exchange:
    """The conversation about one request; see ``dimse.conversation.Conversation``."""

    def __init__(self, owner: ExchangeOwner, request: Message) -> None:
        self._owner = owner
        self._request = request
        self._is_cancelled = False
        self._held = b""  # responses that go out with the next message

    @property
    def peer(self) -> Peer:
        return self._owner.peer

    @property
    def contexts(self) -> Sequence[Context]:
        return self._owner.contexts

    @property
    def is_cancelled(self) -> bool:
        self._owner.notice()
        return self._is_cancelled

    @property
    def is_over(self) -> bool:
        return not self._owner.is_open

    def cancel(self) -> None:
        """The peer wants no further answers."""
        self._is_cancelled = True

    def respond(
        self,
        status: int,
        data: bytes | None = None,
        comment: str = "",
        elements: Mapping[int, Value] | None = None,
        is_followed: bool = False,
    ) -> None:
        context_id = self._request.context.context_id
        command = response_to(self._request.command, status, data is not None, comment, elements)
        pdus = command_pdu(context_id, command)
        if data is not None:
            pdus += b"".join(data_pdus(context_id, (data,), self._owner.peer_maximum_length))
        if is_followed:
            self._held += pdus
        else:
            self._owner.send_encoded(self._release() + pdus)

    def ask(
        self,
        context: Context,
        elements: Mapping[int, Value],
        data: Iterable[View] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Message:
        return self._owner.ask(context, elements, data, meanwhile, self._release())

    def _release(self) -> bytes:
        held, self._held = self._held, b""
        return held
