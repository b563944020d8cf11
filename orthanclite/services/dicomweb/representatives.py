"""The instance that stands for a series or a study where one picture is shown of it."""

from __future__ import annotations

from collections.abc import Sequence

from orthanclite.core.constants import Metadata
from orthanclite.core.errors import UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import Parts, Resource, ResourceRef
from orthanclite.core.ports import Resources, Search
from orthanclite.core.query import FindRequest, OrderBy, OrderType

_MODALITY, _SERIES_NUMBER = "0008,0060", "0020,0011"
_PAPERS = ("DOC", "KO", "PR", "REG", "SR", "FID", "TEXTUREMAP", "SMR", "STAIN")
_PLANS = ("PLAN", "RTPLAN", "RTRECORD", "RTSTRUCT", "SEG")
_WAVES = ("AU", "ECG", "EPS", "HD", "RESP")
_NO_PICTURES = frozenset((*_PAPERS, *_PLANS, *_WAVES))
"""Modalities whose instances are no pictures, or pictures of something else."""
_BY_NUMBER = (OrderBy(OrderType.METADATA_AS_INT, Metadata.INDEX_IN_SERIES),)


class Representatives:
    """Finds them by few rows of the index, however many instances there are. Thread-safe."""

    def __init__(self, search: Search, resources: Resources) -> None:
        self._search = search
        self._resources = resources

    def of(self, found: Sequence[ResourceRef]) -> Resource:
        """The instance in the middle of a series: of the first of those found, or of one in the first study.

        Of a study it is the series in the middle of those that are pictures.

        :param found: studies, or series
        :return: it, with its attachments
        :raises UnknownResource: where there is none any more.
        """
        for one in found:
            series = one.id if one.level is Level.SERIES else self._series(one.id)
            instance = self._middle(series) if series else None
            if instance is not None:
                return instance
        raise UnknownResource

    def _series(self, study: str) -> str | None:
        ids = self._resources.descendant_ids(Level.STUDY, study, Level.SERIES)
        series = self._resources.get_many(Level.SERIES, ids, Parts.NONE)
        pictures = [one for one in series if one.tags.get(_MODALITY, "") not in _NO_PICTURES] or series
        pictures.sort(key=lambda one: (_number(one), one.id))
        return pictures[len(pictures) // 2].id if pictures else None

    def _middle(self, series: str) -> Resource | None:
        below = ResourceRef(Level.SERIES, series)
        count = self._search.count(FindRequest(Level.INSTANCE, parent=below))
        request = FindRequest(Level.INSTANCE, parent=below, order_by=_BY_NUMBER, since=count // 2, limit=1)
        ids = self._search.find_ids(request)
        return self._resources.get(Level.INSTANCE, ids[0], Parts.ATTACHMENTS) if ids else None


def _number(series: Resource) -> float:
    try:
        return float(series.tags.get(_SERIES_NUMBER, ""))
    except ValueError:
        return 0.0
