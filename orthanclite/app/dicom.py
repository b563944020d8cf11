"""The services of the DICOM server, wired."""

from __future__ import annotations

from orthanclite.app.services import Services
from orthanclite.dimse.scp.find import Finder
from orthanclite.dimse.scp.table import Backends
from orthanclite.services.search.query_retrieve import QueryOptions, QueryService


def dicom_backends(services: Services) -> Backends:
    """What the services of the DICOM server reach, as far as it is enabled."""
    return Backends(
        services.ingest, services.runtime, services.dictionary, _resources(services), _worklists(services)
    )


def _resources(services: Services) -> Finder:
    settings = services.settings
    options = QueryOptions(settings.dicom.aet, settings.find.case_sensitive_pn)
    queries = QueryService(services.find, services.main_tags, services.dictionary, options)
    return lambda identifier, peer: queries.find(identifier)


def _worklists(services: Services) -> Finder | None:
    worklists = services.worklists
    return None if worklists is None else lambda identifier, peer: worklists.find(identifier, peer.aet)
