"""Resources from their rows: a constant number of statements for a batch, whatever its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import bindparam, func, literal, select

from orthanclite.core.constants import Metadata
from orthanclite.core.levels import Level
from orthanclite.core.model import Attachment, MetadataValue, Parts, Resource, SeriesStatus
from orthanclite.index.database.session import Many, Row, Session, any_of
from orthanclite.index.schema import TABLES, attachments, instances, labels, signatures, user_metadata

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


ROW = {level: _select_rows(level, many=False) for level in Level}
ROWS = {level: _select_rows(level, many=True) for level in Level}
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


def load(session: Session, level: Level, rows: list[Row], parts: Parts) -> list[Resource]:
    """Turn rows of :data:`ROW` or :data:`ROWS` into resources, with the parts asked for."""
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
