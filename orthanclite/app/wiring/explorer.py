"""The web interface."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.worklists import WorklistsWing
from orthanclite.explorer.pages import Offered, explorer_routes


@dataclass(frozen=True, slots=True)
class ExplorerWing:
    adds: Additions


def explorer_wing(base: Foundation, worklists: WorklistsWing) -> ExplorerWing:
    options = base.settings.explorer.options
    offered = Offered(
        EnableUpload=options.upload,
        EnableDeleteResources=options.delete,
        EnableModification=options.modify,
        EnableAnonymization=options.anonymize,
        EnableEditLabels=options.labels,
        EnableSendTo=options.send,
        EnableDownloadZip=options.download,
        EnableDownloadDicomFile=options.download_file,
        EnableWorklists=options.worklists and worklists.worklists is not None,
        EnableJobsList=options.jobs,
        EnableSettings=options.settings,
    )
    dicomweb = base.settings.dicomweb
    routes = explorer_routes(
        offered, base.settings.storage.read_only, dicomweb.root if dicomweb.enabled else None
    )
    return ExplorerWing(Additions(routers=(routes,)))
