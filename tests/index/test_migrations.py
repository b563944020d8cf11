"""The schema that the migrations make is the one that the code expects, on both engines."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from orthanclite.index import SqlIndex
from orthanclite.index.schema import metadata
from orthanclite.index.trigrams import TRIGRAM_COLUMNS, fts_table


def test_the_migrations_make_the_tables_of_the_code(index: SqlIndex) -> None:
    def is_ours(name: str | None, kind: str, parents: object) -> bool:
        return not (name or "").startswith("alembic") and "_trigrams" not in (name or "")

    with index.database.engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": is_ours, "compare_type": True})
        assert compare_metadata(context, metadata) == []
        for name, table in metadata.tables.items():  # which alembic does not compare
            columns = inspect(connection).get_pk_constraint(name)["constrained_columns"]
            assert columns == [column.name for column in table.primary_key]


def test_every_text_that_is_searched_in_part_has_its_trigrams(index: SqlIndex) -> None:
    with index.database.engine().connect() as connection:
        for level, columns in TRIGRAM_COLUMNS.items():
            if index.database.is_sqlite:
                rows = connection.exec_driver_sql(f"PRAGMA table_info({fts_table(level)})").fetchall()
                assert [row[1] for row in rows] == list(columns)
            else:
                table = level.plural
                names = {one["name"] for one in inspect(connection).get_indexes(table)}
                assert {f"ix_{table}_{column}_trigrams" for column in columns} <= names
