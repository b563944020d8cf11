"""Where the upper layer and the services meet: what a message is, and how a service speaks with its peer.

``upper`` knows services as the offers below, and services know associations as conversations. A further
service is a module of ``scp`` with its provider, and one offer in ``scp/table.py``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from orthanclite.core.machine.buffers import View
from orthanclite.dimse.command import Command, Value
from orthanclite.dimse.peer import Peer
from orthanclite.dimse.service import Service


@dataclass(frozen=True, slots=True)
class Context:
    """A presentation context that was accepted (PS3.8 section 7.1.1.13)."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    is_scu: bool  # whether this server may be the SCU in it (PS3.7 D.3.3.4)


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response of the peer (PS3.7 section 6.3)."""

    command: Command
    context: Context
    data: bytes = b""  # in the transfer syntax of the context; empty where none came, or where it is streamed


class Channel(Protocol):
    """An association, as one who sends requests over it sees it, whichever side has opened it."""

    @property
    def contexts(self) -> Sequence[Context]:
        """The contexts of the association, in the order of their identifiers."""
        ...

    def ask(
        self,
        context: Context,
        elements: Mapping[int, Value],
        data: Iterable[View] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Message:
        """Send a request to the peer, and wait for its response.

        A C-GET sends its instances so, a storage commitment its report. Not from :meth:`Receiver.receive`.

        :param elements: the command set without message ID and data set type, which are added
        :param data: the data set in pieces, which are taken while they are sent
        :param meanwhile: called before the response is waited for: the peer has something to do
        :raises NetworkProtocol: if the association ends, or no response comes in time.
        """
        ...


class Conversation(Channel, Protocol):
    """One request, where its responses go, and what else may be asked over its association."""

    @property
    def peer(self) -> Peer: ...

    @property
    def is_cancelled(self) -> bool:
        """Whether the peer has sent a C-CANCEL; looks at what has come of it meanwhile."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether the association has ended: nobody reads answers any more."""
        ...

    def respond(
        self,
        status: int,
        data: bytes | None = None,
        comment: str = "",
        elements: Mapping[int, Value] | None = None,
        is_followed: bool = False,
    ) -> None:
        """Send a response; waits while a slow peer has much to read already.

        :param data: the data set, in the transfer syntax of the request's context
        :param elements: what the command set holds besides (numbers of sub-operations, an action type...)
        :param is_followed: whether another message follows at once: both are then sent in one piece
        """
        ...


class Provider(Protocol):
    """A service that takes a request whole."""

    def serve(self, request: Message, conversation: Conversation) -> None:
        """Answer a request, up to its final response, in the thread that else reads the connection."""
        ...


class Incoming(Protocol):
    """A data set on its way in."""

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes, which are valid during this call only.

        :raises NetworkProtocol: if the association is to be aborted for them.
        """
        ...

    def finish(self) -> None:
        """The data set is complete."""
        ...

    def abort(self) -> None:
        """Drop what is held. May be called at any time, also after the end."""
        ...


@runtime_checkable
class Receiver(Protocol):
    """A service that takes the data set of a request while it arrives."""

    def receive(self, request: Message, conversation: Conversation) -> Incoming:
        """Where the data set goes; what finishes it also sends the response.

        :raises NetworkProtocol: if the association is to be aborted.
        """
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """A service that peers may ask for."""

    service: Service  # whose permission it needs
    command_field: int  # of its requests
    sop_classes: frozenset[str] | None  # the abstract syntaxes that it adds; None: those of storage
    provider: Provider | Receiver
    sends_instances: bool = False
    """Whether it sends instances back over the same association: peers may then be SCPs of storage."""
    grants_roles: bool = False
    """Whether peers may choose their role in these classes, as where either side reports to the other."""


class Offers:
    """The table of services.

    :param offers: at most one for the same command and SOP class
    """

    def __init__(self, offers: Iterable[Offer]) -> None:
        self._offers: defaultdict[int, list[Offer]] = defaultdict(list)
        for offer in offers:
            self._offers[offer.command_field].append(offer)
        everything = [offer for offers in self._offers.values() for offer in offers]
        self.sop_classes = frozenset(uid for one in everything for uid in one.sop_classes or ())
        self.role_classes = frozenset(
            uid for one in everything if one.grants_roles for uid in one.sop_classes or ()
        )
        self.has_storage = any(one.sop_classes is None for one in everything)
        self.sends_instances = any(one.sends_instances for one in everything)

    def find(self, command_field: int, sop_class: str, abstract_syntax: str) -> Offer | None:
        """The service for a request, by its SOP class or else by that of its context; None for none."""
        candidates = self._offers.get(command_field, ())
        for uid in (sop_class, abstract_syntax):
            for offer in candidates:
                if offer.sop_classes is None or uid in offer.sop_classes:
                    return offer
        return None
