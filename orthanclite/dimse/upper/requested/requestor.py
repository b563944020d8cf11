"""Requests associations of peers, a bounded number at a time."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Sequence

from orthanclite.core.errors import Busy
from orthanclite.core.machine.budget import MemoryBudget
from orthanclite.dimse.conversation import Offers
from orthanclite.dimse.options import DicomClientOptions
from orthanclite.dimse.outgoing import MOST_PROPOSALS, Proposal, Remote
from orthanclite.dimse.upper.requested.association import RequestedAssociation, failure
from orthanclite.dimse.upper.wire.link import Link, connect
from orthanclite.dimse.upper.wire.tls import client_context

_MESSAGE_MEMORY = 64 << 20
"""Bytes that answers on their way in may take together, besides data sets that are streamed."""


class AssociationRequestor:
    """See :class:`orthanclite.dimse.outgoing.Connector`. Thread-safe."""

    def __init__(self, options: DicomClientOptions) -> None:
        self._options = options
        self._places = threading.BoundedSemaphore(options.maximum_associations)
        self._budget = MemoryBudget(_MESSAGE_MEMORY)
        self._lock = threading.Lock()
        self._open: set[RequestedAssociation] = set()
        self._tls: ssl.SSLContext | None = None
        self._is_closed = False

    @property
    def active_associations(self) -> int:
        """How many associations are open."""
        with self._lock:
            return len(self._open)

    def open(
        self, remote: Remote, proposals: Sequence[Proposal], offers: Offers | None = None
    ) -> RequestedAssociation:
        if not 1 <= len(proposals) <= MOST_PROPOSALS:
            raise ValueError(f"{len(proposals)} presentation contexts")
        if not self._places.acquire(timeout=remote.timeout):
            raise Busy("Too many associations with other modalities are open")
        try:
            association = RequestedAssociation(
                self._connect(remote),
                remote,
                self._options.maximum_pdu_length,
                offers or Offers(()),
                self._budget,
                self._forget,
            )
        except BaseException:
            self._places.release()
            raise
        with self._lock:
            self._open.add(association)
            if self._is_closed:
                association.interrupt()
        association.negotiate(proposals)
        return association

    def close(self) -> None:
        """Break off the associations that are open, and those that are still requested."""
        with self._lock:
            self._is_closed = True
            for association in self._open:
                association.interrupt()

    def _connect(self, remote: Remote) -> Link:
        if not remote.aet or not remote.local_aet:
            raise failure("connecting", remote, "An AE title is empty")
        tls = self._tls_context() if remote.use_tls else None
        try:
            return connect(remote.host, remote.port, remote.timeout, tls, self._options.maximum_pdu_length)
        except ssl.SSLError as exc:
            raise failure("connecting", remote, f"TLS Error: {exc}") from exc
        # The latter two: of a port and of a name that cannot be.
        except (OSError, OverflowError, UnicodeError) as exc:
            reason = getattr(exc, "strerror", None) or str(exc)
            raise failure("connecting", remote, f"TCP Initialization Error: {reason}") from exc

    def _forget(self, association: RequestedAssociation) -> None:
        with self._lock:
            self._open.discard(association)
        self._places.release()

    def _tls_context(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:
                self._tls = client_context(self._options.tls)
            return self._tls
