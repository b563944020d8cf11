"""The resources: reading, protecting and removing them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import and_, bindparam, select, update

from orthanclite.core.constants import AttachmentType
from orthanclite.core.errors import UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import (
    Attachment,
    Counts,
    DeleteOutcome,
    Parts,
    Resource,
    ResourceRef,
    TagValues,
)
from orthanclite.index.database.engines import Database
from orthanclite.index.database.session import any_of, chunks
from orthanclite.index.database.transaction import Transaction
from orthanclite.index.database.writer import Writer
from orthanclite.index.resources.attachments import holds_blob, replace_blob
from orthanclite.index.resources.kinship import ANCESTOR, COUNT_BELOW, DESCENDANTS, FIRST_BELOW, SIZES_BELOW
from orthanclite.index.resources.loading import ROW, ROWS, load
from orthanclite.index.resources.pages import ALL, IdPages
from orthanclite.index.resources.reconstruct import replace_tags
from orthanclite.index.resources.remove import delete_resource, unpacked
from orthanclite.index.schema import (
    TABLES,
    attachments,
    instances,
    patients,
    series,
    studies,
    totals,
)

_BLOBS_OF_SERIES = (
    select(instances.c.public_id, attachments.c.uuid)
    .select_from(series)
    .join(instances, instances.c.parent == series.c.id)
    .join(
        attachments,
        and_(
            attachments.c.level == int(Level.INSTANCE),
            attachments.c.resource == instances.c.id,
            attachments.c.type == int(AttachmentType.DICOM),
        ),
    )
    .where(series.c.public_id == bindparam("public_id"))
    .order_by(instances.c.public_id)
)
FIND_KEY = {
    level: select(table.c.id).where(table.c.public_id == bindparam("public_id"))
    for level, table in TABLES.items()
}
LOCK_KEY = {level: statement.with_for_update(key_share=True) for level, statement in FIND_KEY.items()}
"""The same, and whoever else changes or removes the resource waits for the end of the transaction."""
_STORED = {
    level: select(table.c.public_id).where(any_of(table.c.public_id, "values"))
    for level, table in TABLES.items()
}
_ALL_IDS = {level: select(table.c.public_id).order_by(table.c.public_id) for level, table in TABLES.items()}
_TOTALS = select(
    totals.c.patients,
    totals.c.studies,
    totals.c.series,
    totals.c.instances,
    totals.c.disk_size,
    totals.c.uncompressed_size,
)
_PROTECTED = select(patients.c.protected).where(patients.c.public_id == bindparam("public_id"))
_SET_PROTECTED = {
    # Unprotected again, a patient goes to the end of the recycling order.
    True: update(patients).where(patients.c.public_id == bindparam("public_id")).values(protected=True),
    False: update(patients)
    .where(patients.c.public_id == bindparam("public_id"))
    .values(protected=False, recycling_order=bindparam("order")),
}
_MODALITIES = select(studies.c.modalities).where(studies.c.public_id == bindparam("public_id"))
_SOP_CLASSES = (
    select(series.c.sop_classes)
    .join(studies, series.c.parent == studies.c.id)
    .where(studies.c.public_id == bindparam("public_id"))
)


class SqlResources:
    """The port ``core.ports.Resources``."""

    def __init__(self, database: Database, writer: Writer, pages: IdPages) -> None:
        self._database = database
        self._writer = writer
        self._pages = pages

    def get(self, level: Level, id: str, parts: Parts = Parts.SHOWN) -> Resource | None:
        with self._database.reader() as session:
            row = session.one(ROW[level], public_id=id)
            return None if row is None else load(session, level, [row], parts)[0]

    def get_many(self, level: Level, ids: Sequence[str], parts: Parts = Parts.SHOWN) -> list[Resource]:
        found: dict[str, Resource] = {}
        with self._database.reader() as session:
            for batch in chunks(ids):
                rows = session.all(ROWS[level], values=batch)
                found.update((resource.id, resource) for resource in load(session, level, rows, parts))
        return [found[id] for id in ids if id in found]

    def exists(self, level: Level, id: str) -> bool:
        with self._database.reader() as session:
            return session.one(FIND_KEY[level], public_id=id) is not None

    def locate(self, id: str) -> Level | None:
        with self._database.reader() as session:
            for level in reversed(Level):
                if session.one(FIND_KEY[level], public_id=id) is not None:
                    return level
        return None

    def locate_many(self, ids: Iterable[str]) -> dict[str, Level]:
        found: dict[str, Level] = {}
        with self._database.reader() as session:
            for batch in chunks(ids):
                for level in Level:
                    found.update(dict.fromkeys(session.column(_STORED[level], values=batch), level))
        return found

    def list_ids(self, level: Level, since: int = 0, limit: int | None = None) -> list[str]:
        with self._database.reader() as session:
            if limit is None and since == 0:
                return session.column(_ALL_IDS[level])
            return self._pages.page(session, level, since, ALL if limit is None else limit)

    def ancestor_id(self, level: Level, id: str, target: Level) -> str | None:
        with self._database.reader() as session:
            found: str | None = session.value(ANCESTOR[level, target], public_id=id)
            return found

    def descendant_ids(self, level: Level, id: str, target: Level) -> list[str]:
        with self._database.reader() as session:
            return session.column(DESCENDANTS[level, target], public_id=id)

    def first_below(self, level: Level, id: str, target: Level) -> str | None:
        with self._database.reader() as session:
            found: str | None = session.value(FIRST_BELOW[level, target], public_id=id)
            return found

    def blobs_of_series(self, id: str) -> list[tuple[str, str]]:
        with self._database.reader() as session:
            return [(instance, uuid) for instance, uuid in session.all(_BLOBS_OF_SERIES, public_id=id)]

    def counts(self, level: Level | None = None, id: str | None = None) -> Counts:
        with self._database.reader() as session:
            if level is None or id is None:
                row = session.one(_TOTALS) or (0,) * 6
                return Counts(*row)
            if session.one(FIND_KEY[level], public_id=id) is None:
                raise UnknownResource
            below = {
                target: session.value(COUNT_BELOW[level, target], public_id=id)
                for target in Level
                if target >= level
            }
            sizes: dict[int, list[int]] = {}
            for target in below:
                for type_, stored, size in session.all(SIZES_BELOW[level, target], public_id=id):
                    total = sizes.setdefault(type_, [0, 0])
                    total[0] += int(stored)
                    total[1] += int(size)
        dicom = sizes.get(1, [0, 0])
        return Counts(
            patients=below.get(Level.PATIENT, 0),
            studies=below.get(Level.STUDY, 0),
            series=below.get(Level.SERIES, 0),
            instances=below[Level.INSTANCE],
            disk_size=sum(size[0] for size in sizes.values()),
            uncompressed_size=sum(size[1] for size in sizes.values()),
            dicom_disk_size=dicom[0],
            dicom_uncompressed_size=dicom[1],
        )

    def delete(self, level: Level, id: str) -> DeleteOutcome:
        def operation(tx: Transaction) -> DeleteOutcome:
            key = tx.session.value(FIND_KEY[level], public_id=id)
            outcome = None if key is None else delete_resource(tx, level, key)
            if outcome is None or not outcome.deleted:
                raise UnknownResource
            return outcome

        return self._writer.run(operation)

    def delete_many(self, refs: Iterable[ResourceRef]) -> DeleteOutcome:
        wanted = list(refs)

        def operation(tx: Transaction) -> DeleteOutcome:
            blobs: list[str] = []
            deleted: list[ResourceRef] = []
            for ref in wanted:
                key = tx.session.value(FIND_KEY[ref.level], public_id=ref.id)
                if key is not None:
                    outcome = delete_resource(tx, ref.level, key)
                    blobs += outcome.removed_blobs
                    deleted += outcome.deleted
            return DeleteOutcome(None, tuple(blobs), tuple(deleted))

        return self._writer.run(operation)

    def is_protected(self, patient_id: str) -> bool:
        with self._database.reader() as session:
            value = session.value(_PROTECTED, public_id=patient_id)
        if value is None:
            raise UnknownResource
        return bool(value)

    def set_protected(self, patient_id: str, protected: bool) -> None:
        def operation(tx: Transaction) -> None:
            moment = {} if protected else {"order": time.time()}
            if not tx.session.run(_SET_PROTECTED[protected], public_id=patient_id, **moment):
                raise UnknownResource

        self._writer.run(operation)

    def modalities_in_study(self, study_id: str) -> tuple[str, ...]:
        with self._database.reader() as session:
            return unpacked(session.value(_MODALITIES, public_id=study_id) or "")

    def sop_classes_in_study(self, study_id: str) -> tuple[str, ...]:
        with self._database.reader() as session:
            texts = session.column(_SOP_CLASSES, public_id=study_id)
        return tuple(sorted({uid for text in texts for uid in unpacked(text)}))

    def reconstruct(
        self,
        level: Level,
        id: str,
        tags: TagValues,
        main_sequences: str,
        signature: str,
        patient_tags: TagValues | None = None,
        metadata: Mapping[int, str | None] | None = None,
        *,
        blob: str,
        new_file: Attachment | None = None,
    ) -> bool:
        def operation(tx: Transaction) -> bool:
            is_current = holds_blob(tx, blob) if new_file is None else replace_blob(tx, blob, new_file)
            key = tx.session.value(LOCK_KEY[level], public_id=id) if is_current else None
            if key is None:
                return False
            replace_tags(tx, level, key, tags, main_sequences, signature, patient_tags, metadata or {})
            return True

        return self._writer.run(operation)
