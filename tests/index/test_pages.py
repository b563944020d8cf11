"""Pages of identifiers: whatever was added or deleted before, a page is the one of the whole list."""

from __future__ import annotations

import random
from typing import Any

import pytest

from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.query import FindRequest
from orthanclite.index import SqlIndex
from orthanclite.index.database.session import Session
from orthanclite.index.resources import pages
from tests.support.records import record


@pytest.fixture(autouse=True)
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few resources are many."""
    monkeypatch.setattr(pages, "DEEP", 5)


def store(index: SqlIndex, number: int) -> None:
    index.ingest.store(record(f"p{number}", f"1.{number}", f"1.{number}.1", f"1.{number}.1.1"))


def test_any_page_after_any_history(index: SqlIndex) -> None:
    rng = random.Random(11)
    search = index.search(MainTags.build())
    for number in range(40):
        store(index, number)
    for step in range(60):
        everything = index.resources.list_ids(Level.STUDY)
        since, limit = rng.randrange(45), rng.randrange(1, 12)
        expected = everything[since : since + limit]
        assert index.resources.list_ids(Level.STUDY, since, limit) == expected
        assert search.find_ids(FindRequest(Level.STUDY, since=since, limit=limit)) == expected
        assert index.resources.list_ids(Level.STUDY, since) == everything[since:]
        assert index.resources.list_ids(Level.STUDY, since, 0) == []
        if step % 4 == 1:
            index.resources.delete(Level.STUDY, rng.choice(everything))
        if step % 4 == 3:
            store(index, 100 + step)


def test_a_walk_skips_nothing_twice(index: SqlIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(60):
        store(index, number)
    everything = index.resources.list_ids(Level.STUDY)
    skipped: list[int] = []
    run = Session.all

    def noted(session: Session, statement: Any, **params: Any) -> Any:
        skipped.append(params.get("skipped", 0))
        return run(session, statement, **params)

    monkeypatch.setattr(Session, "all", noted)
    found = [id for since in range(0, 60, 4) for id in index.resources.list_ids(Level.STUDY, since, 4)]
    assert found == everything
    assert max(skipped) < 10


def test_a_change_between_two_statements(index: SqlIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after the state was read makes the page be read anew."""
    for number in range(30):
        store(index, number)
    assert index.resources.list_ids(Level.STUDY, 10, 3)
    read = Session.one

    def raced(session: Session, statement: Any, **params: Any) -> Any:
        row = read(session, statement, **params)
        if statement in pages._STATE.values():
            monkeypatch.setattr(Session, "one", read)
            first = index.resources.list_ids(Level.STUDY, 0, 1)
            index.resources.delete(Level.STUDY, first[0])
        return row

    monkeypatch.setattr(Session, "one", raced)
    found = index.resources.list_ids(Level.STUDY, 12, 3)
    assert found == index.resources.list_ids(Level.STUDY)[12:15]
