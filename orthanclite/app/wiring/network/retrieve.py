"""Queries to modalities, and what is fetched from them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.jobs import JobsWing
from orthanclite.app.wiring.keeping.ingest import IngestWing
from orthanclite.app.wiring.keeping.search import SearchWing
from orthanclite.app.wiring.network.calling import CallingWing
from orthanclite.app.wiring.network.dicom import NetworkWing
from orthanclite.app.wiring.network.remotes import RemotesWing
from orthanclite.core.remotes.registry import RetrieveMethod
from orthanclite.dimse.command import C_STORE_RQ
from orthanclite.dimse.conversation import Offer, Offers
from orthanclite.dimse.scp.store import StoreScp
from orthanclite.dimse.scu.query_retrieve import QueryRetrieveScu
from orthanclite.dimse.service import Service
from orthanclite.jobs.kinds.retrieve import RetrieveKind
from orthanclite.rest.network.finds import find_routes
from orthanclite.rest.network.queries import query_routes
from orthanclite.rest.network.retrieve import RetrieveKinds, retrieve_routes
from orthanclite.services.retrieve.answers import AnswerReader
from orthanclite.services.retrieve.calling import Calls
from orthanclite.services.retrieve.finds import DirectFinds
from orthanclite.services.retrieve.missing import MissingParts
from orthanclite.services.retrieve.queries import RemoteQueryService
from orthanclite.services.retrieve.retrieval import RetrieveService

_EXPIRY_INTERVAL = 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class RetrieveWing:
    adds: Additions


def retrieve_wing(
    base: Foundation,
    ingest: IngestWing,
    jobs: JobsWing,
    search: SearchWing,
    remotes: RemotesWing,
    calling: CallingWing,
    network: NetworkWing,
) -> RetrieveWing:
    def storage(on_stored: Callable[[str], None]) -> Offers:
        # As many C-GETs are under way as there are jobs: their instances need no further bound.
        service = StoreScp(
            ingest.ingest, nullcontext(), on_stored=lambda command, instance: on_stored(instance)
        )
        return Offers([Offer(Service.STORE, C_STORE_RQ, None, service)])

    settings, dictionary, runtime = base.settings, base.dictionary, base.runtime
    method = RetrieveMethod.parse(settings.scu.default_retrieve_method)
    calls = Calls(remotes.modalities, settings.dicom.aet, method)
    scu = QueryRetrieveScu(calling.requestor, calling.defaults, dictionary, storage)
    reader = AnswerReader(dictionary, runtime)
    queries = RemoteQueryService(
        base.index.remote_queries,
        scu,
        calls,
        reader,
        dictionary,
        runtime,
        settings.scu.query_retrieve_size,
    )
    finds = DirectFinds(scu, calls, reader, dictionary, runtime)
    missing = MissingParts(scu, search.search, base.index.resources, reader, dictionary, runtime)
    service = RetrieveService(scu, calls, network.moves, missing, dictionary, runtime)
    kinds = RetrieveKinds(RetrieveKind("DicomMoveScu", service), RetrieveKind("DicomGetScu", service))
    jobs.engine.register(*kinds)
    routers = (
        query_routes(queries, dictionary),
        find_routes(finds, dictionary),
        retrieve_routes(queries, calls, jobs.engine, kinds, dictionary),
    )
    expiry = base.shared_duty("queries", _EXPIRY_INTERVAL, queries.expire, _EXPIRY_INTERVAL)
    return RetrieveWing(Additions(routers, duties=(expiry,)))
