"""The other ends: DICOM modalities and peers."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.jobs import JobsWing
from orthanclite.app.wiring.keeping.imaging import ImagingWing
from orthanclite.config import Settings
from orthanclite.core.remotes.registry import Modality
from orthanclite.jobs.kinds.peer_store import PeerStoreKind
from orthanclite.remote import HttpxClient, HttpxOptions
from orthanclite.rest.network.peers import peer_routes
from orthanclite.rest.network.registries import registry_routes
from orthanclite.services.remotes import registries
from orthanclite.services.remotes.peers import PeerClient
from orthanclite.services.remotes.registries import Registry
from orthanclite.services.remotes.selection import Selector
from orthanclite.services.remotes.transfer import Sources

_UPLOADS = 4
"""Uploads of one job at the same time, unless ``JobsEngineThreadsCount`` says otherwise."""


@dataclass(frozen=True, slots=True)
class RemotesWing:
    modalities: Registry[Modality]
    selector: Selector
    """Finds what is to be sent, and logs it."""
    http: HttpxClient
    adds: Additions


def remotes_wing(base: Foundation, imaging: ImagingWing, jobs: JobsWing) -> RemotesWing:
    settings = base.settings
    dicom, rows = settings.dicom, base.index.registries
    modalities = registries.modalities(dicom.modalities, rows if dicom.modalities_in_database else None)
    peers = registries.peers(dicom.peers, rows if dicom.peers_in_database else None)
    http = HttpxClient(_options(settings))
    client = PeerClient(http)
    selector = Selector(base.index.resources, base.index.changes if settings.jobs.log_exports else None)
    sources = Sources(base.index.resources, base.reader, imaging.transcoding, base.temporary_folder)
    threads = settings.jobs.threads.get(PeerStoreKind.name, _UPLOADS)
    kind = PeerStoreKind(peers, client, sources, max(threads, 1))
    jobs.engine.register(kind)
    routers = (
        registry_routes(modalities, peers),
        peer_routes(peers, client, selector, kind, jobs.engine, base.temporary_folder),
    )
    return RemotesWing(modalities, selector, http, Additions(routers, endings=(http.close,)))


def _options(settings: Settings) -> HttpxOptions:
    client = settings.http_client
    return HttpxOptions(
        client.timeout, client.proxy, client.verify_peers, client.ca_certificates, client.verbose
    )
