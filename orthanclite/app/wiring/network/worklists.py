"""Modality worklists, as the section ``Worklists`` says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.keeping.search import SearchWing
from orthanclite.config.sections.worklists import WorklistSettings
from orthanclite.core.errors import IncompatibleConfigurations
from orthanclite.core.ports import Properties
from orthanclite.rest.search.worklists import worklist_routes
from orthanclite.services.server.system import BuiltIn
from orthanclite.services.upkeep.duties import Periodic
from orthanclite.services.worklists import (
    DatabaseStore,
    FolderStore,
    WorklistOptions,
    WorklistService,
    WorklistStore,
)


@dataclass(frozen=True, slots=True)
class WorklistsWing:
    worklists: WorklistService | None
    """None where they are not enabled."""
    adds: Additions


def worklists_wing(base: Foundation, search: SearchWing) -> WorklistsWing:
    """:raises IncompatibleConfigurations: unless the settings name exactly one place for the worklists."""
    section = base.settings.worklists
    if not section.enabled:
        return WorklistsWing(None, Additions())
    options = WorklistOptions(
        section.filter_issuer_aet,
        section.limit_answers,
        section.set_study_uid,
        section.delete_on_stable_study,
        section.delete_delay,
        base.settings.find.case_sensitive_pn,
    )
    store = _store(section, base.index.properties)
    worklists = WorklistService(
        store, search.search, base.index.resources, base.dictionary, base.runtime, options
    )
    return WorklistsWing(
        worklists,
        Additions(
            routers=(worklist_routes(worklists),),
            duties=() if base.settings.storage.read_only else (_duty(base, section, worklists),),
            built_in=(BuiltIn("worklists", "0.9.2", "Modality worklists, and a REST API to make them"),),
        ),
    )


def _store(section: WorklistSettings, properties: Properties) -> WorklistStore:
    folder: Path | None = section.directory or section.database
    if (folder is not None) == section.in_database:
        raise IncompatibleConfigurations(
            'The section "Worklists" needs either Directory, or SaveInOrthancDatabase set to true'
        )
    return DatabaseStore(properties) if folder is None else FolderStore(folder)


def _duty(base: Foundation, section: WorklistSettings, worklists: WorklistService) -> Periodic:
    """The removal of worklists in time; a folder of them may be this server's alone."""
    interval = float(section.housekeeping_interval)
    make = base.shared_duty if section.in_database else base.duty
    return make("worklists", interval, worklists.housekeep, interval)
