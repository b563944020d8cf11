"""The other ends: DICOM modalities and peers."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.core.registry import Modality
from orthanclite.rest.registries import registry_routes
from orthanclite.services.remotes import registries
from orthanclite.services.remotes.registries import Registry


@dataclass(frozen=True, slots=True)
class RemotesWing:
    modalities: Registry[Modality]
    adds: Additions


def remotes_wing(base: Foundation) -> RemotesWing:
    dicom, rows = base.settings.dicom, base.index.registries
    modalities = registries.modalities(dicom.modalities, rows if dicom.modalities_in_database else None)
    peers = registries.peers(dicom.peers, rows if dicom.peers_in_database else None)
    return RemotesWing(modalities, Additions(routers=(registry_routes(modalities, peers),)))
