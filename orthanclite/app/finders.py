"""What answers C-FIND, wired."""

from __future__ import annotations

from orthanclite.app.services import Services
from orthanclite.dimse.scp.find import Finder, Finders
from orthanclite.services.search.query_retrieve import QueryOptions, QueryService


def finders(services: Services) -> Finders:
    """The services behind C-FIND, as far as they are enabled."""
    return Finders(services.dictionary, _resources(services), _worklists(services))


def _resources(services: Services) -> Finder:
    settings = services.settings
    options = QueryOptions(settings.dicom.aet, settings.find.case_sensitive_pn)
    queries = QueryService(services.find, services.main_tags, services.dictionary, options)
    return lambda identifier, peer: queries.find(identifier)


def _worklists(services: Services) -> Finder | None:
    worklists = services.worklists
    return None if worklists is None else lambda identifier, peer: worklists.find(identifier, peer.aet)
