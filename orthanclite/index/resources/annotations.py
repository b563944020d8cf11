"""Metadata, attachments and labels of resources, with their revisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import orjson
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.sql import ClauseElement

from orthanclite.core.constants import ChangeType, Metadata
from orthanclite.core.errors import RevisionConflict, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.machine.digest import md5_of
from orthanclite.core.model import Attachment, MetadataValue
from orthanclite.index.database.engines import Database
from orthanclite.index.database.session import Many, Session
from orthanclite.index.database.transaction import Transaction
from orthanclite.index.database.writer import Writer
from orthanclite.index.resources.attachments import add_attachment, replace_blob
from orthanclite.index.resources.labels import add_labels
from orthanclite.index.resources.loading import read_attachments
from orthanclite.index.resources.reading import FIND_KEY, LOCK_KEY
from orthanclite.index.schema import TABLES, attachments, labels, signatures, user_metadata

T = TypeVar("T")


def _owned(table: Any, *conditions: Any) -> Any:
    return (
        table.c.level == bindparam("level"),
        table.c.resource == bindparam("resource"),
        *conditions,
    )


_SYSTEM = {
    level: select(
        table.c.id,
        table.c.meta,
        signatures.c.value,
        *(() if level is Level.INSTANCE else (table.c.last_update,)),
    )
    .join(signatures, table.c.signature == signatures.c.id)
    .where(table.c.public_id == bindparam("public_id"))
    for level, table in TABLES.items()
}
_USER = select(user_metadata.c.type, user_metadata.c.value, user_metadata.c.revision).where(
    *_owned(user_metadata)
)
_ONE_USER = select(user_metadata.c.value, user_metadata.c.revision).where(
    *_owned(user_metadata, user_metadata.c.type == bindparam("type"))
)
_ADD_USER = insert(user_metadata).values({c.name: bindparam(c.name) for c in user_metadata.c})
_SET_USER = (
    update(user_metadata)
    .where(*_owned(user_metadata, user_metadata.c.type == bindparam("type")))
    .values(value=bindparam("value"), revision=bindparam("revision"))
)
_DELETE_USER = delete(user_metadata).where(*_owned(user_metadata, user_metadata.c.type == bindparam("type")))
_ONE_FILE = select(
    attachments.c.uuid,
    attachments.c.md5,
    attachments.c.revision,
    attachments.c.stored_size,
    attachments.c.size,
).where(*_owned(attachments, attachments.c.type == bindparam("type")))
_DELETE_FILE = delete(attachments).where(*_owned(attachments, attachments.c.type == bindparam("type")))
_LABELS = select(labels.c.label).where(*_owned(labels)).order_by(labels.c.label)
_ALL_LABELS = select(labels.c.label).distinct().order_by(labels.c.label)
_HAS_LABEL = select(labels.c.label).where(*_owned(labels, labels.c.label == bindparam("label")))
_DELETE_LABEL = delete(labels).where(*_owned(labels, labels.c.label == bindparam("label")))


class SqlAnnotations:
    """The port ``core.ports.Annotations``."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def metadata(self, level: Level, id: str) -> dict[int, MetadataValue]:
        with self._database.reader() as session:
            row = session.one(_SYSTEM[level], public_id=id)
            if row is None:
                raise UnknownResource
            found = {int(number): MetadataValue(value) for number, value in orjson.loads(row[1]).items()}
            found[Metadata.MAIN_DICOM_TAGS_SIGNATURE] = MetadataValue(row[2])
            if level is not Level.INSTANCE:
                found[Metadata.LAST_UPDATE] = MetadataValue(row[3])
            for type_, value, revision in session.all(_USER, level=int(level), resource=row[0]):
                found[type_] = MetadataValue(value, revision)
        return dict(sorted(found.items()))

    def set_metadata(
        self,
        level: Level,
        id: str,
        type: int,
        value: str,
        expected: tuple[int, str] | None = None,
        must_match: bool = False,
    ) -> int:
        def operation(tx: Transaction, key: int) -> int:
            owner = {"level": int(level), "resource": key, "type": type}
            row = tx.session.one(_ONE_USER, **owner)
            if row is None:
                if expected is not None:
                    raise RevisionConflict
                revision = 0
                tx.session.run(_ADD_USER, **owner, value=value, revision=revision)
            else:
                _check(expected, must_match, row[1], md5_of(row[0]))
                revision = row[1] + 1
                tx.session.run(_SET_USER, **owner, value=value, revision=revision)
            tx.log(ChangeType.UPDATED_METADATA, level, key, id)
            return revision

        return self._on(level, id, operation)

    def delete_metadata(
        self, level: Level, id: str, type: int, expected: tuple[int, str] | None = None
    ) -> None:
        def operation(tx: Transaction, key: int) -> None:
            owner = {"level": int(level), "resource": key, "type": type}
            row = tx.session.one(_ONE_USER, **owner)
            if row is None:
                raise UnknownResource
            _check(expected, False, row[1], md5_of(row[0]))
            tx.session.run(_DELETE_USER, **owner)
            tx.log(ChangeType.UPDATED_METADATA, level, key, id)

        self._on(level, id, operation)

    def attachments(self, level: Level, id: str) -> dict[int, Attachment]:
        with self._database.reader() as session:
            key = _key(session, level, id)
            return dict(sorted(read_attachments(session, level, Many([key])).get(key, {}).items()))

    def set_attachment(
        self,
        level: Level,
        id: str,
        attachment: Attachment,
        expected: tuple[int, str] | None = None,
        must_match: bool = False,
        log_change: bool = True,
    ) -> tuple[int, str | None]:
        def operation(tx: Transaction, key: int) -> tuple[int, str | None]:
            owner = {"level": int(level), "resource": key, "type": attachment.type}
            row = tx.session.one(_ONE_FILE, **owner)
            replaced: str | None = None
            revision = 0
            if row is not None:
                replaced, md5, revision, stored_size, size = row
                _check(expected, must_match, revision, md5)
                tx.session.run(_DELETE_FILE, **owner)
                tx.count_bytes(-stored_size, -size)
                revision += 1
            elif expected is not None:
                raise RevisionConflict
            add_attachment(tx, level, key, replace(attachment, revision=revision))
            if log_change:
                tx.log(ChangeType.UPDATED_ATTACHMENT, level, key, id)
            return revision, replaced

        return self._on(level, id, operation)

    def replace_blob(self, old: str, new: Attachment) -> bool:
        return self._writer.run(lambda tx: replace_blob(tx, old, new))

    def delete_attachment(
        self, level: Level, id: str, type: int, expected: tuple[int, str] | None = None
    ) -> str:
        def operation(tx: Transaction, key: int) -> str:
            owner = {"level": int(level), "resource": key, "type": type}
            row = tx.session.one(_ONE_FILE, **owner)
            if row is None:
                raise UnknownResource
            uuid, md5, revision, stored_size, size = row
            _check(expected, False, revision, md5)
            tx.session.run(_DELETE_FILE, **owner)
            tx.count_bytes(-stored_size, -size)
            tx.log(ChangeType.UPDATED_ATTACHMENT, level, key, id)
            return str(uuid)

        return self._on(level, id, operation)

    def labels(self, level: Level, id: str) -> list[str]:
        with self._database.reader() as session:
            return session.column(_LABELS, level=int(level), resource=_key(session, level, id))

    def add_label(self, level: Level, id: str, label: str) -> None:
        def operation(tx: Transaction, key: int) -> None:
            row = {"level": int(level), "resource": key, "label": label}
            if tx.session.one(_HAS_LABEL, **row) is None:
                add_labels(tx, level, key, [label])

        self._on(level, id, operation)

    def remove_label(self, level: Level, id: str, label: str) -> None:
        def operation(tx: Transaction, key: int) -> None:
            tx.session.run(_DELETE_LABEL, level=int(level), resource=key, label=label)

        self._on(level, id, operation)

    def all_labels(self) -> list[str]:
        with self._database.reader() as session:
            return session.column(_ALL_LABELS)

    def _on(self, level: Level, id: str, operation: Callable[[Transaction, int], T]) -> T:
        """Run an operation on one resource in the writer thread."""
        # Locked: what is read stays as it is until it is written, and the resource is not removed by another
        # server meanwhile, which would not see the row to come.
        return self._writer.run(lambda tx: operation(tx, _key(tx.session, level, id, LOCK_KEY)))


def _key(
    session: Session, level: Level, id: str, statements: Mapping[Level, ClauseElement] = FIND_KEY
) -> int:
    key: int | None = session.value(statements[level], public_id=id)
    if key is None:
        raise UnknownResource
    return key


def _check(expected: tuple[int, str] | None, must_match: bool, revision: int, md5: str) -> None:
    if expected is None:
        if must_match:
            raise RevisionConflict
    elif expected != (revision, md5):
        raise RevisionConflict
