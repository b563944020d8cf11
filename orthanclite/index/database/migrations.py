"""Creating and migrating the schema with alembic; its scripts are shipped inside the wheel."""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import inspect, text

from orthanclite.core.errors import IncompatibleDatabaseVersion
from orthanclite.index.database.engines import Database, translated

HEAD = "0005"
"""The revision that this version of the program works with."""

_LOCK = 4242_8042

log = logging.getLogger("orthanclite.sqlite")


def prepare(database: Database, upgrade: bool = False) -> None:
    """Create the schema in an empty database; check it in another, or migrate it with ``upgrade``.

    :raises IncompatibleDatabaseVersion: where the schema is not the one of this version
    """
    with translated():
        current = _current(database)
    if current == HEAD:
        return
    if current is not None and current not in _known_revisions():
        raise IncompatibleDatabaseVersion(
            f"The database has schema {current}, made by a newer orthanclite; this one knows up to {HEAD}"
        )
    if current is not None and not upgrade:
        raise IncompatibleDatabaseVersion(
            f"The database has the older schema {current}; start once with --upgrade to migrate it to {HEAD}"
        )
    log.warning("%s the database schema %s", "Creating" if current is None else "Upgrading to", HEAD)
    with translated():
        _upgrade(database)


def _current(database: Database) -> str | None:
    """The revision in the database; None where there is no schema."""
    with database.engine().connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return None if revision is None else str(revision)


def _scripts() -> Path:
    """The folder of the migrations: inside the installed package, beside it in a source checkout."""
    package = Path(__file__).resolve().parents[2]
    inside = package / "alembic"
    return inside if inside.is_dir() else package.parent / "alembic"


def _known_revisions() -> set[str]:
    return {path.name.partition("_")[0] for path in (_scripts() / "versions").glob("*.py")}


def _upgrade(database: Database, revision: str = "head") -> None:
    """Run the missing migrations in one transaction: a crash leaves the schema as it was."""
    # alembic is loaded only where there is something to migrate: start-up stays short.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    with database.engine().connect() as connection:
        config.attributes["connection"] = connection
        connection.exec_driver_sql("BEGIN IMMEDIATE" if database.is_sqlite else "BEGIN")
        try:
            if not database.is_sqlite:
                # Several servers may start on an empty database at the same time.
                connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
                connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            command.upgrade(config, revision)
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")
