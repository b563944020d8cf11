"""SQLite reads no more rows than an operation is about: each statement goes by an index."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.sql import ClauseElement

from orthanclite.core.constants import AttachmentType
from orthanclite.core.levels import Level
from orthanclite.core.model import Attachment, Parts, ResourceRef
from orthanclite.index import SqlIndex
from orthanclite.index.database.session import Session
from tests.support.records import MAIN_TAGS, record

EVERYTHING = Parts.SHOWN | Parts.CHILDREN | Parts.LABELS | Parts.METADATA | Parts.ATTACHMENTS | Parts.STATUS

ORDERED = re.compile(r"SCAN \w+ USING COVERING INDEX sqlite_autoindex_(patients|studies|series|instances)_1")
"""All identifiers, or a page of them, in their order."""


class Plans:
    """The plan of each statement that runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.plans: dict[str, list[str]] = {}
        run = Session._run

        def explained(session: Session, statement: ClauseElement, params: Mapping[str, Any]) -> Any:
            compiled = session._statements.compiled(statement)
            if compiled.sql not in self.plans:
                connection: Any = session.connection.connection.driver_connection
                rows = connection.execute(f"EXPLAIN QUERY PLAN {compiled.sql}", compiled.bind(params))
                self.plans[compiled.sql] = [row[3] for row in rows]
            return run(session, statement, params)

        monkeypatch.setattr(Session, "_run", explained)

    def scans(self) -> list[tuple[str, str]]:
        """The steps that read a table from its beginning, or all of a level, with their statements."""
        return [
            (" ".join(sql.split()), step)
            for sql, steps in self.plans.items()
            for step in steps
            if self._is_scan(sql, step)
        ]

    @staticmethod
    def _is_scan(sql: str, step: str) -> bool:
        if step.endswith("(level=?)"):
            return True
        if step == "SCAN changes":  # in its own order, up to a limit
            return "LIMIT" not in sql
        harmless = ("SCAN json_each", "SCAN totals", "SCAN CONSTANT ROW")
        return step.startswith("SCAN ") and not step.startswith(harmless) and not ORDERED.fullmatch(step)


def test_no_statement_reads_a_whole_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = Plans(monkeypatch)
    index = SqlIndex(f"sqlite:///{tmp_path}/index")
    try:
        use(index)
    finally:
        index.close()
    assert len(plans.plans) > 60
    assert plans.scans() == []


def use(index: SqlIndex) -> None:
    """Run the operations that clients repeat."""
    outcomes = [
        index.ingest.store(record(f"p{p}", f"1.{p}", f"1.{p}.1", f"1.{p}.1.{i}", expected=9))
        for p in range(3)
        for i in range(3)
    ]
    ids, resources = outcomes[0].ids, index.resources
    for level in Level:
        id = ids.at(level)
        index.annotations.set_metadata(level, id, 1024, "x")
        index.annotations.add_label(level, id, "a")
        file = Attachment(AttachmentType(1), "u", 1, "m", 1, "m")
        if level is not Level.INSTANCE:
            index.annotations.set_attachment(level, id, file)
        assert resources.get(level, id, EVERYTHING) is not None
        assert len(resources.get_many(level, [id], EVERYTHING)) == 1
        assert resources.counts(level, id).instances > 0
        assert resources.list_ids(level)
        assert resources.list_ids(level, 0, 2)
        for target in Level:
            if target > level:
                assert resources.descendant_ids(level, id, target)
                assert resources.first_below(level, id, target)
            else:
                assert resources.ancestor_id(level, id, target)
    assert index.search(MAIN_TAGS).ids_of_uids(["1.0", "1.0.1", "1.0.1.0"]) == [ids.instance]
    assert resources.modalities_in_study(ids.study)
    assert resources.sop_classes_in_study(ids.study)
    assert index.changes.changes(limit=2).changes
    assert index.changes.changes(to=5, limit=2).changes
    assert index.changes.last_change().changes
    assert index.maintenance.mark_stable(9e9)
    assert index.maintenance.known_blobs(["u"])
    resources.delete(Level.INSTANCE, ids.instance)
    resources.delete(Level.SERIES, ids.series)
    resources.delete_many([ResourceRef(Level.PATIENT, outcomes[-1].ids.patient)])
