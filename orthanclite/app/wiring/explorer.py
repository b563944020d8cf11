"""The web interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.network.worklists import WorklistsWing
from orthanclite.config.sections.explorer import ExplorerSettings
from orthanclite.config.table import Fate, rows, sections
from orthanclite.core.errors import InexistentFile
from orthanclite.explorer.pages import Offered, explorer_routes
from orthanclite.web.static_files import GivenFile


@dataclass(frozen=True, slots=True)
class ExplorerWing:
    adds: Additions


def explorer_wing(base: Foundation, worklists: WorklistsWing) -> ExplorerWing:
    settings = base.settings
    explorer, dicomweb = settings.explorer, settings.dicomweb
    options = dict(_by_name(explorer.options))
    options["EnableWorklists"] = explorer.options.worklists and worklists.worklists is not None
    options["EnableDicomWebServers"] = explorer.options.dicomweb_servers and dicomweb.enabled
    offered = Offered(
        options=options,
        read_only=settings.storage.read_only,
        theme=explorer.theme or "",
        title=explorer.title or "",
        # The API may stand below another path, for the client.
        dicomweb_root=dicomweb.root.removeprefix("/") if dicomweb.enabled else None,
        custom=_custom(explorer),
    )
    return ExplorerWing(Additions(routers=(explorer_routes(offered),)))


def _custom(explorer: ExplorerSettings) -> Mapping[str, GivenFile]:
    """The files that the configuration gives to the pages.

    :raises InexistentFile: where one cannot be read.
    """
    paths = {"custom-style": explorer.css, "custom-logo": explorer.logo, "custom-icon": explorer.icon}
    found = {}
    for name, path in paths.items():
        if path is None:
            continue
        try:
            found[name] = GivenFile(path)
        except OSError as exc:
            raise InexistentFile(f"{path}: {exc.strerror}") from exc
    return found


def _by_name(settings: object) -> Mapping[str, object]:
    """Settings that have an effect, by the names of their keys; sections inside of them as objects."""
    kind = type(settings)
    own = {row.key.name: getattr(settings, row.field) for row in rows(kind) if row.key.fate is Fate.HONOURED}
    return own | {row.key.name: _by_name(getattr(settings, row.field)) for row in sections(kind)}
