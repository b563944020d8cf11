"""The DICOM server and the services that it offers."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.uid import UID

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.calling import CallingWing
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.ingest import IngestWing
from orthanclite.app.wiring.remotes import RemotesWing
from orthanclite.app.wiring.search import SearchWing
from orthanclite.app.wiring.worklists import WorklistsWing
from orthanclite.config import Settings
from orthanclite.core.errors import IncompatibleConfigurations
from orthanclite.dimse.options import DicomServerOptions, TlsOptions
from orthanclite.dimse.scp.find import QUERY_MODELS, WORKLIST_MODELS
from orthanclite.dimse.scp.get import GET_MODELS
from orthanclite.dimse.scp.moved import MovedInstances
from orthanclite.dimse.scp.table import Backends, Retrieval, offers
from orthanclite.dimse.service import Service
from orthanclite.dimse.upper.server import DicomServer
from orthanclite.services.retrieve.moves import Moves
from orthanclite.services.search.retrieval import RetrievalService
from orthanclite.services.server.conformance import ServiceClasses


@dataclass(frozen=True, slots=True)
class NetworkWing:
    dicom: DicomServer
    moves: Moves
    """The C-MOVEs that this server has asked for."""
    adds: Additions


def network_wing(
    base: Foundation,
    ingest: IngestWing,
    search: SearchWing,
    remotes: RemotesWing,
    calling: CallingWing,
    worklists: WorklistsWing,
) -> NetworkWing:
    """:raises IncompatibleConfigurations: where TLS lacks its files."""
    service = worklists.worklists
    moves = Moves()
    backends = Backends(
        ingest.ingest,
        base.runtime,
        base.dictionary,
        lambda identifier, peer: search.queries.find(identifier),
        None if service is None else lambda identifier, peer: service.find(identifier, peer.aet),
        _retrieval(base, search, calling),
        MovedInstances(moves).stored,
    )
    dicom = DicomServer(
        _options(base.settings),
        base.runtime,
        lambda: remotes.modalities.all().values(),
        offers(backends, base.settings.dicom.threads, base.metrics),
    )
    offered = [("Find SCP", "C-Find", QUERY_MODELS), ("Get SCP", "C-Get", GET_MODELS)]
    if service is not None:
        offered.append(("Worklist SCP", "C-Find", WORKLIST_MODELS))
    classes = tuple(
        ServiceClasses(title, name, "SCP", {UID(uid).keyword: uid for uid in sorted(models)})
        for title, name, models in offered
    )
    return NetworkWing(dicom, moves, Additions(service_classes=classes))


def _retrieval(base: Foundation, search: SearchWing, calling: CallingWing) -> Retrieval:
    service = RetrievalService(search.search, base.index.resources)
    return Retrieval(
        lambda identifier: calling.instances.below(service.find(identifier)),
        calling.sender,
    )


def _options(settings: Settings) -> DicomServerOptions:
    dicom, tls = settings.dicom, settings.dicom_tls
    allowed = {
        Service.ECHO: dicom.always_allow_echo,
        Service.STORE: dicom.always_allow_store,
        Service.FIND: dicom.always_allow_find,
        Service.FIND_WORKLIST: dicom.always_allow_find_worklist,
        Service.GET: dicom.always_allow_get,
        Service.MOVE: dicom.always_allow_move,
    }
    return DicomServerOptions(
        aet=dicom.aet,
        port=dicom.port,
        check_called_aet=dicom.check_called_aet,
        strict_aet=dicom.strict_aet,
        check_modality_host=dicom.check_modality_host,
        always_allow=frozenset(service for service, always in allowed.items() if always),
        maximum_pdu_length=dicom.maximum_pdu_length,
        scp_timeout=dicom.scp_timeout,
        tls=_tls_options(settings) if tls.enabled else None,
    )


def _tls_options(settings: Settings) -> TlsOptions:
    tls = settings.dicom_tls
    if tls.certificate is None or tls.private_key is None:
        raise IncompatibleConfigurations("DicomTlsEnabled needs DicomTlsCertificate and DicomTlsPrivateKey")
    return TlsOptions(
        tls.certificate,
        tls.private_key,
        tls.trusted_certificates,
        tls.remote_certificate_required,
        tls.minimum_version,
        tls.ciphers or (),
    )
