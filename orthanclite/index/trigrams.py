"""Trigram indexes: what makes a search for a part of a text fast.

SQLite: one FTS5 table per level, without content of its own, kept by triggers. PostgreSQL: GIN indexes of the
extension ``pg_trgm``; where a server does not have it, the same searches work by reading all rows.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, event, text

from orthanclite.core.levels import Level
from orthanclite.index.schema import TABLES, metadata

TRIGRAM_COLUMNS: dict[Level, tuple[str, ...]] = {
    Level.PATIENT: ("patient_name", "patient_id"),
    Level.STUDY: (
        "patient_name",
        "patient_id",
        "accession_number",
        "study_description",
        "referring_physician_name",
        "modalities",
    ),
    Level.SERIES: ("series_description",),
}
"""The columns of each level in which a part of the value is searched with an index."""

TRIGRAM = 3
"""Characters that a part needs for the index to find it."""


def fts_table(level: Level) -> str:
    return f"{TABLES[level].name}_trigrams"


def create(connection: Connection) -> None:
    """Create the indexes beside the tables of a new schema."""
    if connection.dialect.name == "sqlite":
        for level, columns in TRIGRAM_COLUMNS.items():
            for statement in _sqlite(TABLES[level].name, fts_table(level), columns):
                connection.execute(text(statement))
        return
    available = "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'"
    if connection.execute(text(available)).scalar():
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
        for level, columns in TRIGRAM_COLUMNS.items():
            table = TABLES[level].name
            for column in columns:
                index = f"ix_{table}_{column}_trigrams"
                connection.execute(text(f"CREATE INDEX {index} ON {table} USING gin ({column} gin_trgm_ops)"))


def _sqlite(table: str, fts: str, columns: tuple[str, ...]) -> list[str]:
    names = ", ".join(columns)
    new, old = (", ".join(f"{row}.{column}" for column in columns) for row in ("new", "old"))
    add = f"INSERT INTO {fts} (rowid, {names}) VALUES (new.id, {new})"
    # An FTS table without content is told what to forget.
    remove = f"INSERT INTO {fts} ({fts}, rowid, {names}) VALUES ('delete', old.id, {old})"
    changed = " OR ".join(f"old.{column} IS NOT new.{column}" for column in columns)
    return [
        f"CREATE VIRTUAL TABLE {fts} USING fts5({names}, content='', tokenize='trigram case_sensitive 1')",
        f"CREATE TRIGGER {fts}_insert AFTER INSERT ON {table} BEGIN {add}; END",
        f"CREATE TRIGGER {fts}_delete AFTER DELETE ON {table} BEGIN {remove}; END",
        f"CREATE TRIGGER {fts}_update AFTER UPDATE OF {names} ON {table} WHEN {changed} "
        f"BEGIN {remove}; {add}; END",
    ]


@event.listens_for(metadata, "after_create")
def _after_create(target: object, connection: Connection, **kw: Any) -> None:
    create(connection)
