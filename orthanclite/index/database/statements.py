"""Statements that both databases know, each in words of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table, bindparam
from sqlalchemy.dialects import postgresql, sqlite

_INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def insert_ignore(table: Table, constants: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Insert a row unless its primary key is there already; by dialect.

    :param constants: values that are always the same; the other columns are parameters
    """
    return {
        dialect: insert(table).values(_values(table, constants or {})).on_conflict_do_nothing()
        for dialect, insert in _INSERTS.items()
    }


def upsert(table: Table) -> dict[str, Any]:
    """Insert a row, or give the one with its primary key the other values; by dialect."""
    statements = {}
    for dialect, insert in _INSERTS.items():
        statement = insert(table).values(_values(table, {}))
        changed = {c.name: statement.excluded[c.name] for c in table.c if not c.primary_key}
        statements[dialect] = statement.on_conflict_do_update(
            index_elements=list(table.primary_key), set_=changed
        )
    return statements


def _values(table: Table, constants: Mapping[str, object]) -> dict[str, Any]:
    return {column.name: constants.get(column.name, bindparam(column.name)) for column in table.c}
