"""The DICOM server: listens, negotiates associations and hands their messages to the services."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterable

from orthanclite.core.errors import NetworkProtocol
from orthanclite.core.machine.budget import MemoryBudget
from orthanclite.dimse.conversation import Offer, Offers
from orthanclite.dimse.options import DicomServerOptions, ModalitiesLookup
from orthanclite.dimse.permissions import Permissions
from orthanclite.dimse.upper.accepted.admission import Places
from orthanclite.dimse.upper.accepted.association import AcceptedAssociation, Terms
from orthanclite.dimse.upper.accepted.contexts import ContextPolicy
from orthanclite.dimse.upper.accepted.listener import DicomListener
from orthanclite.dimse.upper.accepted.negotiation import AssociationRequest, Rejection
from orthanclite.dimse.upper.wire.link import Link
from orthanclite.dimse.upper.wire.pdus import APPLICATION_CONTEXT
from orthanclite.dimse.upper.wire.tls import server_context
from orthanclite.services.server.runtime import RuntimeOptions

LOGGER = logging.getLogger(__name__)

_CONNECTIONS = 2  # that may be open, for each association that may be
_MESSAGE_MEMORY = 64 << 20
"""Bytes that messages on their way in may take together, besides those whose data set is streamed."""
_INTERRUPTION_PATIENCE = 3.0  # seconds
_POLL = 0.1  # seconds between looks at whether the server is to stop

_WRONG_VERSION = Rejection(1, 2, 2)
_UNKNOWN_APPLICATION_CONTEXT = Rejection(1, 1, 2)
_UNKNOWN_CALLING_AET = Rejection(1, 1, 3)
_UNKNOWN_CALLED_AET = Rejection(1, 1, 7)
_LIMIT_EXCEEDED = Rejection(2, 3, 2)  # for the time being


class DicomServer:
    """Serves DICOM from threads of its own.

    :param modalities: the registered ones, looked up when a peer associates
    :param offers: the services that peers may ask for
    """

    def __init__(
        self,
        options: DicomServerOptions,
        runtime: RuntimeOptions,
        modalities: ModalitiesLookup,
        offers: Iterable[Offer],
    ) -> None:
        self._options = options
        self._permissions = Permissions(options, modalities)
        self._offers = Offers(offers)
        self._budget = MemoryBudget(_MESSAGE_MEMORY)
        self._contexts = ContextPolicy(runtime, self._offers)
        self._places = Places(options.maximum_associations, options.maximum_associations_per_host)
        # Those that are rejected, or have not associated yet, need places, too.
        self._connections = Places(
            _CONNECTIONS * options.maximum_associations, _CONNECTIONS * options.maximum_associations_per_host
        )
        self._changed = threading.Condition()
        self._open: set[AcceptedAssociation] = set()
        self._listener: DicomListener | None = None

    @property
    def port(self) -> int:
        """The TCP port that is listened on.

        :raises NetworkProtocol: if the server is not started.
        """
        if self._listener is None:
            raise NetworkProtocol("The DICOM server is not running")
        return int(self._listener.server_address[1])

    @property
    def active_associations(self) -> int:
        """How many associations are open."""
        with self._changed:
            return len(self._open)

    def start(self) -> None:
        """Listen, and serve in the background.

        :raises NetworkProtocol: if the port is not free, or the TLS files cannot be used.
        """
        options = self._options
        tls = None if options.tls is None else server_context(options.tls)
        try:
            listener = DicomListener((options.host, options.port), self._serve, tls, self._connections)
        except OSError as exc:
            raise NetworkProtocol(f"Cannot listen on the DICOM port {options.port}: {exc}") from exc
        self._listener = listener
        threading.Thread(
            target=listener.serve_forever, args=(_POLL,), name="DICOM listener", daemon=True
        ).start()
        LOGGER.info("DICOM server listening with AET %s on port %d", options.aet, self.port)

    def stop(self, timeout: float = 10.0) -> None:
        """Accept nothing more; let associations end for ``timeout`` seconds, then break them off."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.shutdown()
        listener.server_close()
        with self._changed:
            if not self._changed.wait_for(self._is_empty, timeout):
                for association in self._open:
                    association.interrupt()
                self._changed.wait_for(self._is_empty, _INTERRUPTION_PATIENCE)

    def _is_empty(self) -> bool:
        return not self._open

    def _serve(self, connection: socket.socket) -> None:
        """Serve a connection in its thread, until it is closed."""
        options = self._options
        try:
            link = Link(connection, options.maximum_pdu_length)
        except OSError:  # the peer has gone already
            return
        association = AcceptedAssociation(
            link, options.maximum_pdu_length, options.scp_timeout or None, self._offers, self._budget
        )
        with self._changed:
            self._open.add(association)
        try:
            association.run(self._admit)
        finally:
            with self._changed:
                self._open.discard(association)
                self._changed.notify_all()

    def _admit(self, association: AcceptedAssociation, request: AssociationRequest) -> Terms | Rejection:
        """Decide on an association that a peer requests."""
        peer = association.peer
        rights = self._permissions.rights(peer)
        if not request.is_version_1:
            return _WRONG_VERSION
        if request.application_context != APPLICATION_CONTEXT:
            return _UNKNOWN_APPLICATION_CONTEXT
        if not self._permissions.is_called_aet_accepted(peer.called_aet):
            return _UNKNOWN_CALLED_AET
        if rights is None:
            return _UNKNOWN_CALLING_AET
        if not self._places.take(peer.ip, lambda: association.is_open):
            return _LIMIT_EXCEEDED
        return Terms(rights, self._contexts.negotiate(request))
