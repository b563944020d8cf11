"""What PostgreSQL's planner knows of the tables.

It knows what the last ANALYZE has seen. Autovacuum runs one sooner or later; right after a burst of uploads
into an empty database there was none yet, or one of an almost empty table, and with it deletions and counts
read whole tables. So the tables are analysed, too, whenever one of them has doubled. The searches do not
depend on it (see ``query_plan``), and SQLite, whose statements are written for one plan, has no use for it.
"""

from __future__ import annotations

import logging

from sqlalchemy import text

from orthanclite.core.levels import Level
from orthanclite.index.database.engines import Database
from orthanclite.index.schema import TABLES, attachments, changes, extra_tags, labels, user_metadata

log = logging.getLogger("orthanclite.sqlite")

INTERVAL = 10.0
"""Seconds between two calls of :meth:`PlannerStatistics.refresh`."""
SMALL = 10_000
"""Rows up to which any plan will do."""

_SIDE = (attachments, user_metadata, labels, extra_tags, changes)
_ANALYZE = f"ANALYZE {', '.join(table.name for table in (*TABLES.values(), *_SIDE))}"


def _has_doubled(table: str) -> str:
    known = f"(SELECT reltuples FROM pg_class WHERE oid = '{table}'::regclass)"
    return f"{table} > greatest(:small, 2 * {known})"


_GROWN = text(f"SELECT 1 FROM totals WHERE {' OR '.join(_has_doubled(level.plural) for level in Level)}")


class PlannerStatistics:
    """Keeps them fresh. Where several servers share a database, one of them is enough for that."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def refresh(self) -> bool:
        """Analyse the tables if one of them has more than twice the rows of the last time; whether it did."""
        if self._database.is_sqlite:
            return False
        with self._database.patient_reader() as session:
            if not session.one(_GROWN, small=SMALL):
                return False
            session.command(_ANALYZE)
        log.info("The tables have grown: their statistics are fresh")
        return True
