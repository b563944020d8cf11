"""The DICOM server and the services that it offers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.uid import UID

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.jobs import JobsWing
from orthanclite.app.wiring.keeping.ingest import IngestWing
from orthanclite.app.wiring.keeping.search import SearchWing
from orthanclite.app.wiring.network.calling import CallingWing
from orthanclite.app.wiring.network.remotes import RemotesWing
from orthanclite.app.wiring.network.worklists import WorklistsWing
from orthanclite.config import Settings
from orthanclite.core.errors import IncompatibleConfigurations
from orthanclite.core.remotes.registry import Modality
from orthanclite.dicom.attributes import Attributes
from orthanclite.dimse.commitment import COMMITMENT_CLASS
from orthanclite.dimse.modalities import KnownModalities
from orthanclite.dimse.options import DicomServerOptions, TlsOptions
from orthanclite.dimse.scp.commitment import CommitmentReporter
from orthanclite.dimse.scp.find import QUERY_MODELS, WORKLIST_MODELS
from orthanclite.dimse.scp.get import GET_MODELS
from orthanclite.dimse.scp.move import MOVE_MODELS
from orthanclite.dimse.scp.moved import MovedInstances
from orthanclite.dimse.scp.table import Backends, Commitment, Retrieval, offers
from orthanclite.dimse.service import Service
from orthanclite.dimse.upper.accepted.server import DicomServer
from orthanclite.jobs.kinds.commitment import CommitmentKind
from orthanclite.jobs.kinds.modality_store import StoreRequest
from orthanclite.services.remotes.commitment import CommitmentService
from orthanclite.services.remotes.selection import Selection
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
    jobs: JobsWing,
    remotes: RemotesWing,
    calling: CallingWing,
    worklists: WorklistsWing,
) -> NetworkWing:
    """:raises IncompatibleConfigurations: where TLS lacks its files."""
    service = worklists.worklists
    moves = Moves()
    options = _options(base.settings)

    def lookup() -> Iterable[Modality]:
        return remotes.modalities.all().values()

    known = KnownModalities(options, lookup)
    backends = Backends(
        ingest.ingest,
        base.runtime,
        base.dictionary,
        lambda identifier, peer: search.queries.find(identifier),
        None if service is None else lambda identifier, peer: service.find(identifier, peer.aet),
        _retrieval(base, search, jobs, remotes, calling, known),
        MovedInstances(moves).stored,
        _commitment(base, search, jobs, calling, known),
        calling.commitments,
    )
    dicom = DicomServer(
        options, base.runtime, lookup, offers(backends, base.settings.dicom.threads, base.metrics)
    )
    offered = [
        ("Find SCP", "C-Find", QUERY_MODELS),
        ("Get SCP", "C-Get", GET_MODELS),
        ("Move SCP", "C-Move", MOVE_MODELS),
        ("Storage Commitment SCP", "N-Action", frozenset({COMMITMENT_CLASS})),
    ]
    if service is not None:
        offered.append(("Worklist SCP", "C-Find", WORKLIST_MODELS))
    classes = tuple(
        ServiceClasses(title, name, "SCP", {UID(uid).keyword: uid for uid in sorted(models)})
        for title, name, models in offered
    )
    return NetworkWing(dicom, moves, Additions(service_classes=classes))


def _retrieval(
    base: Foundation,
    search: SearchWing,
    jobs: JobsWing,
    remotes: RemotesWing,
    calling: CallingWing,
    known: KnownModalities,
) -> Retrieval:
    service = RetrievalService(search.search, base.index.resources)

    def select(identifier: Attributes) -> Selection:
        return remotes.selector.select([ref.id for ref in service.find(identifier)])

    def submit(request: StoreRequest) -> None:
        # As in the reference, a destination that refuses some of them gets the others.
        jobs.engine.submit(calling.store.submission(request, permissive=True))

    return Retrieval(
        select,
        calling.instances,
        calling.sender,
        calling.client,
        known.destination,
        None if base.settings.scu.synchronous_move else submit,
    )


def _commitment(
    base: Foundation, search: SearchWing, jobs: JobsWing, calling: CallingWing, known: KnownModalities
) -> Commitment:
    service = CommitmentService(search.search, base.index.resources, base.reader)
    kind = CommitmentKind(service, CommitmentReporter(calling.requestor, calling.defaults))
    jobs.engine.register(kind)
    return Commitment(kind, jobs.engine.submit, known.caller)


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
