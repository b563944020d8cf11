"""Background duties of the index: stable events, recycling, checks against the storage area."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import bindparam, func, select, update

from orthanclite.core.constants import AttachmentType, ChangeType
from orthanclite.core.levels import Level
from orthanclite.core.model import Attachment, DeleteOutcome, ResourceRef
from orthanclite.index.database.engines import Database
from orthanclite.index.database.migrations import HEAD
from orthanclite.index.database.session import Many, any_of, chunks
from orthanclite.index.database.transaction import Transaction
from orthanclite.index.database.writer import Writer
from orthanclite.index.resources.loading import read_attachments
from orthanclite.index.resources.remove import Limits, delete_resource, recycle
from orthanclite.index.schema import TABLES, attachments, blob_journal, job_outputs, signatures

_PAGE = 2000
_UNSTABLE = {
    level: select(TABLES[level].c.id, TABLES[level].c.public_id)
    .where(TABLES[level].c.unstable_since <= bindparam("older_than"))
    .order_by(TABLES[level].c.unstable_since)
    .limit(_PAGE)
    for level in (Level.SERIES, Level.STUDY, Level.PATIENT)
}
_SETTLE = {
    level: update(TABLES[level])
    .where(
        any_of(TABLES[level].c.id, "keys"),
        TABLES[level].c.unstable_since <= bindparam("older_than"),
    )
    .values(unstable_since=None)
    .returning(TABLES[level].c.id, TABLES[level].c.public_id)
    for level in (Level.SERIES, Level.STUDY, Level.PATIENT)
}
_STABLE = {
    Level.PATIENT: ChangeType.STABLE_PATIENT,
    Level.STUDY: ChangeType.STABLE_STUDY,
    Level.SERIES: ChangeType.STABLE_SERIES,
}
_OWNERS = {
    level: select(table.c.id, table.c.public_id)
    .where(table.c.id > bindparam("after"))
    .order_by(table.c.id)
    .limit(_PAGE)
    for level, table in TABLES.items()
}
_SPAN = 5000
"""Internal numbers that are looked at together for outdated resources."""
_LAST_KEY = {level: select(func.max(table.c.id)) for level, table in TABLES.items()}
_OUTDATED = {
    level: select(table.c.public_id)
    .join(signatures, signatures.c.id == table.c.signature)
    .where(
        table.c.id > bindparam("after"),
        table.c.id <= bindparam("last"),
        signatures.c.value != bindparam("signature"),
    )
    .order_by(table.c.id)
    for level, table in TABLES.items()
}
_KNOWN = tuple(
    select(table.c.uuid).where(any_of(table.c.uuid, "uuids")) for table in (attachments, job_outputs)
)
_BY_UUID = select(
    attachments.c.level,
    attachments.c.resource,
    attachments.c.type,
    attachments.c.stored_size,
    attachments.c.size,
).where(attachments.c.uuid == bindparam("uuid"))
_IN_JOURNAL = select(blob_journal.c.uuid).where(blob_journal.c.uuid == bindparam("uuid"))
_DROP = attachments.delete().where(attachments.c.uuid == bindparam("uuid"))


class SqlMaintenance:
    """The port ``core.ports.Maintenance``."""

    def __init__(self, database: Database, writer: Writer, limits: Limits) -> None:
        self._database = database
        self._writer = writer
        self._limits = limits

    def mark_stable(self, older_than: float) -> tuple[ResourceRef, ...]:
        with self._database.reader() as session:
            waiting = any(session.all(statement, older_than=older_than) for statement in _UNSTABLE.values())
        if not waiting:
            return ()

        def operation(tx: Transaction) -> tuple[ResourceRef, ...]:
            stable = []
            for level, statement in _UNSTABLE.items():
                keys = Many(row[0] for row in tx.session.all(statement, older_than=older_than))
                # Only what this update itself has changed is logged: another server may do the same.
                rows = tx.session.all(_SETTLE[level], keys=keys, older_than=older_than)
                for key, public_id in rows:
                    tx.log(_STABLE[level], level, key, public_id)
                    stable.append(ResourceRef(level, public_id))
            return tuple(stable)

        return self._writer.run(operation)

    def recycle(self) -> DeleteOutcome | None:
        if not self._limits.active:
            return None
        return self._writer.run(lambda tx: recycle(tx, self._limits))

    def attachment_catalog(self) -> Iterator[tuple[Level, str, Attachment]]:
        for level in Level:
            after = 0
            while True:
                with self._database.reader() as session:
                    owners: dict[int, str] = dict(session.all(_OWNERS[level], after=after))
                    files = read_attachments(session, level, Many(owners))
                if not owners:
                    break
                for key, owned in files.items():
                    for attachment in owned.values():
                        yield level, owners[key], attachment
                after = max(owners)

    def known_blobs(self, uuids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        with self._database.reader() as session:
            for batch in chunks(uuids):
                for statement in _KNOWN:
                    found.update(session.column(statement, uuids=batch))
        return found

    def drop_attachment(self, uuid: str) -> bool:
        def operation(tx: Transaction) -> bool:
            row = tx.session.one(_BY_UUID, uuid=uuid)
            if row is None or tx.session.one(_IN_JOURNAL, uuid=uuid) is not None:
                return False
            level, key, type_, stored_size, size = row
            if level == Level.INSTANCE and type_ == AttachmentType.DICOM:
                delete_resource(tx, Level.INSTANCE, key)
            else:
                tx.session.run(_DROP, uuid=uuid)
                tx.count_bytes(-stored_size, -size)
            return True

        return self._writer.run(operation)

    def outdated(self, level: Level, signature: str, after: int) -> tuple[list[str], int | None]:
        last = after + _SPAN
        with self._database.reader() as session:
            highest = session.value(_LAST_KEY[level]) or 0
            ids = session.column(_OUTDATED[level], after=after, last=last, signature=signature)
        return ids, last if last < highest else None

    def database_version(self) -> int:
        return int(HEAD)
