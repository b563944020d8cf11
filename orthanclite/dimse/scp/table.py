"""The services that this server offers. Another one is a module beside this and a line below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orthanclite.core.jobs import Submission
from orthanclite.core.metrics import Metrics
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dimse.command import (
    C_ECHO_RQ,
    C_FIND_RQ,
    C_GET_RQ,
    C_MOVE_RQ,
    C_STORE_RQ,
    N_ACTION_RQ,
    N_EVENT_REPORT_RQ,
)
from orthanclite.dimse.commitment import COMMITMENT_CLASS
from orthanclite.dimse.conversation import Offer
from orthanclite.dimse.scp.commitment import CommitmentScp, ModalityOf
from orthanclite.dimse.scp.echo import VERIFICATION, EchoScp
from orthanclite.dimse.scp.find import QUERY_MODELS, WORKLIST_MODELS, Finder, FindScp
from orthanclite.dimse.scp.get import GET_MODELS, GetScp, Select
from orthanclite.dimse.scp.identifier import Identifiers
from orthanclite.dimse.scp.move import MOVE_MODELS, DestinationOf, MoveScp, SubmitMove
from orthanclite.dimse.scp.reports import ReportScp, Requests
from orthanclite.dimse.scp.slots import Slots
from orthanclite.dimse.scp.store import Ingest, Listener, StoreScp
from orthanclite.dimse.scp.timed import Timed
from orthanclite.dimse.sending import Instances, InstanceSender
from orthanclite.dimse.service import Service
from orthanclite.jobs.kinds.commitment import CommitmentKind
from orthanclite.services.remotes.client import ModalityClient
from orthanclite.services.server.runtime import RuntimeOptions


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What C-GET and C-MOVE need."""

    select: Select
    instances: Instances
    sender: InstanceSender  # over the association of a C-GET
    client: ModalityClient  # to the destination of a C-MOVE
    destination_of: DestinationOf
    submit_move: SubmitMove | None = None  # where C-MOVEs are done in jobs


@dataclass(frozen=True, slots=True)
class Commitment:
    """What storage commitment needs."""

    kind: CommitmentKind
    submit: Callable[[Submission], object]
    modality_of: ModalityOf


@dataclass(frozen=True, slots=True)
class Backends:
    """What the services reach; one that is missing is not offered."""

    ingest: Ingest
    runtime: RuntimeOptions
    dictionary: TagDictionary
    resources: Finder | None = None  # answers queries for patients, studies, series and instances
    worklists: Finder | None = None
    retrieval: Retrieval | None = None
    on_stored: Listener | None = None
    """Told of each instance that C-STORE brings."""
    commitment: Commitment | None = None
    requested: Requests | None = None
    """What other modalities were asked to keep, on which they report."""


def offers(backends: Backends, threads: int, metrics: Metrics | None = None) -> list[Offer]:
    """The table.

    :param threads: operations that all services work on at the same time
    :param metrics: where it is shown how they do
    """
    metrics = metrics or Metrics()
    slots = Slots(threads, metrics)
    runtime = backends.runtime
    identifiers = Identifiers(backends.dictionary, runtime)
    store = StoreScp(backends.ingest, slots, on_stored=backends.on_stored)
    table = [
        Offer(Service.ECHO, C_ECHO_RQ, VERIFICATION, EchoScp()),
        Offer(Service.STORE, C_STORE_RQ, None, store),
    ]
    if backends.resources is not None:
        find = FindScp(backends.resources, identifiers, runtime, slots, metrics)
        table.append(Offer(Service.FIND, C_FIND_RQ, QUERY_MODELS, find))
    if backends.worklists is not None:
        find = FindScp(backends.worklists, identifiers, runtime, slots, metrics)
        table.append(Offer(Service.FIND_WORKLIST, C_FIND_RQ, WORKLIST_MODELS, find))
    if (retrieval := backends.retrieval) is not None:
        get = GetScp(retrieval.select, retrieval.instances, retrieval.sender, identifiers, slots)
        timed_get = Timed(get, metrics, "orthanc_get_scp_duration_ms")
        table.append(Offer(Service.GET, C_GET_RQ, GET_MODELS, timed_get, sends_instances=True))
        move = MoveScp(
            retrieval.select,
            retrieval.instances,
            retrieval.client,
            retrieval.destination_of,
            identifiers,
            slots,
            retrieval.submit_move,
        )
        timed_move = Timed(move, metrics, "orthanc_move_scp_duration_ms")
        table.append(Offer(Service.MOVE, C_MOVE_RQ, MOVE_MODELS, timed_move))
    if (commitment := backends.commitment) is not None:
        scp = CommitmentScp(commitment.kind, commitment.submit, commitment.modality_of, identifiers)
        table.append(
            Offer(Service.N_ACTION, N_ACTION_RQ, frozenset({COMMITMENT_CLASS}), scp, grants_roles=True)
        )
    if backends.requested is not None:
        reports = ReportScp(backends.requested, identifiers)
        sop_classes = frozenset({COMMITMENT_CLASS})
        table.append(
            Offer(Service.N_EVENT_REPORT, N_EVENT_REPORT_RQ, sop_classes, reports, grants_roles=True)
        )
    return table
