"""The servers on the database, what dead ones have left, and the leases of duties.

A lease is a row and not a lock of a session: a pooler between server and database shares sessions, and a lock
would outlive its server or end with a connection that was lost for a moment.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from sqlalchemy import bindparam, delete, func, insert, select, update

from orthanclite.index.database.clock import DatabaseNow
from orthanclite.index.database.engines import Database
from orthanclite.index.database.statements import insert_ignore
from orthanclite.index.database.transaction import Transaction
from orthanclite.index.database.writer import Writer
from orthanclite.index.schema import blob_journal, leases, servers

_NOW = DatabaseNow()
_ENTER = insert(servers).values(name=bindparam("name"), started=_NOW, last_seen=_NOW).returning(servers.c.id)
_REMOVE_FORMER = delete(servers).where(servers.c.name == bindparam("name"), servers.c.id != bindparam("me"))
_REMOVE_OTHERS = delete(servers).where(servers.c.id != bindparam("me"))
_BEAT = update(servers).where(servers.c.id == bindparam("me")).values(last_seen=_NOW)
_LEAVE = delete(servers).where(servers.c.id == bindparam("me"))
_SILENT = (servers.c.id != bindparam("me"), servers.c.last_seen < _NOW - bindparam("seconds"))
_FIND_SILENT = select(servers.c.id).where(*_SILENT)
_REMOVE_SILENT = delete(servers).where(*_SILENT).returning(servers.c.name)
_COUNT_OTHERS = select(func.count()).where(
    servers.c.id != bindparam("me"), servers.c.last_seen >= _NOW - bindparam("seconds")
)
_ADOPT = (
    update(blob_journal)
    .where(blob_journal.c.owner.not_in(select(servers.c.id)))
    .values(owner=bindparam("me"))
)
_OWNERLESS = select(blob_journal.c.uuid).where(blob_journal.c.owner.not_in(select(servers.c.id))).limit(1)
_PASS_ON = (
    update(blob_journal).where(blob_journal.c.owner == bindparam("former")).values(owner=bindparam("me"))
)

_OFFER = insert_ignore(leases, {"holder": 0, "expires": 0.0})
_TAKE = (
    update(leases)
    .where(
        leases.c.duty == bindparam("which"),
        (leases.c.holder == bindparam("me")) | (leases.c.expires < _NOW),
    )
    .values(holder=bindparam("me"), expires=_NOW + bindparam("seconds"))
)
_RELEASE = update(leases).where(leases.c.holder == bindparam("me")).values(holder=0, expires=0.0)

log = logging.getLogger("orthanclite.sqlite")


class SqlServers:
    """The port ``core.ports.Servers``."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer
        self._name = ""
        self.is_sole = database.is_sqlite
        self.id = 0

    def join(self, name: str) -> None:
        def operation(tx: Transaction) -> int:
            me: int = tx.session.value(_ENTER, name=name)
            if self.is_sole:
                tx.session.run(_REMOVE_OTHERS, me=me)
            else:
                tx.session.run(_REMOVE_FORMER, name=name, me=me)
            tx.session.run(_ADOPT, me=me)
            return me

        self._name = name
        self.id = self._writer.run(operation)

    def others(self, silent_for: float) -> int:
        with self._database.reader() as session:
            return int(session.value(_COUNT_OTHERS, me=self.id, seconds=silent_for))

    def beat(self) -> bool:
        former = self.id

        def operation(tx: Transaction) -> int:
            if tx.session.run(_BEAT, me=former):
                return former
            me: int = tx.session.value(_ENTER, name=self._name)
            tx.session.run(_PASS_ON, former=former, me=me)
            return me

        self.id = self._writer.run(operation)
        return self.id == former

    def adopt(self, silent_for: float) -> list[str]:
        with self._database.reader() as session:
            if not session.all(_FIND_SILENT, me=self.id, seconds=silent_for):
                return []

        def operation(tx: Transaction) -> list[str]:
            # Whoever removes a server's row takes over what it has left: two survivors cannot both do so.
            names = tx.session.column(_REMOVE_SILENT, me=self.id, seconds=silent_for)
            if names:
                tx.session.run(_ADOPT, me=self.id)
            return names

        return self._writer.run(operation)

    def adopt_ownerless(self) -> bool:
        with self._database.reader() as session:
            if session.one(_OWNERLESS) is None:
                return False
        return self._writer.run(lambda tx: tx.session.run(_ADOPT, me=self.id)) > 0

    def leave(self) -> None:
        self._writer.run(lambda tx: tx.session.run(_LEAVE, me=self.id))
        self.id = 0


class SqlLeases:
    """The port ``core.ports.Leases``."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def take(self, holder: int, duties: Iterable[str], seconds: float) -> set[str]:
        wanted = sorted(duties)

        def operation(tx: Transaction) -> set[str]:
            held = set()
            for duty in wanted:
                if not tx.session.run(_TAKE, which=duty, me=holder, seconds=seconds):
                    if not tx.session.run(_OFFER[tx.session.dialect], duty=duty):
                        continue  # it is another's
                    tx.session.run(_TAKE, which=duty, me=holder, seconds=seconds)
                held.add(duty)
            return held

        return self._writer.run(operation)

    def release(self, holder: int) -> None:
        self._writer.run(lambda tx: tx.session.run(_RELEASE, me=holder))
