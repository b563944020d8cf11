"""Finding: over REST and over DICOM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.keeping.content import ContentWing
from orthanclite.core.ports import Search
from orthanclite.services.search.find import FindOptions, FindService
from orthanclite.services.search.query_retrieve import QueryOptions, QueryService
from orthanclite.services.search.requested_tags import FindWarnings, RequestedTags


@dataclass(frozen=True, slots=True)
class SearchWing:
    search: Search
    requested_tags: RequestedTags
    find: FindService
    queries: QueryService
    """Answers C-FIND."""
    queries_with: Callable[[RequestedTags], QueryService]
    """The same with another source of what the index does not keep."""
    adds: Additions


def search_wing(base: Foundation, content: ContentWing) -> SearchWing:
    settings = base.settings
    search = base.index.search(base.main_tags)
    warnings = settings.warnings
    requested_tags = RequestedTags(
        search,
        base.index.resources,
        content.files,
        content.file_tags,
        base.main_tags,
        settings.find.storage_access != "Never",
        FindWarnings(
            warnings.tags_read_from_storage,
            warnings.inconsistent_tags,
            warnings.no_signature,
            warnings.tag_from_lower_level,
            warnings.tag_from_meta_header,
            warnings.missing_tags_not_read,
        ),
    )
    options = FindOptions(
        settings.find.limit_results, settings.find.limit_instances, settings.find.storage_access == "Always"
    )
    query_options = QueryOptions(settings.dicom.aet, settings.find.case_sensitive_pn)

    def find_with(tags: RequestedTags) -> FindService:
        return FindService(search, base.index.resources, tags, base.main_tags, base.dictionary, options)

    def queries_with(tags: RequestedTags) -> QueryService:
        return QueryService(find_with(tags), base.main_tags, base.dictionary, query_options)

    return SearchWing(
        search,
        requested_tags,
        find_with(requested_tags),
        queries_with(requested_tags),
        queries_with,
        Additions(),
    )
