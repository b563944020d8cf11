"""The worklists, wired as the section ``Worklists`` says."""

from __future__ import annotations

from pathlib import Path

from orthanclite.config import Settings
from orthanclite.config.worklists import WorklistSettings
from orthanclite.core.errors import IncompatibleConfigurations
from orthanclite.core.ports import Properties, Resources, Search
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.services.server.runtime import RuntimeOptions
from orthanclite.services.worklists import (
    DatabaseStore,
    FolderStore,
    WorklistOptions,
    WorklistService,
    WorklistStore,
)


def worklist_service(
    settings: Settings,
    properties: Properties,
    search: Search,
    resources: Resources,
    dictionary: TagDictionary,
    runtime: RuntimeOptions,
) -> WorklistService | None:
    """The service; None where worklists are not enabled.

    :raises IncompatibleConfigurations: unless the settings name exactly one place for the worklists.
    """
    section = settings.worklists
    if not section.enabled:
        return None
    options = WorklistOptions(
        section.filter_issuer_aet,
        section.limit_answers,
        section.set_study_uid,
        section.delete_on_stable_study,
        section.delete_delay,
        settings.find.case_sensitive_pn,
    )
    store = _store(section, properties)
    return WorklistService(store, search, resources, dictionary, runtime, options)


def _store(section: WorklistSettings, properties: Properties) -> WorklistStore:
    folder: Path | None = section.directory or section.database
    if (folder is not None) == section.in_database:
        raise IncompatibleConfigurations(
            'The section "Worklists" needs either Directory, or SaveInOrthancDatabase set to true'
        )
    return DatabaseStore(properties) if folder is None else FolderStore(folder)
