"""Opening the database: engines, pragmas, pools, and the translation of the drivers' errors."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool, QueuePool

from orthanclite.core.errors import (
    DatabaseError,
    DatabaseUnavailable,
    FullStorage,
    OrthancError,
    ParameterOutOfRange,
)
from orthanclite.index.database.session import Session, Statements

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process that has locked the SQLite file."""

READ_TIMEOUT = 60
"""Seconds that PostgreSQL may take for a statement that reads."""

LOCK_TIMEOUT = 30
"""Seconds that a transaction waits on PostgreSQL for one of another server; longer than the next."""

PAUSE_TIMEOUT = 20
"""Seconds after which PostgreSQL ends a transaction whose server is silent, and which holds up the others."""

_KEEPALIVE = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30000,
}
"""Notices within a minute that PostgreSQL's host is gone (libpq, "Parameter Key Words")."""

READERS = 16
"""Connections that read at the same time; further ones wait for a free one."""


class Database:
    """A SQLite file or a PostgreSQL database.

    :param url: ``sqlite:////path/to/index`` or ``postgresql+psycopg://...``
    :param connections: how many connections may be made to PostgreSQL; one of them is for writing
    """

    def __init__(self, url: str | URL, connections: int | None = None) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            Path(str(self.url.database)).parent.mkdir(parents=True, exist_ok=True)
            self._readers = self._sqlite(query_only=True)
            self._writers = self._sqlite(query_only=False)
        else:
            readers = min(READERS, max(1, (connections or READERS + 1) - 1))
            self._readers = self._postgresql(readers, f"statement_timeout = '{READ_TIMEOUT}s'")
            self._writers = self._postgresql(
                1,
                f"lock_timeout = '{LOCK_TIMEOUT}s'",
                f"idle_in_transaction_session_timeout = '{PAUSE_TIMEOUT}s'",
            )
        self.statements = Statements(self._readers.dialect)
        self._own = threading.local()
        self._reserved: list[Connection] = []

    def _sqlite(self, query_only: bool) -> Engine:
        engine = create_engine(
            self.url,
            poolclass=QueuePool if query_only else NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT, "cached_statements": 256},
            # One more for the event loop.
            **({"pool_size": READERS + 1, "max_overflow": 0, "pool_timeout": 60} if query_only else {}),
        )

        @event.listens_for(engine, "connect")
        def set_up(connection: sqlite3.Connection, record: object) -> None:
            cursor = connection.cursor()
            cursor.execute("PRAGMA journal_mode=WAL")
            # FULL: the commit is on the disk when it returns; WAL needs one sync for it.
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA cache_size=-16000" if not query_only else "PRAGMA cache_size=-4000")
            # Mapped, the file would count once for each connection in the memory of the process, and reading
            # it would be no faster.
            cursor.execute("PRAGMA mmap_size=0")
            cursor.execute("PRAGMA temp_store=MEMORY")
            if query_only:
                cursor.execute("PRAGMA query_only=ON")
            cursor.close()

        return engine

    def _postgresql(self, size: int, *settings: str) -> Engine:
        engine = create_engine(
            self.url,
            connect_args={name: value for name, value in _KEEPALIVE.items() if name not in self.url.query},
            pool_size=size,
            max_overflow=0,
            pool_timeout=60,
            pool_pre_ping=True,
            isolation_level="AUTOCOMMIT",
        )

        @event.listens_for(engine, "connect")
        def set_up(connection: psycopg.Connection[Any], record: object) -> None:
            # Compiling a statement costs more than any search takes, and a plan made for one pattern or range
            # of dates is wrong for the next.
            for setting in ("jit = off", "plan_cache_mode = force_custom_plan", *settings):
                connection.execute(f"SET {setting}")
            connection.commit()

        return engine

    def engine(self) -> Engine:
        """The engine that may write: for migrations and for tests."""
        return self._writers

    @contextmanager
    def reader(self) -> Iterator[Session]:
        """A session that reads committed data, statement by statement."""
        own = getattr(self._own, "connection", None)
        with translated():
            if own is not None:
                yield Session(own, self.statements)
                return
            with self._readers.connect() as connection:
                yield Session(connection, self.statements)

    @contextmanager
    def patient_reader(self) -> Iterator[Session]:
        """A session whose statements may take as long as they want."""
        with self.reader() as session:
            if not self.is_sqlite:
                session.command("SET statement_timeout = 0")
            try:
                yield session
            finally:
                if not self.is_sqlite:
                    session.command(f"SET statement_timeout = '{READ_TIMEOUT}s'")

    def reserve_reader(self) -> None:
        """Have this thread read through a connection of its own: it waits for no other reader."""
        with translated():
            self._own.connection = self._readers.connect()
        self._reserved.append(self._own.connection)

    def writer(self) -> Session:
        """A new session in autocommit mode, for the writer thread; it issues BEGIN and COMMIT itself."""
        with translated():
            return Session(self._writers.connect(), self.statements)

    def close(self) -> None:
        for connection in self._reserved:
            connection.close()
        self._readers.dispose()
        self._writers.dispose()


RETRYABLE = frozenset({"40001", "40P01", "23503", "23505"})
"""SQLSTATEs after which a transaction is worth trying again: serialisation, deadlock, and the two
constraint violations that another server's concurrent insert or delete causes."""


def is_retryable(error: BaseException) -> bool:
    return isinstance(error, psycopg.Error) and error.sqlstate in RETRYABLE


_OUT_OF_TIME = frozenset({"57014", "55P03"})
"""SQLSTATEs of a statement that took too long, and of one that waited too long for a lock."""


def is_connection_lost(error: BaseException) -> bool:
    if isinstance(error, psycopg.errors.IdleInTransactionSessionTimeout):  # see PAUSE_TIMEOUT
        return True
    if not isinstance(error, psycopg.OperationalError) or error.sqlstate in _OUT_OF_TIME:
        return False
    return (error.sqlstate or "08").startswith(("08", "57"))


def is_transient(error: BaseException) -> bool:
    """Whether the same transaction may succeed a moment later."""
    return is_retryable(error) or is_connection_lost(error) or isinstance(error, DatabaseUnavailable)


def concerns_all(error: BaseException) -> bool:
    """Whether the database itself is to blame, so that other transactions would fail alike."""
    lost = is_connection_lost(error) or isinstance(error, DatabaseUnavailable)
    late = isinstance(error, psycopg.Error) and error.sqlstate in _OUT_OF_TIME
    return lost or late or _sqlite_code(error) in _SQLITE_GENERAL


def may_be_committed(error: BaseException) -> bool:
    """Whether a COMMIT that failed with ``error`` may have succeeded all the same."""
    return is_connection_lost(error) or _sqlite_code(error) == sqlite3.SQLITE_IOERR


def _sqlite_code(error: BaseException) -> int:
    """The primary result code of an error of SQLite; 0 for any other error."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF if isinstance(error, sqlite3.Error) else 0


_SQLITE_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_SQLITE_GENERAL = _SQLITE_BUSY | {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOTADB,
}

DRIVER_ERRORS = (SQLAlchemyError, sqlite3.Error, psycopg.Error, OverflowError)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the errors of the drivers and of SQLAlchemy into ours."""
    try:
        yield
    except PoolTimeout as exc:
        raise DatabaseUnavailable("All connections to the database are busy") from exc
    except DRIVER_ERRORS as exc:
        raise translate(exc) from exc


def translate(error: Exception) -> OrthancError:
    cause: Any = getattr(error, "orig", None) or error
    if isinstance(cause, psycopg.DataError | OverflowError):
        # A value that no column holds, such as a text with a NUL: what the client has sent is to blame.
        return ParameterOutOfRange(str(cause).strip())
    if isinstance(cause, psycopg.errors.QueryCanceled):
        return DatabaseUnavailable("The database takes too long for the answer")
    if is_transient(cause) or isinstance(cause, psycopg.OperationalError):
        return DatabaseUnavailable(str(cause).strip())
    if _sqlite_code(cause) in _SQLITE_BUSY:
        return DatabaseUnavailable("Another process has locked the database")
    if _sqlite_code(cause) == sqlite3.SQLITE_FULL:
        return FullStorage("No space is left for the database")
    return DatabaseError(str(cause).strip())
