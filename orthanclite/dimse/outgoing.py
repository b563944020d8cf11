"""Associations that this server requests: whom it calls, what it proposes, and how it then asks.

``upper`` makes them (``upper/requested``); ``scu`` and C-MOVE use them, and know them by what stands here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from orthanclite.core.machine.buffers import View
from orthanclite.core.remotes.registry import Modality
from orthanclite.dimse.command import Value
from orthanclite.dimse.conversation import Channel, Context, Message, Offers
from orthanclite.dimse.peer import Peer


@dataclass(frozen=True, slots=True)
class Remote:
    """Whom to call, and how."""

    aet: str  # called AE title
    host: str  # address or name
    port: int
    local_aet: str  # calling AE title
    timeout: float | None  # seconds to connect, and to wait for an answer; None for no limit
    use_tls: bool = False


@dataclass(frozen=True, slots=True)
class CallDefaults:
    """What holds where neither modality nor request says otherwise (``DicomAet``, ``DicomScuTimeout``)."""

    aet: str
    timeout: int  # seconds; 0 for no limit

    def remote(self, modality: Modality, local_aet: str = "", timeout: int | None = None) -> Remote:
        """How to call a modality.

        :param local_aet: the AE title that a request wants it to be called by; empty for none
        :param timeout: the seconds that a request grants; 0 for no limit, None where it does not say
        """
        seconds = (modality.timeout or self.timeout) if timeout is None else timeout
        return Remote(
            modality.aet,
            modality.host,
            modality.port,
            local_aet or modality.local_aet or self.aet,
            seconds or None,
            modality.use_dicom_tls,
        )


@dataclass(frozen=True, slots=True)
class Proposal:
    """A presentation context to propose (PS3.8 section 7.1.1.13)."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    as_scp: bool = False
    """Whether this server is to be the SCP in it, and not the SCU (PS3.7 D.3.3.4): for C-GET, and for the
    reports of a storage commitment."""


MOST_PROPOSALS = 128
"""Presentation contexts that one association can have: their identifiers are the odd numbers below 256."""


class Association(Channel, Protocol):
    """An open association, used by one thread. As a context manager it is closed at the end.

    Where :meth:`ask` fails, whatever the error, it is over. What the peer asks meanwhile (the C-STORE of a
    C-GET) is served by the offers that it was opened with, in the same thread.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    @property
    def peer(self) -> Peer:
        """The other end; its AE title is the called one."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether more can be asked over it."""
        ...

    def find(self, abstract_syntax: str) -> Context | None:
        """The first accepted context for a SOP class."""
        ...

    def ask_all(
        self,
        context: Context,
        elements: Mapping[int, Value],
        data: Iterable[View] | None = None,
    ) -> Iterator[Message]:
        """Send a request, and take its pending responses as they come, then the final one (C-FIND...).

        Whoever stops before the final response ends the association.

        :raises NetworkProtocol: as :meth:`ask`; also for a response that is none to this request
        """
        ...

    def watch(
        self,
        context: Context,
        elements: Mapping[int, Value],
        data: Iterable[View] | None,
        interval: float,
        message_id: int | None = None,
    ) -> Iterator[Message | None]:
        """As :meth:`ask_all`, but None about each ``interval`` seconds without a response.

        So whoever waits for a long time can do something else in between, or :meth:`cancel`.

        :param message_id: of the request; None for the next one
        :raises NetworkProtocol: as :meth:`ask_all`
        """
        ...

    def cancel(self) -> None:
        """Send a C-CANCEL for the request of :meth:`ask_all`; its final response is still to be taken."""
        ...

    def close(self) -> None:
        """Release the association, or abort it amid a request. May be called again."""
        ...

    def abort(self) -> None:
        """End it at once (A-ABORT). May be called again."""
        ...


class Connector(Protocol):
    """Requests associations."""

    def open(
        self, remote: Remote, proposals: Sequence[Proposal], offers: Offers | None = None
    ) -> Association:
        """Call a peer, and negotiate. What comes of it must be closed.

        :param proposals: at most :data:`MOST_PROPOSALS`
        :param offers: the services that the peer may ask for over it
        :raises NetworkProtocol: if the peer cannot be reached, rejects, aborts, or does not answer in time
        :raises NoPresentationContext: if it accepts none of the proposals
        :raises Busy: if too many associations are open
        """
        ...
