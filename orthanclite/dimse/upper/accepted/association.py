"""One association that a peer has requested, served in the thread that reads its connection."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from orthanclite.core.errors import NetworkProtocol, OrthancError
from orthanclite.core.machine.budget import MemoryBudget
from orthanclite.dimse.conversation import Offers
from orthanclite.dimse.peer import Peer
from orthanclite.dimse.service import Service
from orthanclite.dimse.upper.accepted.contexts import Negotiated
from orthanclite.dimse.upper.accepted.negotiation import (
    AssociationRequest,
    Rejection,
    acceptance,
    read_request,
)
from orthanclite.dimse.upper.wire.association import BaseAssociation
from orthanclite.dimse.upper.wire.link import Link
from orthanclite.dimse.upper.wire.pdus import A_ASSOCIATE_RQ, A_RELEASE_RQ, RELEASE_RESPONSE

LOGGER = logging.getLogger(__name__)

_NEGOTIATION_TIMEOUT = 30.0  # seconds for a peer to send its request


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a peer is let in."""

    rights: frozenset[Service]
    negotiated: Negotiated


Admit = Callable[["AcceptedAssociation", AssociationRequest], Terms | Rejection]
"""Decides on a request; the association knows its peer."""


class AcceptedAssociation(BaseAssociation):
    """See ``upper.wire.association.BaseAssociation``."""

    def __init__(
        self, link: Link, maximum_length: int, timeout: float | None, offers: Offers, budget: MemoryBudget
    ) -> None:
        super().__init__(link, Peer("", link.address, ""), timeout, offers, budget)
        self._maximum_length = maximum_length
        self._is_released = False  # by the peer, which then may still get answers

    def run(self, admit: Admit) -> None:
        """Negotiate, and serve the peer until the association is over."""
        try:
            with self._ending_on_error():
                self._negotiate(admit)
            while self.is_open:
                self._go_on()
        except NetworkProtocol as exc:
            # That a peer goes is none of its faults.
            level = logging.INFO if isinstance(exc.__cause__, OSError) else logging.WARNING
            LOGGER.log(level, "The association of %s has ended: %s", self.peer, exc)
        except OrthancError as exc:
            LOGGER.warning("Aborting the association of %s: %s", self.peer, exc)
        # Whatever it is, the peer must not wait for an answer that nobody will send.
        except Exception:
            LOGGER.exception("Aborting the association of %s", self.peer)
        finally:
            self.abort()

    def _negotiate(self, admit: Admit) -> None:
        kind, body = self._link.read_pdu(_NEGOTIATION_TIMEOUT)
        if kind != A_ASSOCIATE_RQ:
            raise NetworkProtocol(f"Instead of an association request, a PDU of type 0x{kind:02x}")
        request = read_request(bytes(body))
        self.peer = Peer(request.calling_aet, self.peer.ip, request.called_aet)
        terms = admit(self, request)
        if isinstance(terms, Rejection):
            LOGGER.warning("Rejected %s, calling %s: %s", self.peer, request.called_aet, terms)
            self._link.send(terms.encode(), _NEGOTIATION_TIMEOUT)
            self._end()
            return
        LOGGER.info("Association of %s, calling %s", self.peer, request.called_aet)
        negotiated = terms.negotiated
        answer = acceptance(request, negotiated.answers, negotiated.roles, self._maximum_length)
        self._link.send(answer, _NEGOTIATION_TIMEOUT)
        self.contexts, self._rights = negotiated.contexts, terms.rights
        self.peer_maximum_length = request.maximum_length

    def _go_on(self) -> None:
        if self._waiting:
            self._serve()
        elif self._is_released:
            self.send_encoded(RELEASE_RESPONSE)
            self._end()
        else:
            self._read()

    def _read(self) -> None:
        if self._is_released and self.is_open:
            self.abort()
            raise NetworkProtocol("Nothing can come of a peer that has released the association")
        super()._read()

    def _take_control(self, kind: int) -> None:
        if kind == A_RELEASE_RQ:
            self._is_released = True
        else:
            super()._take_control(kind)
