"""Reading resources: a constant number of statements for a batch, whatever its size."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import and_, bindparam, func, literal, select, update

from orthanclite.core.constants import AttachmentType, Metadata
from orthanclite.core.errors import UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import (
    Attachment,
    Counts,
    DeleteOutcome,
    MetadataValue,
    Parts,
    Resource,
    ResourceRef,
    SeriesStatus,
    TagValues,
)
from orthanclite.index.database.engines import Database
from orthanclite.index.database.session import Many, Row, Session, any_of, chunks
from orthanclite.index.database.transaction import Transaction
from orthanclite.index.database.writer import Writer
from orthanclite.index.resources.attachments import holds_blob, replace_blob
from orthanclite.index.resources.pages import ALL, IdPages
from orthanclite.index.resources.reconstruct import replace_tags
from orthanclite.index.resources.remove import delete_resource, unpacked
from orthanclite.index.schema import (
    TABLES,
    attachments,
    instances,
    labels,
    patients,
    series,
    signatures,
    studies,
    totals,
    user_metadata,
)

_COMMON = ("id", "public_id", "tags", "meta")


def _select_rows(level: Level, many: bool) -> Any:
    table = TABLES[level]
    above = level.parent
    parent = literal(None) if above is None else TABLES[above].c.public_id
    is_instance, is_patient = level is Level.INSTANCE, level is Level.PATIENT
    columns = [
        *(table.c[name] for name in _COMMON),
        signatures.c.value,
        parent,
        literal("") if is_instance else table.c.last_update,
        literal(None) if is_instance else table.c.unstable_since,
        table.c.protected if is_patient else literal(False),
        table.c.patient_tags if level is Level.STUDY else literal("{}"),
        table.c.expected_instances if level is Level.SERIES else literal(None),
    ]
    source = table.join(signatures, table.c.signature == signatures.c.id)
    if above is not None:
        source = source.join(TABLES[above], table.c.parent == TABLES[above].c.id)
    statement = select(*columns).select_from(source)
    wanted = any_of(table.c.public_id, "values") if many else table.c.public_id == bindparam("public_id")
    return statement.where(wanted)


_ROW = {level: _select_rows(level, many=False) for level in Level}
_ROWS = {level: _select_rows(level, many=True) for level in Level}
_CHILDREN = {
    level: select(TABLES[Level(level + 1)].c.parent, TABLES[Level(level + 1)].c.public_id)
    .where(any_of(TABLES[Level(level + 1)].c.parent, "keys"))
    .order_by(TABLES[Level(level + 1)].c.public_id)
    for level in (Level.PATIENT, Level.STUDY, Level.SERIES)
}
_LABELS = (
    select(labels.c.resource, labels.c.label)
    .where(labels.c.level == bindparam("level"), any_of(labels.c.resource, "keys"))
    .order_by(labels.c.label)
)
_METADATA = select(
    user_metadata.c.resource, user_metadata.c.type, user_metadata.c.value, user_metadata.c.revision
).where(user_metadata.c.level == bindparam("level"), any_of(user_metadata.c.resource, "keys"))
_ATTACHMENTS = select(
    attachments.c.resource,
    attachments.c.type,
    attachments.c.uuid,
    attachments.c.size,
    attachments.c.md5,
    attachments.c.stored_size,
    attachments.c.stored_md5,
    attachments.c.compressed,
    attachments.c.revision,
).where(attachments.c.level == bindparam("level"), any_of(attachments.c.resource, "keys"))
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
_INDICES = (
    select(
        instances.c.parent,
        func.count(),
        func.count(instances.c.index_in_series),
        func.count(instances.c.index_in_series.distinct()),
        func.min(instances.c.index_in_series),
        func.max(instances.c.index_in_series),
    )
    .where(any_of(instances.c.parent, "keys"))
    .group_by(instances.c.parent)
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


def _ancestor_statement(level: Level, target: Level) -> Any:
    source: Any = TABLES[level]
    current = level
    while current > target:
        above = Level(current - 1)
        source = source.join(TABLES[above], TABLES[current].c.parent == TABLES[above].c.id)
        current = above
    return (
        select(TABLES[target].c.public_id)
        .select_from(source)
        .where(TABLES[level].c.public_id == bindparam("public_id"))
    )


def _descendant_source(level: Level, target: Level) -> Any:
    source: Any = TABLES[level]
    for below in range(level + 1, target + 1):
        table = TABLES[Level(below)]
        source = source.join(table, table.c.parent == TABLES[Level(below - 1)].c.id)
    return source


_ANCESTOR = {
    (level, target): _ancestor_statement(level, target)
    for level in Level
    for target in Level
    if target <= level
}
_DESCENDANTS = {
    (level, target): select(TABLES[target].c.public_id)
    .select_from(_descendant_source(level, target))
    .where(TABLES[level].c.public_id == bindparam("public_id"))
    .order_by(TABLES[target].c.public_id)
    for level in Level
    for target in Level
    if target > level
}
_COUNT_BELOW = {
    (level, target): select(func.count())
    .select_from(_descendant_source(level, target))
    .where(TABLES[level].c.public_id == bindparam("public_id"))
    for level in Level
    for target in Level
    if target >= level
}
_SIZES_BELOW = {
    (level, target): select(
        attachments.c.type, func.sum(attachments.c.stored_size), func.sum(attachments.c.size)
    )
    .where(
        # Not a join: SQLite would begin it at the attachments, all of them.
        attachments.c.level == int(target),
        attachments.c.resource.in_(
            select(TABLES[target].c.id)
            .select_from(_descendant_source(level, target))
            .where(TABLES[level].c.public_id == bindparam("public_id"))
        ),
    )
    .group_by(attachments.c.type)
    for level in Level
    for target in Level
    if target >= level
}


class SqlResources:
    """The port ``core.ports.Resources``."""

    def __init__(self, database: Database, writer: Writer, pages: IdPages) -> None:
        self._database = database
        self._writer = writer
        self._pages = pages

    def get(self, level: Level, id: str, parts: Parts = Parts.SHOWN) -> Resource | None:
        with self._database.reader() as session:
            row = session.one(_ROW[level], public_id=id)
            return None if row is None else load(session, level, [row], parts)[0]

    def get_many(self, level: Level, ids: Sequence[str], parts: Parts = Parts.SHOWN) -> list[Resource]:
        found: dict[str, Resource] = {}
        with self._database.reader() as session:
            for batch in chunks(ids):
                rows = session.all(_ROWS[level], values=batch)
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
            found: str | None = session.value(_ANCESTOR[level, target], public_id=id)
            return found

    def descendant_ids(self, level: Level, id: str, target: Level) -> list[str]:
        with self._database.reader() as session:
            return session.column(_DESCENDANTS[level, target], public_id=id)

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
                target: session.value(_COUNT_BELOW[level, target], public_id=id)
                for target in Level
                if target >= level
            }
            sizes: dict[int, list[int]] = {}
            for target in below:
                for type_, stored, size in session.all(_SIZES_BELOW[level, target], public_id=id):
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


def load(session: Session, level: Level, rows: list[Row], parts: Parts) -> list[Resource]:
    """Turn rows of :func:`_select_rows` into resources, with the parts asked for."""
    keys = Many(row[0] for row in rows)
    children: Mapping[int, list[str]] = {}
    tags: Mapping[int, list[str]] = {}
    users: dict[int, dict[int, MetadataValue]] = {}
    files: dict[int, dict[int, Attachment]] = {}
    indices: dict[int, Row] = {}
    if Parts.CHILDREN in parts and level is not Level.INSTANCE:
        children = _grouped(session.all(_CHILDREN[level], keys=keys))
    if Parts.LABELS in parts:
        tags = _grouped(session.all(_LABELS, level=int(level), keys=keys))
    if Parts.METADATA in parts:
        for key, type_, value, revision in session.all(_METADATA, level=int(level), keys=keys):
            users.setdefault(key, {})[type_] = MetadataValue(value, revision)
    if Parts.ATTACHMENTS in parts:
        files = read_attachments(session, level, keys)
    if Parts.STATUS in parts and level is Level.SERIES:
        counted = Many(row[0] for row in rows if row[10] is not None)
        if counted:
            indices = {row[0]: row for row in session.all(_INDICES, keys=counted)}
    return [
        _resource(
            level,
            row,
            children=tuple(children.get(row[0], ())),
            labels=tuple(tags.get(row[0], ())),
            metadata=users.get(row[0], {}),
            attachments=files.get(row[0], {}),
            status=_status(row[10], indices.get(row[0])),
        )
        for row in rows
    ]


def read_attachments(session: Session, level: Level, keys: Many) -> dict[int, dict[int, Attachment]]:
    files: dict[int, dict[int, Attachment]] = {}
    for key, type_, uuid, size, md5, stored_size, stored_md5, compressed, revision in session.all(
        _ATTACHMENTS, level=int(level), keys=keys
    ):
        files.setdefault(key, {})[type_] = Attachment(
            type_, uuid, size, md5, stored_size, stored_md5, bool(compressed), revision
        )
    return files


def _resource(level: Level, row: Row, **parts: Any) -> Resource:
    key, public_id, tags, meta, signature, parent, last_update, unstable, protected, patient, expected = row
    system = {int(number): value for number, value in orjson.loads(meta).items()}
    sequences = system.get(Metadata.MAIN_DICOM_SEQUENCES)
    return Resource(
        level=level,
        key=key,
        id=public_id,
        parent_id=parent,
        tags=orjson.loads(tags),
        sequences=_sequences(sequences) if sequences else {},
        patient_tags=orjson.loads(patient),
        is_stable=unstable is None and level is not Level.INSTANCE,
        is_protected=bool(protected),
        last_update=last_update,
        signature=signature,
        system_metadata=system,
        expected_instances=expected,
        **parts,
    )


def _sequences(text: str) -> dict[str, Any]:
    """The items of the main tags that are sequences, from the metadata MainDicomSequences."""
    return {tag: element["Value"] for tag, element in orjson.loads(text)["Sequences"].items()}


def _grouped(rows: list[Row]) -> dict[int, list[str]]:
    groups: dict[int, list[str]] = {}
    for key, value in rows:
        groups.setdefault(key, []).append(value)
    return groups


def _status(expected: int | None, indices: Row | None) -> SeriesStatus:
    """How complete a series is; ``indices`` counts the index in series of its instances."""
    if expected is None or indices is None:
        return SeriesStatus.UNKNOWN
    _, count, numbered, distinct, lowest, highest = indices
    if numbered < count:
        return SeriesStatus.UNKNOWN
    if lowest < 1 or highest > expected or distinct < count:
        return SeriesStatus.INCONSISTENT
    return SeriesStatus.COMPLETE if count == expected else SeriesStatus.MISSING
