"""How many statements an upload costs: what all uploads pay for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.sql import ClauseElement

from orthanclite.index import SqlIndex
from orthanclite.index.database.session import Session
from tests.support.records import record


def test_an_instance_of_a_known_series(index: SqlIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look-up and a row each for the instance, its file, and its place in the journal.

    Then what the transaction pays once: the totals, and the change. The ancestors are renewed once a second.
    """
    run, count = Session._run, 0

    def counted(session: Session, statement: ClauseElement, params: Mapping[str, Any]) -> Any:
        nonlocal count
        count += 1
        return run(session, statement, params)

    index.servers.join("server")
    counts = []
    monkeypatch.setattr(Session, "_run", counted)
    for number in range(20):
        made = record(instance=f"1.{number}", number=str(number))
        before = count
        index.ingest.store(replace(made, journal=(made.attachments[0].uuid, b"content")))
        counts.append(count - before)
    assert min(counts[1:]) == 6
    assert max(counts[1:]) <= 9
