"""Replacing the main tags of a stored resource by ones just read from its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import bindparam, delete, select, update

from orthanclite.core.constants import Metadata
from orthanclite.core.levels import Level
from orthanclite.core.model import TagValues
from orthanclite.index.database.transaction import Transaction
from orthanclite.index.resources.remove import packed
from orthanclite.index.resources.store import add_extra_tags, normalized_columns, signature_ids
from orthanclite.index.schema import COLUMNS, TABLES, extra_tags, series, studies

_META = {level: select(table.c.meta).where(table.c.id == bindparam("key")) for level, table in TABLES.items()}


def _update(level: Level, columns: list[str]) -> Any:
    table = TABLES[level]
    return (
        update(table)
        .where(table.c.id == bindparam("key"))
        .values({name: bindparam(f"v_{name}") for name in columns})
    )


_SET_TAGS = {
    level: _update(level, ["tags", "meta", "signature", *COLUMNS[level].values()]) for level in Level
}
_SET_PATIENT_TAGS = _update(Level.STUDY, ["patient_tags", *COLUMNS[Level.PATIENT].values()])
_FORGET_EXTRA = delete(extra_tags).where(
    extra_tags.c.level == bindparam("level"), extra_tags.c.resource == bindparam("resource")
)
_STUDY_OF = select(series.c.parent).where(series.c.id == bindparam("key"))
_MODALITIES = (
    select(series.c.modality)
    .distinct()
    .where(series.c.parent == bindparam("study"), series.c.modality.is_not(None))
)
_SET_MODALITIES = (
    update(studies).where(studies.c.id == bindparam("key")).values(modalities=bindparam("value"))
)


def replace_tags(
    tx: Transaction,
    level: Level,
    key: int,
    tags: TagValues,
    main_sequences: str,
    signature: str,
    patient_tags: TagValues | None,
    metadata: Mapping[int, str | None],
) -> None:
    """Write the main tags of one resource anew, with all that is derived from them."""
    session = tx.session
    meta = orjson.loads(session.value(_META[level], key=key))
    meta.pop(str(int(Metadata.MAIN_DICOM_SEQUENCES)), None)
    if main_sequences:
        meta[str(int(Metadata.MAIN_DICOM_SEQUENCES))] = main_sequences
    for number, value in metadata.items():
        if value is None:
            meta.pop(str(int(number)), None)
        else:
            meta[str(int(number))] = value
    values = {
        "tags": orjson.dumps(dict(tags)).decode(),
        "meta": orjson.dumps(meta).decode(),
        "signature": signature_ids(tx, [signature])[signature],
        **normalized_columns(level, tags),
    }
    session.run(_SET_TAGS[level], key=key, **{f"v_{name}": value for name, value in values.items()})
    session.run(_FORGET_EXTRA, level=int(level), resource=key)
    add_extra_tags(tx, level, key, tags)
    if level is Level.STUDY and patient_tags is not None:
        copied = {
            "patient_tags": orjson.dumps(dict(patient_tags)).decode(),
            **normalized_columns(Level.PATIENT, patient_tags),
        }
        session.run(_SET_PATIENT_TAGS, key=key, **{f"v_{name}": value for name, value in copied.items()})
    if level is Level.SERIES:
        study = session.value(_STUDY_OF, key=key)
        session.run(_SET_MODALITIES, key=study, value=packed(session.column(_MODALITIES, study=study)))
