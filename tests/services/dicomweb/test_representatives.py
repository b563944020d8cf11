"""One picture of many instances: few rows are read to choose it."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from orthanclite.core.errors import UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import Parts, ResourceRef
from orthanclite.core.query import FindRequest
from orthanclite.services.dicomweb.representatives import Representatives


class CountingIndex:
    """Studies of series of a thousand instances, and how many resources were read."""

    def __init__(self, studies: dict[str, list[str]]) -> None:
        self.studies = studies
        self.read = 0

    def descendant_ids(self, level: Level, id: str, target: Level) -> list[str]:
        assert target is Level.SERIES
        return [f"{id}.{number}" for number in range(len(self.studies.get(id, [])))]

    def get_many(self, level: Level, ids: Sequence[str], parts: Parts) -> list[Any]:
        self.read += len(ids)
        found = []
        for id in ids:
            study, _, number = id.rpartition(".")
            tags = {"0008,0060": self.studies[study][int(number)], "0020,0011": number}
            found.append(SimpleNamespace(id=id, tags=tags))
        return found

    def count(self, request: FindRequest) -> int:
        return 0 if request.parent is None or request.parent.id == "empty" else 1000

    def find_ids(self, request: FindRequest) -> list[str]:
        assert request.parent is not None
        assert request.limit == 1
        return [f"{request.parent.id}/{request.since}"] if self.count(request) else []

    def get(self, level: Level, id: str, parts: Parts) -> str:
        self.read += 1
        return id


@pytest.mark.parametrize(
    ("modalities", "chosen"),
    [(["CT"], 0), (["CT", "CT", "CT"], 1), (["SR", "CT", "PR"], 1), (["SR", "KO"], 1)],
)
def test_of_a_study(modalities: list[str], chosen: int) -> None:
    index: Any = CountingIndex({"1": modalities})
    found: Any = Representatives(index, index).of([ResourceRef(Level.STUDY, "1")])
    assert found == f"1.{chosen}/500"
    assert index.read <= len(modalities) + 1


def test_of_several_studies_of_one_uid_the_first_that_has_any() -> None:
    index: Any = CountingIndex({"1": [], "2": ["MR"]})
    refs = [ResourceRef(Level.SERIES, "empty"), ResourceRef(Level.STUDY, "1"), ResourceRef(Level.STUDY, "2")]
    found: Any = Representatives(index, index).of(refs)
    assert found == "2.0/500"
    with pytest.raises(UnknownResource):
        Representatives(index, index).of(refs[:2])
