"""Indexing a new instance: one look-up, then three rows when its series is known."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Table, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from orthanclite.core.constants import AttachmentType, ChangeType, Metadata, StoreStatus
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import DEFAULT_MAIN_TAGS, tag_key
from orthanclite.core.model import InstanceRecord, OverwriteMode, ResourceRef, StoreOutcome, TagValues
from orthanclite.core.text.normalize import normalize
from orthanclite.index.database.transaction import Transaction
from orthanclite.index.resources.attachments import add_attachment
from orthanclite.index.resources.journal import add_to_journal
from orthanclite.index.resources.labels import add_labels
from orthanclite.index.resources.remove import Limits, delete_resource, make_room, packed, unpacked
from orthanclite.index.schema import (
    COLUMNS,
    TABLES,
    attachments,
    extra_tags,
    instances,
    patients,
    series,
    signatures,
    studies,
)

_FIND_SERIES = (
    select(
        series.c.id,
        studies.c.id,
        patients.c.id,
        series.c.last_update,
        studies.c.last_update,
        patients.c.last_update,
        series.c.unstable_since,
        studies.c.unstable_since,
        patients.c.unstable_since,
        series.c.sop_classes,
        instances.c.id,
    )
    .select_from(
        series.join(studies, series.c.parent == studies.c.id)
        .join(patients, studies.c.parent == patients.c.id)
        .outerjoin(instances, instances.c.public_id == bindparam("instance"))
    )
    .where(series.c.public_id == bindparam("series"))
)
_FIND_ID = {
    level: select(t.c.id).where(t.c.public_id == bindparam("public_id")) for level, t in TABLES.items()
}
_ADD_SIGNATURE = insert(signatures).values(value=bindparam("value"))
_FIND_SIGNATURE = select(signatures.c.id).where(signatures.c.value == bindparam("value"))
_STORED_MD5 = select(attachments.c.md5).where(
    attachments.c.level == int(Level.INSTANCE),
    attachments.c.resource == bindparam("resource"),
    attachments.c.type == int(AttachmentType.DICOM),
)
_ADD_EXTRA = insert(extra_tags).values({c.name: bindparam(c.name) for c in extra_tags.c})
_TOUCH = {
    level: update(TABLES[level])
    .where(TABLES[level].c.id == bindparam("key"))
    .values(last_update=bindparam("now"), unstable_since=bindparam("since"))
    for level in (Level.STUDY, Level.SERIES)
} | {
    Level.PATIENT: update(patients)
    .where(patients.c.id == bindparam("key"))
    .values(
        last_update=bindparam("now"), unstable_since=bindparam("since"), recycling_order=bindparam("since")
    )
}
_STUDY_MODALITIES = select(studies.c.modalities).where(studies.c.id == bindparam("key"))
_SET_MODALITIES = (
    update(studies).where(studies.c.id == bindparam("key")).values(modalities=bindparam("value"))
)
_LOCK_SOP_CLASSES = (
    select(series.c.sop_classes).where(series.c.id == bindparam("key")).with_for_update(key_share=True)
)
_SET_SOP_CLASSES = (
    update(series).where(series.c.id == bindparam("key")).values(sop_classes=bindparam("value"))
)
_INDICES = select(
    func.count(),
    func.count(instances.c.index_in_series),
    func.count(instances.c.index_in_series.distinct()),
    func.min(instances.c.index_in_series),
    func.max(instances.c.index_in_series),
).where(instances.c.parent == bindparam("series"))
_EXPECTED = select(series.c.expected_instances).where(series.c.id == bindparam("key"))

_NEW: dict[Level, ChangeType] = {
    Level.PATIENT: ChangeType.NEW_PATIENT,
    Level.STUDY: ChangeType.NEW_STUDY,
    Level.SERIES: ChangeType.NEW_SERIES,
    Level.INSTANCE: ChangeType.NEW_INSTANCE,
}
_DEFAULT_KEYS = {level: frozenset(map(tag_key, tags)) for level, tags in DEFAULT_MAIN_TAGS.items()}
_COLUMN_KEYS = {
    level: tuple((tag_key(tag), column) for tag, column in columns.items())
    for level, columns in COLUMNS.items()
}


def _insert_ignore(table: Table, dialect: str) -> Any:
    """Insert unless the ``public_id`` is there already; the number of the new row, or nothing."""
    build = sqlite.insert if dialect == "sqlite" else postgresql.insert
    columns = [c.name for c in table.c if c.name != "id"]
    statement = build(table).values({name: bindparam(name) for name in columns})
    return statement.on_conflict_do_nothing(index_elements=[table.c.public_id]).returning(table.c.id)


_INSERTS = {
    dialect: {level: _insert_ignore(table, dialect) for level, table in TABLES.items()}
    for dialect in ("sqlite", "postgresql")
}


@dataclass(slots=True)
class _Chain:
    """The internal numbers of an instance's ancestors."""

    keys: dict[Level, int]
    created: list[Level]
    sop_classes: str = ""


class StoreOperation:
    """One instance to index; an operation of ``index.writer``."""

    def __init__(
        self, record: InstanceRecord, limits: Limits, signature_ids: Mapping[str, int], owner: int
    ) -> None:
        """:param owner: the server that this instance's entry of the journal belongs to"""
        self.record = record
        self.limits = limits
        self.signature_ids = signature_ids
        self.owner = owner

    def __call__(self, tx: Transaction) -> StoreOutcome:
        record, session = self.record, tx.session
        removed: list[str] = []
        recycled: list[ResourceRef] = []
        overwritten = False
        row = session.one(_FIND_SERIES, series=record.ids.series, instance=record.ids.instance)
        while row is not None and row[10] is not None:  # again where another server overwrites it, too
            if self._keeps(session.value(_STORED_MD5, resource=row[10])):
                return StoreOutcome(StoreStatus.ALREADY_STORED, record.ids)
            outcome = delete_resource(tx, Level.INSTANCE, row[10])
            removed += outcome.removed_blobs
            overwritten = overwritten or bool(outcome.deleted)
            row = session.one(_FIND_SERIES, series=record.ids.series, instance=record.ids.instance)
        if self.limits.active:
            size = sum(attachment.stored_size for attachment in record.attachments)
            recycled, blobs = make_room(tx, self.limits, size, record.ids.patient)
            removed += blobs
            if row is None or removed:
                row = session.one(_FIND_SERIES, series=record.ids.series, instance=record.ids.instance)
        moment = time.time()
        chain = self._create_ancestors(tx, moment) if row is None else self._touch_ancestors(tx, row, moment)
        key = self._insert(tx, Level.INSTANCE, chain.keys[Level.SERIES], moment)
        if key is None:  # another server was faster
            return StoreOutcome(
                StoreStatus.ALREADY_STORED,
                record.ids,
                removed_blobs=tuple(removed),
                recycled=tuple(recycled),
            )
        self._add_attachments(tx, key)
        if record.journal is not None:
            add_to_journal(session, *record.journal, self.owner)
        self._note_sop_class(tx, chain)
        created = [Level.INSTANCE, *reversed(chain.created)]
        keys = chain.keys | {Level.INSTANCE: key}
        self._add_labels(tx, {level: keys[level] for level in created})
        for level in created:
            tx.count(level, 1)
            tx.log(_NEW[level], level, keys[level], record.ids.at(level))
        self._log_completion(tx, chain, row is not None)
        return StoreOutcome(
            StoreStatus.SUCCESS, record.ids, tuple(created), tuple(removed), overwritten, tuple(recycled)
        )

    def _keeps(self, stored_md5: str | None) -> bool:
        """Whether the instance that is there already stays."""
        mode = self.record.overwrite
        if mode is OverwriteMode.IF_CHANGED:
            files = (file for file in self.record.attachments if file.type == AttachmentType.DICOM)
            return any(file.md5 and file.md5 == stored_md5 for file in files)
        return mode is OverwriteMode.NEVER

    def _touch_ancestors(self, tx: Transaction, row: tuple[Any, ...], moment: float) -> _Chain:
        """Renew the dates of known ancestors, at most once a second each: that is their resolution."""
        levels = (Level.SERIES, Level.STUDY, Level.PATIENT)
        exact_order = self.limits.active
        for i, level in enumerate(levels):
            fresh = row[3 + i] == tx.now and row[6 + i] is not None and moment - row[6 + i] < 1
            if not fresh or (exact_order and level is Level.PATIENT):
                tx.session.run(_TOUCH[level], key=row[i], now=tx.now, since=moment)
        return _Chain({level: row[i] for i, level in enumerate(levels)}, [], row[9])

    def _create_ancestors(self, tx: Transaction, moment: float) -> _Chain:
        chain = _Chain({}, [])
        parent: int | None = None
        for level in (Level.PATIENT, Level.STUDY, Level.SERIES):
            public_id = self.record.ids.at(level)
            key = tx.session.value(_FIND_ID[level], public_id=public_id)
            if key is None:
                key = self._insert(tx, level, parent, moment)
                if key is None:
                    key = tx.session.value(_FIND_ID[level], public_id=public_id)
                else:
                    chain.created.append(level)
            if level not in chain.created:
                tx.session.run(_TOUCH[level], key=key, now=tx.now, since=moment)
            parent = chain.keys[level] = key
        if Level.SERIES in chain.created:
            self._note_modality(tx, chain)
        return chain

    def _insert(self, tx: Transaction, level: Level, parent: int | None, moment: float) -> int | None:
        record = self.record
        tags = record.tags[level]
        params: dict[str, Any] = {
            "public_id": record.ids.at(level),
            "tags": orjson.dumps(dict(tags)).decode(),
            "meta": self._meta(level),
            "signature": self.signature_ids[record.signatures[level]],
        }
        params |= normalized_columns(level, tags)
        if level is not Level.PATIENT:
            params["parent"] = parent
        if level is Level.INSTANCE:
            params["sop_class_uid"] = record.sop_class_uid
            params["index_in_series"] = _integer(record.metadata[level].get(Metadata.INDEX_IN_SERIES))
        else:
            params |= {"last_update": tx.now, "unstable_since": moment}
        if level is Level.PATIENT:
            params |= {"protected": False, "recycling_order": moment}
        elif level is Level.STUDY:
            patient = record.tags[Level.PATIENT]
            params |= {"patient_tags": orjson.dumps(dict(patient)).decode(), "modalities": ""}
            params |= normalized_columns(Level.PATIENT, patient)
        elif level is Level.SERIES:
            params |= {"expected_instances": record.expected_instances, "sop_classes": ""}
        new: int | None = tx.session.value(_INSERTS[tx.session.dialect][level], **params)
        if new is not None:
            add_extra_tags(tx, level, new, tags)
        return new

    def _meta(self, level: Level) -> str:
        meta = {str(int(number)): value for number, value in self.record.metadata.get(level, {}).items()}
        if level is Level.SERIES and self.record.expected_instances is not None:
            meta[str(int(Metadata.EXPECTED_NUMBER_OF_INSTANCES))] = str(self.record.expected_instances)
        return orjson.dumps(meta).decode()

    def _add_attachments(self, tx: Transaction, key: int) -> None:
        for attachment in self.record.attachments:
            add_attachment(tx, Level.INSTANCE, key, attachment)

    def _add_labels(self, tx: Transaction, created: Mapping[Level, int]) -> None:
        """Label the new resources in the commit that makes them: after a crash, nobody may know the labels of
        what an instance has replaced."""
        for level, given in self.record.labels.items():
            if level in created:
                add_labels(tx, level, created[level], given)

    def _note_modality(self, tx: Transaction, chain: _Chain) -> None:
        modality = normalize(self.record.tags[Level.SERIES].get("0008,0060", ""))
        if modality:
            study = chain.keys[Level.STUDY]
            known = tx.session.value(_STUDY_MODALITIES, key=study)
            if f"\\{modality}\\" not in known:
                tx.session.run(_SET_MODALITIES, key=study, value=packed({*unpacked(known), modality}))

    def _note_sop_class(self, tx: Transaction, chain: _Chain) -> None:
        uid = self.record.sop_class_uid
        if uid and f"\\{uid}\\" not in chain.sop_classes:
            key = chain.keys[Level.SERIES]
            known = tx.session.value(_LOCK_SOP_CLASSES, key=key)  # another server may have added one
            tx.session.run(_SET_SOP_CLASSES, key=key, value=packed({*unpacked(known), uid}))

    def _log_completion(self, tx: Transaction, chain: _Chain, known: bool) -> None:
        expected = self.record.expected_instances
        if known and expected is None:
            return  # the reference looks at the series' own number; it was computed from the same attributes
        key = chain.keys[Level.SERIES]
        expected = tx.session.value(_EXPECTED, key=key)
        if expected is None:
            return
        count, numbered, distinct, lowest, highest = tx.session.one(_INDICES, series=key) or (0,) * 5
        if count == numbered == distinct == expected and lowest >= 1 and highest <= expected:
            tx.log(ChangeType.COMPLETED_SERIES, Level.SERIES, key, self.record.ids.series)


def normalized_columns(level: Level, tags: TagValues) -> dict[str, str | None]:
    """The searched columns of a level; None where the attribute is absent."""
    return {
        column: None if (value := tags.get(key)) is None else normalize(value)
        for key, column in _COLUMN_KEYS[level]
    }


def add_extra_tags(tx: Transaction, level: Level, key: int, tags: TagValues) -> None:
    """Keep the normalised values of the main tags that ``ExtraMainDicomTags`` adds."""
    extra = tags.keys() - _DEFAULT_KEYS[level]
    if extra:
        owner = {"level": int(level), "resource": key}
        tx.session.run_many(
            _ADD_EXTRA, [{**owner, "tag": tag, "value": normalize(tags[tag])} for tag in sorted(extra)]
        )


def signature_ids(tx: Transaction, texts: Iterable[str]) -> dict[str, int]:
    """The numbers of signatures, given to new ones here; an operation of its own, so that they are
    committed before an instance refers to them."""
    numbers: dict[str, int] = {}
    for text in texts:
        number = tx.session.value(_FIND_SIGNATURE, value=text)
        if number is None:
            tx.session.run(_ADD_SIGNATURE, value=text)
            number = tx.session.value(_FIND_SIGNATURE, value=text)
        numbers[text] = number
    return numbers


def _integer(text: str | None) -> int | None:
    """A number in series that fits the column, or None."""
    if text is None:
        return None
    try:
        value = int(text.strip())
    except ValueError:
        return None
    return value if -(2**31) <= value < 2**31 else None
