"""The change log, the log of exports, and named properties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.sql import Select

from orthanclite.core.constants import ChangeType
from orthanclite.core.levels import Level
from orthanclite.core.model import Change, ChangesPage, Export, ExportsPage
from orthanclite.index.database.engines import Database
from orthanclite.index.database.session import Many, Row, any_of
from orthanclite.index.database.statements import insert_ignore
from orthanclite.index.database.transaction import Transaction
from orthanclite.index.database.writer import Writer
from orthanclite.index.schema import changes, exports, properties, totals

_CHANGE_COLUMNS = (changes.c.seq, changes.c.type, changes.c.level, changes.c.public_id, changes.c.date)


def _page(table: Any, columns: Sequence[Any], typed: bool, backward: bool) -> Select[Any]:
    statement = select(*columns).where(table.c.seq > bindparam("since"))
    if typed:
        statement = statement.where(any_of(table.c.type, "types"))
    if backward:
        statement = statement.where(table.c.seq <= bindparam("to")).order_by(table.c.seq.desc())
    else:
        statement = statement.order_by(table.c.seq)
    return statement.limit(bindparam("count"))


_CHANGES = {
    (typed, backward): _page(changes, _CHANGE_COLUMNS, typed, backward)
    for typed in (False, True)
    for backward in (False, True)
}
_LAST_CHANGE = select(*_CHANGE_COLUMNS).order_by(changes.c.seq.desc()).limit(1)
_LAST_CHANGE_EVER = select(totals.c.last_change)
_CLEAR_CHANGES = delete(changes)
_EXPORT_COLUMNS = tuple(exports.c)
_EXPORTS = _page(exports, _EXPORT_COLUMNS, typed=False, backward=False)
_LAST_EXPORT = select(*_EXPORT_COLUMNS).order_by(exports.c.seq.desc()).limit(1)
_CLEAR_EXPORTS = delete(exports)
_GET = select(properties.c.value).where(properties.c.name == bindparam("name"))
_ADD = insert(properties).values(name=bindparam("name"), value=bindparam("value"))
# A comparison of texts would follow the collation of the database.
_LIST = select(properties.c.name, properties.c.value).where(
    func.substr(properties.c.name, 1, bindparam("length")) == bindparam("prefix")
)
_ADD_UNLESS_SET = insert_ignore(properties)
_SET = update(properties).where(properties.c.name == bindparam("key")).values(value=bindparam("value"))
_DELETE = delete(properties).where(properties.c.name == bindparam("name"))


class SqlChangeLog:
    """The port ``core.ports.ChangeLog``."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def changes(
        self,
        since: int = 0,
        limit: int = 100,
        to: int | None = None,
        types: Sequence[ChangeType] = (),
    ) -> ChangesPage:
        backward = to is not None
        params: dict[str, Any] = {"since": since, "count": limit + 1}
        if backward:
            params["to"] = to
        if types:
            params["types"] = Many(int(type_) for type_ in types)
        with self._database.reader() as session:
            rows = session.all(_CHANGES[bool(types), backward], **params)
            done, rows = len(rows) <= limit, rows[:limit]
            if not rows:
                last = session.value(_LAST_CHANGE_EVER) or 0
                return ChangesPage((), done, last)
        if backward:
            rows.reverse()
        page = tuple(map(_change, rows))
        return ChangesPage(page, done, page[-1].seq)

    def last_change(self) -> ChangesPage:
        with self._database.reader() as session:
            row = session.one(_LAST_CHANGE)
            if row is None:
                return ChangesPage((), True, session.value(_LAST_CHANGE_EVER) or 0)
        change = _change(row)
        return ChangesPage((change,), True, change.seq)

    def clear_changes(self) -> None:
        self._writer.run(lambda tx: tx.session.run(_CLEAR_CHANGES))

    def add_export(self, export: Export) -> None:
        row = {
            "level": int(export.level),
            "public_id": export.id,
            "remote_modality": export.remote_modality,
            "date": export.date,
            "patient_id": export.patient_id,
            "study_uid": export.study_uid,
            "series_uid": export.series_uid,
            "sop_uid": export.sop_uid,
        }
        self._writer.run(lambda tx: tx.pending_exports.append(row))

    def exports(self, since: int = 0, limit: int = 100) -> ExportsPage:
        with self._database.reader() as session:
            rows = session.all(_EXPORTS, since=since, count=limit + 1)
        page = tuple(map(_export, rows[:limit]))
        return ExportsPage(page, len(rows) <= limit, page[-1].seq if page else 0)

    def last_export(self) -> ExportsPage:
        with self._database.reader() as session:
            row = session.one(_LAST_EXPORT)
        page = () if row is None else (_export(row),)
        return ExportsPage(page, True, page[-1].seq if page else 0)

    def clear_exports(self) -> None:
        self._writer.run(lambda tx: tx.session.run(_CLEAR_EXPORTS))


class SqlProperties:
    """The port ``core.ports.Properties``."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def get_property(self, name: str) -> str | None:
        with self._database.reader() as session:
            value: str | None = session.value(_GET, name=name)
            return value

    def set_property(self, name: str, value: str | None) -> None:
        def operation(tx: Transaction) -> None:
            if value is None:
                tx.session.run(_DELETE, name=name)
            elif not tx.session.run(_SET, key=name, value=value):
                tx.session.run(_ADD, name=name, value=value)

        self._writer.run(operation)

    def add_property(self, name: str, value: str) -> str:
        def operation(tx: Transaction) -> str:
            tx.session.run(_ADD_UNLESS_SET[tx.session.dialect], name=name, value=value)
            return str(tx.session.value(_GET, name=name))

        return self._writer.run(operation)

    def list_properties(self, prefix: str) -> dict[str, str]:
        with self._database.reader() as session:
            return {row[0]: row[1] for row in session.all(_LIST, prefix=prefix, length=len(prefix))}

    def increment(self, name: str) -> int:
        def operation(tx: Transaction) -> int:
            # The update comes first: on PostgreSQL it locks the row before the value is read.
            tx.session.run(_SET_SAME, key=name)
            known = tx.session.value(_GET, name=name)
            value = int(known or 0) + 1
            if known is None:
                tx.session.run(_ADD, name=name, value=str(value))
            else:
                tx.session.run(_SET, key=name, value=str(value))
            return value

        return self._writer.run(operation)


_SET_SAME = update(properties).where(properties.c.name == bindparam("key")).values(value=properties.c.value)


def _change(row: Row) -> Change:
    seq, type_, level, public_id, date = row
    return Change(seq, ChangeType(type_), Level(level), public_id, date)


def _export(row: Row) -> Export:
    seq, level, public_id, modality, date, patient_id, study_uid, series_uid, sop_uid = row
    return Export(seq, Level(level), public_id, modality, date, patient_id, study_uid, series_uid, sop_uid)
