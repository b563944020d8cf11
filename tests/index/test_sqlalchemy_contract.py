"""What the index relies on in SQLAlchemy beyond its promises: a new release that changes it fails here.

The fixed statements are compiled by SQLAlchemy and run on the driver's own cursor
(``index/database/session.py``), and the plan of a search is chosen by how expressions are written
(``index/search/conditions.py``).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest
from sqlalchemy import Column, Dialect, SelectBase, UpdateBase, bindparam, insert, literal, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import iterate

import orthanclite.index
from orthanclite.core.levels import Level
from orthanclite.index import SqlIndex
from orthanclite.index.database.session import Many, Session, Statements, any_of
from orthanclite.index.schema import TABLES, instances, metadata, patients
from orthanclite.index.search import conditions

DIALECTS: dict[str, Dialect] = {"sqlite": sqlite.dialect(), "postgresql": psycopg.dialect()}


@pytest.fixture(params=DIALECTS.values(), ids=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return request.param  # type: ignore[no-any-return]


def compiled(statement: ClauseElement, dialect: Dialect) -> SQLCompiler:
    result = statement.compile(dialect=dialect)
    assert isinstance(result, SQLCompiler)
    return result


def sql(expression: ClauseElement, dialect: Dialect) -> str:
    return str(expression.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


STATEMENT = (
    select(patients.c.id, literal("shown").label("word"))
    .where(patients.c.public_id == bindparam("b"), patients.c.patient_id == bindparam("a"))
    .where(patients.c.patient_sex == "F")
)


def test_parameters_are_listed_in_the_order_of_the_text() -> None:
    """``SQLCompiler.positiontup``, which is documented nowhere."""
    positional = compiled(STATEMENT, DIALECTS["sqlite"])
    assert str(positional).count("?") == 4
    assert positional.positiontup is not None
    assert positional.positiontup[1:3] == ["b", "a"]
    named = compiled(STATEMENT, DIALECTS["postgresql"])
    assert named.positiontup is None
    assert "%(b)s" in str(named)


def test_parameters_tell_whether_they_bring_their_value(dialect: Dialect) -> None:
    """``SQLCompiler.binds``: those that are asked for are ``required``, those with a value are not."""
    binds = compiled(STATEMENT, dialect).binds
    assert {name for name, bind in binds.items() if bind.required} == {"a", "b"}
    assert {bind.value for bind in binds.values() if not bind.required} == {"F", "shown"}


def test_inserted_columns_are_parameters_of_their_names(dialect: Dialect) -> None:
    binds = compiled(insert(patients), dialect).binds
    assert all(name == bind.key for name, bind in binds.items())
    assert {"public_id", "tags", "patient_id"} <= set(binds)
    assert "id" in {column.name for column in patients.columns}


def fixed_statements() -> Iterator[tuple[str, ClauseElement]]:
    """Every statement that a module of the index keeps."""
    for module in walk_packages(orthanclite.index.__path__, "orthanclite.index."):
        for name, value in vars(import_module(module.name)).items():
            if isinstance(value, SelectBase | UpdateBase):
                yield f"{module.name}.{name}", value


STATEMENTS = dict(fixed_statements())


def test_fixed_statements_are_whole_once_they_are_compiled(dialect: Dialect) -> None:
    """SQLAlchemy completes the text of some (``IN`` of a list) only when it runs them itself."""
    assert len(STATEMENTS) > 20
    for name, statement in STATEMENTS.items():
        assert "POSTCOMPILE" not in str(compiled(statement, dialect)), name


FLOAT8 = 701
"""PostgreSQL's number of the type of floating-point columns: what the driver tells SQLAlchemy of them."""
VALUES: dict[type, Any] = {bool: True, int: 2**31 - 1, float: 1.5, str: "Ångström", bytes: b"\0\xff"}


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_columns_hold_what_the_drivers_take_and_give(table: Any, dialect: Dialect) -> None:
    """SQLAlchemy's own conversions of values are passed by: they must change nothing."""
    for column in table.columns:
        kind = column.type.dialect_impl(dialect)
        value = VALUES[column.type.python_type]
        for convert in (kind.bind_processor(dialect), kind.result_processor(dialect, FLOAT8)):
            assert convert is None or convert(value) == value, column
            assert convert is None or convert(None) is None, column


def test_the_driver_is_reached_and_no_transaction_is_begun(index: SqlIndex) -> None:
    with index.database.reader() as session:
        driver: Any = session.connection.connection.driver_connection
        assert driver.cursor().execute("SELECT 1") is not None
        assert type(driver).__module__.partition(".")[0] in ("sqlite3", "psycopg")
    writer = index.database.writer()
    try:
        begin = "BEGIN IMMEDIATE" if writer.is_sqlite else "BEGIN"
        for end in ("ROLLBACK", "COMMIT"):  # each needs a transaction, and BEGIN that there is none
            writer.command(begin)
            assert writer.in_transaction
            writer.command(end)
    finally:
        writer.connection.close()


def test_a_connection_that_is_invalidated_is_replaced(index: SqlIndex) -> None:
    first = index.database.writer()
    first.connection.invalidate()
    first.connection.close()
    second = index.database.writer()
    assert second.value(select(literal(1))) == 1
    second.connection.close()


def test_any_of_is_a_condition_as_it_is_written(dialect: Dialect) -> None:
    """SQLite serves ``x IN (...)`` with an index, but not ``x IN (...) = 1``."""
    condition = any_of(patients.c.id, "ids")
    for statement in (
        select(patients.c.id).where(condition),
        select(patients.c.id).where(patients.c.protected, condition),
    ):
        written = str(compiled(statement, dialect))
        assert "IN (SELECT value FROM json_each(?))" in written or "= ANY(%(ids)s)" in written
        assert not written.rstrip().endswith("= 1")


def test_any_of_runs_with_a_list(index: SqlIndex) -> None:
    statement = select(instances.c.id).where(any_of(instances.c.id, "ids"))
    with index.database.reader() as session:
        assert session.all(statement, ids=Many([1, 2, 3])) == []
        assert session.all(statement, ids=Many()) == []


def test_a_plus_sign_hides_a_column_from_the_planner_of_sqlite(tmp_path: Path) -> None:
    """``custom_op`` in a ``UnaryExpression`` is written before its operand."""
    column = patients.c.patient_id
    blunt = conditions.Dialect(is_sqlite=True).blunt(column)
    assert blunt.type is column.type
    with closing(SqlIndex(f"sqlite:///{tmp_path}/index")) as index, index.database.reader() as session:
        for written, used in ((column, True), (blunt, False)):
            plan = explained(session, sql(select(patients.c.id).where(written == "x"), DIALECTS["sqlite"]))
            assert ("SEARCH" in plan) is used, plan


def explained(session: Session, statement: str) -> str:
    return " ".join(str(row) for row in session.connection.execute(text(f"EXPLAIN QUERY PLAN {statement}")))


@pytest.mark.parametrize("level", Level)
def test_the_columns_of_a_condition_are_found_in_it(level: Level) -> None:
    """``visitors.iterate`` goes down to the columns, through what a filter is made of."""
    table = TABLES[level]
    column = table.c.public_id
    for is_sqlite in (True, False):
        words = conditions.Dialect(is_sqlite)
        for condition in (
            words.like(words.blunt(column), "a*"),
            words.contains(column, "a"),
            words.among(column, ["a", "b"]),
            words.among(words.blunt(column), [str(number) for number in range(1000)]),
            column.between("a", "b") | (column == "c"),
        ):
            found = [each for each in iterate(condition) if isinstance(each, Column) and each.table is table]
            assert column in found


def test_compiled_statements_are_kept_with_what_they_were_made_of(dialect: Dialect) -> None:
    """They are known by their ``id``, which Python gives to another object once they are gone."""
    statements = Statements(dialect)
    first = statements.compiled(select(literal(1)))
    gc.collect()
    second = statements.compiled(select(literal(2)))
    assert first.constants != second.constants
    assert statements.compiled(first.statement) is first
