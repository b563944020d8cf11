"""Remote DICOMweb servers."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.jobs import JobsWing
from orthanclite.app.wiring.keeping.ingest import IngestWing
from orthanclite.app.wiring.network.remotes import RemotesWing
from orthanclite.dicomweb.client import ClientServices, client_routes
from orthanclite.jobs.kinds.dicomweb_retrieve import RetrieveKind
from orthanclite.jobs.kinds.dicomweb_stow import StowKind
from orthanclite.services.remotes import registries
from orthanclite.services.remotes.dicomweb import DicomWebClient
from orthanclite.services.remotes.stow import StowSender


@dataclass(frozen=True, slots=True)
class DicomWebClientWing:
    adds: Additions


def dicomweb_client_wing(
    base: Foundation, ingest: IngestWing, jobs: JobsWing, remotes: RemotesWing
) -> DicomWebClientWing:
    section = base.settings.dicomweb
    if not section.enabled:
        return DicomWebClientWing(Additions())
    rows = base.index.registries if section.servers_in_database else None
    servers = registries.dicomweb_servers(section.servers, rows)
    client = DicomWebClient(remotes.http)
    stow = StowKind(servers, StowSender(client, base.index.resources, base.reader))
    retrieve = RetrieveKind(servers, client, ingest.uploads)
    jobs.engine.register(stow, retrieve)
    services = ClientServices(servers, client, remotes.selector, jobs.engine, stow, retrieve, base.dictionary)
    return DicomWebClientWing(Additions((client_routes(section.root.rstrip("/"), services),)))
