"""The DICOM server: listens, negotiates associations and hands their messages to the services."""

from __future__ import annotations

import logging
import ssl
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

from pynetdicom import evt
from pynetdicom._globals import APPLICATION_CONTEXT_NAME
from pynetdicom.ae import ApplicationEntity
from pynetdicom.transport import RequestHandler

from orthanclite.core.errors import NetworkProtocol
from orthanclite.core.machine.budget import MemoryBudget
from orthanclite.dicom.writing.elements import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from orthanclite.dimse.conversation import Offer, Offers
from orthanclite.dimse.options import DicomServerOptions, ModalitiesLookup
from orthanclite.dimse.permissions import Permissions
from orthanclite.dimse.upper.admission import Places
from orthanclite.dimse.upper.association import EventDrivenAssociation
from orthanclite.dimse.upper.contexts import ContextPolicy
from orthanclite.dimse.upper.tls import server_context
from orthanclite.dimse.upper.transport import BufferedSocket, DicomListener
from orthanclite.services.server.runtime import RuntimeOptions

LOGGER = logging.getLogger(__name__)

_NEGOTIATION_TIMEOUT = 30.0  # seconds for a peer to send its request, and to close after a release
_CONNECTIONS = 2  # that may be open, for each association that may be
_MESSAGE_MEMORY = 64 << 20
"""Bytes that messages on their way in may take together, besides those whose data set is streamed."""
_TALKATIVE = ("pynetdicom.fsm", "pynetdicom.utils")
"""Loggers that write a traceback for what a stranger sends; what comes of it, the provider logs."""
_REJECT_PERMANENT, _REJECT_TRANSIENT = 0x01, 0x02
_SOURCE_USER, _SOURCE_PRESENTATION = 0x01, 0x03
_APPLICATION_CONTEXT_UNKNOWN = 0x02
_CALLING_AET_UNKNOWN, _CALLED_AET_UNKNOWN, _LIMIT_EXCEEDED = 0x03, 0x07, 0x02


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
        self._associations = Places(options.maximum_associations, options.maximum_associations_per_host)
        # Those that are rejected, or have not associated yet, need places, too.
        self._connections = Places(
            _CONNECTIONS * options.maximum_associations, _CONNECTIONS * options.maximum_associations_per_host
        )
        self._listener: DicomListener | None = None
        self._thread: threading.Thread | None = None

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
        return 0 if self._listener is None else len(self._listener.active_associations)

    def start(self) -> None:
        """Listen, and serve in the background.

        :raises NetworkProtocol: if the port is not free, or the TLS files cannot be used.
        """
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        options = self._options
        timeout = float(options.scp_timeout) if options.scp_timeout else None
        application = _application(options, timeout)
        tls: ssl.SSLContext | None = None if options.tls is None else server_context(options.tls)
        try:
            listener = DicomListener(
                application,
                (options.host, options.port),
                self._make_handler(),
                tls,
                timeout,
                self._connections,
            )
        except OSError as exc:
            raise NetworkProtocol(f"Cannot listen on the DICOM port {options.port}: {exc}") from exc
        listener.bind(evt.EVT_REQUESTED, self._on_requested)
        self._listener = listener
        application._servers.append(listener)
        self._thread = threading.Thread(
            target=listener.serve_forever, args=(_POLL,), name="DICOM listener", daemon=True
        )
        self._thread.start()
        LOGGER.info("DICOM server listening with AET %s on port %d", options.aet, self.port)

    def stop(self, timeout: float = 10.0) -> None:
        """Accept nothing more; let associations end for ``timeout`` seconds, then abort them."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.shutdown()
        deadline = time.monotonic() + timeout
        for association in listener.active_associations:
            association.join(max(0.0, deadline - time.monotonic()))
        for association in listener.active_associations:
            association.abort(block=False)
        deadline = time.monotonic() + _ABORT_PATIENCE
        for association in listener.active_associations:
            association.join(max(0.0, deadline - time.monotonic()))
        if self._thread is not None:
            self._thread.join(_ABORT_PATIENCE)
            self._thread = None

    def _make_handler(self) -> type[RequestHandler]:
        server = self

        class Handler(RequestHandler):
            """One connection."""

            def _create_association(self) -> EventDrivenAssociation:
                return server._create_association(self)

        return Handler

    def _create_association(self, handler: RequestHandler) -> EventDrivenAssociation:
        listener = handler.server
        association = EventDrivenAssociation(handler.ae, self._offers, self._budget)
        association._server = listener
        association.name = f"AcceptorThread@{handler.remote.address}:{handler.remote.port}"
        association.set_socket(BufferedSocket(association, handler.request))
        acceptor = association.acceptor
        acceptor.maximum_length = handler.ae.maximum_pdu_size
        acceptor.ae_title = listener.ae_title
        acceptor.address_info = handler.local
        acceptor.implementation_class_uid = handler.ae.implementation_class_uid
        acceptor.implementation_version_name = handler.ae.implementation_version_name
        association.requestor.address_info = handler.remote
        for event in listener.get_events():
            bound = listener.get_handlers(event)
            for function, arguments in bound if isinstance(bound, list) else [bound]:
                if function is not None:
                    association.bind(event, function, arguments)
        return association

    def _on_requested(self, event: Any) -> None:
        """Decide on an association that a peer requests; pynetdicom then accepts what was not rejected."""
        association = event.assoc
        if association.requestor.primitive is None or not hasattr(
            association.requestor.primitive, "calling_ae_title"
        ):
            return
        peer = association.peer
        rights = self._permissions.rights(peer)
        if association.requestor.primitive.application_context_name != APPLICATION_CONTEXT_NAME:
            self._reject(association, _REJECT_PERMANENT, _SOURCE_USER, _APPLICATION_CONTEXT_UNKNOWN)
        elif not self._permissions.is_called_aet_accepted(peer.called_aet):
            self._reject(association, _REJECT_PERMANENT, _SOURCE_USER, _CALLED_AET_UNKNOWN)
        elif rights is None:
            self._reject(association, _REJECT_PERMANENT, _SOURCE_USER, _CALLING_AET_UNKNOWN)
        elif not self._associations.take(peer.ip, association.is_alive):
            self._reject(association, _REJECT_TRANSIENT, _SOURCE_PRESENTATION, _LIMIT_EXCEEDED)
        else:
            association.rights = rights
            proposed = association.requestor.primitive.presentation_context_definition_list
            association.acceptor.supported_contexts = self._contexts.supported(proposed)
            LOGGER.info("Association of %s, calling %s", peer, peer.called_aet)

    @staticmethod
    def _reject(association: EventDrivenAssociation, result: int, source: int, reason: int) -> None:
        LOGGER.warning(
            "Rejected the association of %s, calling %s (reason %d)",
            association.peer,
            association.peer.called_aet,
            reason,
        )
        association.acse.send_reject(result, source, reason)
        # Waits until the rejection is sent, before the connection is closed.
        association.kill()


_ABORT_PATIENCE = 3.0  # seconds
_POLL = 0.1  # seconds between looks at whether the server is to stop


def _application(options: DicomServerOptions, timeout: float | None) -> ApplicationEntity:
    application = ApplicationEntity(options.aet)
    application.maximum_pdu_size = options.maximum_pdu_length
    application.network_timeout = timeout
    application.dimse_timeout = timeout
    application.acse_timeout = _NEGOTIATION_TIMEOUT
    # The limit is checked by our own rules.
    application.maximum_associations = sys.maxsize
    application.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    application.implementation_version_name = IMPLEMENTATION_VERSION
    return application
