"""Registries and settings that all servers share, a row for each entry."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, select

from orthanclite.index.database.engines import Database
from orthanclite.index.database.statements import upsert
from orthanclite.index.database.writer import Writer
from orthanclite.index.schema import registry, runtime_settings

_ALL = select(registry.c.name, registry.c.value).where(registry.c.kind == bindparam("kind"))
_ONE = (registry.c.kind == bindparam("kind"), registry.c.name == bindparam("name"))
_GET = select(registry.c.value).where(*_ONE)
_PUT = upsert(registry)
_DELETE = delete(registry).where(*_ONE)

_SETTINGS = select(runtime_settings.c.name, runtime_settings.c.value)
_SET = upsert(runtime_settings)
_CLEAR = delete(runtime_settings)


class SqlRegistryRows:
    """The port ``core.ports.RegistryRows``."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def all(self, kind: str) -> dict[str, str]:
        with self._database.reader() as session:
            return {row[0]: row[1] for row in session.all(_ALL, kind=kind)}

    def get(self, kind: str, name: str) -> str | None:
        with self._database.reader() as session:
            value: str | None = session.value(_GET, kind=kind, name=name)
            return value

    def put(self, kind: str, name: str, value: str) -> None:
        self._writer.run(
            lambda tx: tx.session.run(_PUT[tx.session.dialect], kind=kind, name=name, value=value)
        )

    def delete(self, kind: str, name: str) -> bool:
        return bool(self._writer.run(lambda tx: tx.session.run(_DELETE, kind=kind, name=name)))


class SqlRuntimeSettings:
    """The port ``core.ports.RuntimeSettings``."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def all(self) -> dict[str, str]:
        with self._database.reader() as session:
            return {row[0]: row[1] for row in session.all(_SETTINGS)}

    def set(self, name: str, value: str) -> None:
        self._writer.run(lambda tx: tx.session.run(_SET[tx.session.dialect], name=name, value=value))

    def clear(self) -> None:
        self._writer.run(lambda tx: tx.session.run(_CLEAR))
