"""One database connection, and the statements that run on it.

Statements are SQLAlchemy Core expressions, compiled once per dialect. The fixed ones run straight on the
driver's cursor: at four statements for a stored instance, SQLAlchemy's own execution would cost more than the
database. Statements built at run time (the query compiler's) run through :attr:`Session.connection`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import BindParameter, Connection, Dialect, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ClauseElement, ColumnElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import Boolean

Row = tuple[Any, ...]


class Many(list[Any]):
    """The value of a parameter made by :func:`any_of`."""


class AnyOf(ColumnElement[bool]):
    """``column`` equals one of a list that is bound as a single parameter, whatever its length."""

    inherit_cache = True
    type = Boolean()

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.column = column
        self.values: BindParameter[Any] = bindparam(name)

    def self_group(self, against: OperatorType | None = None) -> AnyOf:
        """As it is: SQLAlchemy would compare it with 1 for SQLite, which then uses no index for it."""
        return self


@compiles(AnyOf, "sqlite")
def _any_of_sqlite(element: AnyOf, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = compiler.process(element.column, **kw), compiler.process(element.values, **kw)
    return f"{column} IN (SELECT value FROM json_each({values}))"


@compiles(AnyOf, "postgresql")
def _any_of_postgresql(element: AnyOf, compiler: SQLCompiler, **kw: Any) -> str:
    return f"{compiler.process(element.column, **kw)} = ANY({compiler.process(element.values, **kw)})"


def any_of(column: ColumnElement[Any], name: str) -> AnyOf:
    """A condition on ``column``; give the parameter ``name`` a :class:`Many`."""
    return AnyOf(column, name)


class Compiled(NamedTuple):
    """A fixed statement in the words of one dialect."""

    statement: ClauseElement  # kept alive with its text: its id must not be reused
    sql: str
    names: tuple[str, ...] | None  # of the parameters in order, where the dialect takes them by position
    constants: dict[str, Any]  # the values that stand in the expression itself

    def bind(self, params: Mapping[str, Any]) -> Any:
        if self.names is None:
            return self.constants | {
                name: list(value) if type(value) is Many else value for name, value in params.items()
            }
        if self.constants:
            params = self.constants | dict(params)
        return [
            orjson.dumps(list(value)).decode() if type(value := params[name]) is Many else value
            for name in self.names
        ]


class Statements:
    """The compiled text of every fixed statement, for one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._texts: dict[int, Compiled] = {}

    def compiled(self, statement: ClauseElement) -> Compiled:
        known = self._texts.get(id(statement))
        if known is None:
            compiled = statement.compile(dialect=self.dialect)
            assert isinstance(compiled, SQLCompiler)
            names = tuple(compiled.positiontup) if compiled.positiontup is not None else None
            constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
            known = self._texts[id(statement)] = Compiled(statement, str(compiled), names, constants)
        return known


class Session:
    """A connection with the compiled statements. Not thread-safe: one thread uses it at a time."""

    __slots__ = ("_cursor", "_statements", "connection", "dialect", "is_sqlite")

    def __init__(self, connection: Connection, statements: Statements) -> None:
        self.connection = connection
        self.dialect = connection.dialect.name
        self.is_sqlite = self.dialect == "sqlite"
        self._statements = statements
        driver: Any = connection.connection.driver_connection
        self._cursor: Any = driver.cursor()

    def _run(self, statement: ClauseElement, params: Mapping[str, Any]) -> Any:
        compiled = self._statements.compiled(statement)
        self._cursor.execute(compiled.sql, compiled.bind(params))
        return self._cursor

    def all(self, statement: ClauseElement, **params: Any) -> list[Row]:
        return self._run(statement, params).fetchall()  # type: ignore[no-any-return]

    def one(self, statement: ClauseElement, **params: Any) -> Row | None:
        return self._run(statement, params).fetchone()  # type: ignore[no-any-return]

    def value(self, statement: ClauseElement, **params: Any) -> Any:
        row = self.one(statement, **params)
        return None if row is None else row[0]

    def column(self, statement: ClauseElement, **params: Any) -> list[Any]:
        return [row[0] for row in self.all(statement, **params)]

    def run(self, statement: ClauseElement, **params: Any) -> int:
        """Execute without an answer; the number of rows touched."""
        return int(self._run(statement, params).rowcount)

    def run_many(self, statement: ClauseElement, params: Sequence[Mapping[str, Any]]) -> None:
        if len(params) == 1:
            self._run(statement, params[0])
        elif params:
            compiled = self._statements.compiled(statement)
            self._cursor.executemany(compiled.sql, [compiled.bind(row) for row in params])

    @property
    def in_transaction(self) -> bool:
        """Whether SQLite is in a transaction: some errors end it. Always true on PostgreSQL."""
        driver: Any = self.connection.connection.driver_connection
        return not self.is_sqlite or bool(driver.in_transaction)

    def begin(self) -> int | None:
        """Begin a transaction that writes; its number, by which PostgreSQL tells what became of it."""
        if self.is_sqlite:
            self.command("BEGIN IMMEDIATE")
            return None
        self._cursor.execute("BEGIN; SELECT txid_current()", prepare=False)  # both on one way to the server
        self._cursor.nextset()
        return int(self._cursor.fetchone()[0])

    def command(self, sql: str) -> None:
        """A transaction command or pragma."""
        self._cursor.execute(sql)


def chunks(values: Iterable[Any], size: int = 5000) -> Iterable[Many]:
    """``values`` in lists of at most ``size``."""
    batch = Many()
    for value in values:
        batch.append(value)
        if len(batch) >= size:
            yield batch
            batch = Many()
    if batch:
        yield batch
