"""Resources by their UIDs: looked up once, and never out of date."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from orthanclite.core.errors import UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import Parts
from orthanclite.services.dicomweb.locator import Locator, UidPath

PATH = UidPath("1.1", "1.2", "1.3")


class CountingIndex:
    """One instance; counts how often it is searched for."""

    def __init__(self) -> None:
        self.searches = 0
        self.reads = 0
        self.known = {"first"}

    def ids_of_uids(self, uids: Sequence[str]) -> list[str]:
        self.searches += 1
        return sorted(self.known)

    def exists(self, level: Level, id: str) -> bool:
        self.reads += 1
        return id in self.known

    def get(self, level: Level, id: str, parts: Parts) -> str | None:
        self.reads += 1
        return id if id in self.known else None


@pytest.fixture
def index() -> CountingIndex:
    return CountingIndex()


@pytest.fixture
def locator(index: Any) -> Locator:
    return Locator(index, index)


def test_an_instance_is_looked_up_once(index: CountingIndex, locator: Locator) -> None:
    for _ in range(10):
        assert str(locator.instance(PATH)) == "first"
    assert index.searches == 1
    assert index.reads == 10


def test_one_that_is_deleted_is_not_found(index: CountingIndex, locator: Locator) -> None:
    locator.instance(PATH)
    index.known = set()
    with pytest.raises(UnknownResource):
        locator.instance(PATH)
    index.known = {"second"}
    assert str(locator.instance(PATH)) == "second"


def test_a_study_is_looked_up_each_time(index: CountingIndex, locator: Locator) -> None:
    """Another patient may have one of the same UID."""
    study = UidPath("1.1")
    assert [one.id for one in locator.find(study)] == ["first"]
    index.known.add("second")
    assert [one.id for one in locator.find(study)] == ["first", "second"]
