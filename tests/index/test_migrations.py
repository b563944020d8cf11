"""The migrations make the schema that the code expects, and keep what was stored, on both engines."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from orthanclite.core.constants import StoreStatus
from orthanclite.core.errors import DatabaseError, IncompatibleDatabaseVersion
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.query import Constraint, FindRequest, Match
from orthanclite.index import SqlIndex
from orthanclite.index.database.engines import Database
from orthanclite.index.schema import metadata
from orthanclite.index.search.trigrams import TRIGRAM_COLUMNS, fts_table
from orthanclite.services.remotes.registries import modalities, peers
from tests.index.released import fill
from tests.support.postgres import Cluster
from tests.support.records import record


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


@pytest.fixture
def released(database_url: str) -> str:
    """The URL of a database that the first release has filled, on each engine in turn."""
    fill(database_url, "0001")
    return database_url


def test_an_older_database_is_refused_and_left_as_it_is(released: str) -> None:
    with pytest.raises(IncompatibleDatabaseVersion, match="start once with --upgrade"):
        SqlIndex(released)
    assert "leases" not in tables(released)


def test_what_was_stored_is_there_after_the_migration(released: str) -> None:
    index = SqlIndex(released, upgrade=True)
    try:
        counts = index.resources.counts()
        assert (counts.patients, counts.studies, counts.series, counts.instances) == (2, 2, 4, 6)
        [study] = [
            id for id in index.resources.list_ids(Level.STUDY) if index.annotations.labels(Level.STUDY, id)
        ]
        assert index.annotations.metadata(Level.STUDY, study)[1024].value == "kept again"
        assert 1025 in index.annotations.attachments(Level.STUDY, study)
        assert [change.seq for change in index.changes.changes().changes] == list(range(1, 18))
        assert [export.remote_modality for export in index.changes.exports().exports] == ["pacs"]
        assert index.properties.list_properties("") == {"StorageMark": "mark 1.5"}
        found = index.search(MainTags.build()).find_ids(
            FindRequest(Level.STUDY, (Constraint(0x00081030, Match.WILDCARD, ("*HÄDEL*",)),))
        )
        assert len(found) == 2
        assert index.ingest.store(record("r")).status is StoreStatus.SUCCESS
        assert index.changes.last_change().last == 21
    finally:
        index.close()


def test_registries_become_rows(released: str) -> None:
    index = SqlIndex(released, upgrade=True)
    try:
        known = modalities({}, index.registries)
        assert list(known.all()) == ["Größe", "pacs"]
        assert known.get("Größe").use_dicom_tls
        assert known.get("pacs").aet == "PACS"
        assert peers({}, index.registries).get("north").password == "secret"
    finally:
        index.close()


def test_the_journal_belongs_to_the_first_server_that_starts(released: str) -> None:
    index = SqlIndex(released, upgrade=True)
    try:
        index.servers.join("one")
        entries = dict(index.journal.entries())
        assert len(entries) == 6
        assert all(content[128:132] == b"DICM" for content in entries.values())
    finally:
        index.close()


def test_a_migrated_schema_is_a_new_one(
    released: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    SqlIndex(released, upgrade=True).close()
    with ExitStack() as stack:
        if released.startswith("sqlite"):
            fresh = f"sqlite:///{tmp_path}/fresh"
        else:
            postgres: Cluster = request.getfixturevalue("postgres")
            fresh = postgres.url(stack.enter_context(postgres.database()))
        SqlIndex(fresh).close()
        assert tables(released) == tables(fresh)


def test_a_migration_that_fails_leaves_no_trace(released: str) -> None:
    database = Database(released)
    with database.engine().connect() as connection:
        connection.exec_driver_sql("CREATE TABLE runtime_settings (is_in_the_way INTEGER)")
    database.close()
    before = tables(released)
    with pytest.raises(DatabaseError, match="runtime_settings"):
        SqlIndex(released, upgrade=True)
    assert tables(released) == before
    with pytest.raises(IncompatibleDatabaseVersion, match="the older schema 0001"):
        SqlIndex(released)


def test_a_newer_database_is_refused(database_url: str) -> None:
    SqlIndex(database_url).close()
    database = Database(database_url)
    with database.engine().connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    for upgrade in (False, True):
        with pytest.raises(IncompatibleDatabaseVersion, match="made by a newer orthanclite"):
            SqlIndex(database_url, upgrade=upgrade)


def tables(url: str) -> dict[str, Any]:
    """All that the database tells of its tables."""
    database = Database(url)
    try:
        with database.engine().connect() as connection:
            found = inspect(connection)
            return {
                name: (
                    [{**column, "type": repr(column["type"])} for column in found.get_columns(name)],
                    found.get_pk_constraint(name),
                    sorted(found.get_foreign_keys(name), key=str),
                    sorted(found.get_unique_constraints(name), key=str),
                    sorted(map(_shown, found.get_indexes(name)), key=str),
                )
                for name in sorted(found.get_table_names())
            }
    finally:
        database.close()


def _shown(index: Any) -> dict[str, Any]:
    """An index, with its condition as text."""
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}
