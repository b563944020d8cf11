"""Removing resources: by request, to overwrite, or to make room."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, delete, func, select, update

from orthanclite.core.errors import FullStorage
from orthanclite.core.levels import Level
from orthanclite.core.model import DeleteOutcome, ResourceRef
from orthanclite.index.database.session import Many, any_of, chunks
from orthanclite.index.database.transaction import Transaction
from orthanclite.index.schema import (
    TABLES,
    attachments,
    changes,
    extra_tags,
    instances,
    labels,
    patients,
    series,
    studies,
    user_metadata,
)

_CHILDREN = {
    level: select(TABLES[level].c.id).where(any_of(TABLES[level].c.parent, "parents"))
    for level in (Level.STUDY, Level.SERIES, Level.INSTANCE)
}
_FILES = (
    delete(attachments)
    .where(attachments.c.level == bindparam("level"), any_of(attachments.c.resource, "keys"))
    .returning(attachments.c.uuid, attachments.c.stored_size, attachments.c.size)
)
_OWNED = tuple(
    delete(table).where(table.c.level == bindparam("level"), any_of(table.c.resource, "keys"))
    for table in (user_metadata, labels, extra_tags, changes)
)
_LOCK = {
    level: select(table.c.id).where(any_of(table.c.id, "keys")).order_by(table.c.id).with_for_update()
    for level, table in TABLES.items()
}
_ROWS = {level: delete(table).where(any_of(table.c.id, "keys")) for level, table in TABLES.items()}
_PARENT = {
    level: select(TABLES[level].c.parent).where(TABLES[level].c.id == bindparam("key"))
    for level in (Level.STUDY, Level.SERIES, Level.INSTANCE)
}
_ANY_CHILD = {
    level: select(TABLES[Level(level + 1)].c.id)
    .where(TABLES[Level(level + 1)].c.parent == bindparam("key"))
    .limit(1)
    for level in (Level.PATIENT, Level.STUDY, Level.SERIES)
}
_PUBLIC_ID = {
    level: select(table.c.public_id).where(table.c.id == bindparam("key")) for level, table in TABLES.items()
}
_TOUCH = {
    level: update(TABLES[level])
    .where(TABLES[level].c.id == bindparam("key"))
    .values(last_update=bindparam("now"))
    for level in (Level.PATIENT, Level.STUDY, Level.SERIES)
}
_SOP_CLASS = select(instances.c.sop_class_uid).where(instances.c.id == bindparam("key"))
_SAME_SOP_CLASS = (
    select(instances.c.id)
    .where(instances.c.parent == bindparam("series"), instances.c.sop_class_uid == bindparam("uid"))
    .limit(1)
)
_SOP_CLASSES = select(series.c.sop_classes).where(series.c.id == bindparam("key"))
_SET_SOP_CLASSES = (
    update(series).where(series.c.id == bindparam("key")).values(sop_classes=bindparam("value"))
)
_MODALITIES = (
    select(series.c.modality)
    .distinct()
    .where(series.c.parent == bindparam("study"), series.c.modality.is_not(None))
)
_SET_MODALITIES = (
    update(studies).where(studies.c.id == bindparam("key")).values(modalities=bindparam("value"))
)
_OLDEST_PATIENT = (
    select(patients.c.id)
    .where(patients.c.protected.is_(False), patients.c.public_id != bindparam("spared"))
    .order_by(patients.c.recycling_order, patients.c.id)
    .limit(1)
)
_PATIENT_EXISTS = select(func.count()).select_from(patients).where(patients.c.public_id == bindparam("id"))


@dataclass(frozen=True, slots=True)
class Limits:
    """``MaximumStorageSize`` (bytes), ``MaximumPatientCount`` and ``MaximumStorageMode``; 0 is no limit."""

    max_bytes: int = 0
    max_patients: int = 0
    reject: bool = False

    @property
    def active(self) -> bool:
        return bool(self.max_bytes or self.max_patients)


def packed(values: Iterable[str]) -> str:
    r"""A set as the columns ``modalities`` and ``sop_classes`` keep it: sorted, ``\CT\MR\``."""
    members = sorted(set(values))
    return "\\" + "\\".join(members) + "\\" if members else ""


def unpacked(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split("\\") if part)


def delete_resource(tx: Transaction, level: Level, key: int) -> DeleteOutcome:
    """Remove a resource, all below it, and the ancestors left without children.

    The ancestor that remains, and those above it, get a new ``last_update``. Nothing is deleted where another
    server has just removed the resource.
    """
    deleted: list[ResourceRef] = []
    blobs: list[str] = []
    if not _lock(tx, level, [key]):
        return DeleteOutcome(None, (), ())
    sop_class = tx.session.value(_SOP_CLASS, key=key) if level is Level.INSTANCE else None
    while True:
        parent_level = level.parent
        parent = 0 if parent_level is None else int(tx.session.value(_PARENT[level], key=key))
        deleted.append(ResourceRef(level, tx.session.value(_PUBLIC_ID[level], key=key)))
        blobs += _delete_tree(tx, level, [key])
        if parent_level is None:
            return DeleteOutcome(None, tuple(blobs), tuple(deleted))
        # Another server may be at its last other child: whoever comes second sees that none is left.
        _lock(tx, parent_level, [parent])
        if tx.session.value(_ANY_CHILD[parent_level], key=parent) is not None:
            break
        level, key = parent_level, parent
    remaining = ResourceRef(parent_level, tx.session.value(_PUBLIC_ID[parent_level], key=parent))
    _refresh_ancestors(tx, parent_level, parent, sop_class)
    return DeleteOutcome(remaining, tuple(blobs), tuple(deleted))


def _delete_tree(tx: Transaction, level: Level, keys: list[int]) -> list[str]:
    """Delete rows and all their descendants; the UUIDs of their blobs.

    Only what this transaction itself deletes is counted: another server may be at the same resources.
    """
    blobs: list[str] = []
    for wanted in chunks(keys):
        batch = _lock(tx, level, wanted)
        child = level.child
        if child is not None:
            blobs += _delete_tree(tx, child, tx.session.column(_CHILDREN[child], parents=batch))
        for uuid, stored_size, size in tx.session.all(_FILES, level=int(level), keys=batch):
            blobs.append(uuid)
            tx.count_bytes(-stored_size, -size)
        for statement in _OWNED:
            tx.session.run(statement, level=int(level), keys=batch)
        tx.count(level, -tx.session.run(_ROWS[level], keys=batch))
        tx.forget_changes(level, set(batch))
    return blobs


def _lock(tx: Transaction, level: Level, keys: list[int]) -> Many:
    """Have other servers wait that change rows, or add children to them; those that are there."""
    return Many(tx.session.column(_LOCK[level], keys=Many(keys)))


def _refresh_ancestors(tx: Transaction, level: Level, key: int, sop_class: str | None) -> None:
    """Bring up to date what the remaining ancestors keep of the children that are gone."""
    session = tx.session
    if (
        level is Level.SERIES
        and sop_class
        and session.one(_SAME_SOP_CLASS, series=key, uid=sop_class) is None
    ):
        known = set(unpacked(session.value(_SOP_CLASSES, key=key)))
        session.run(_SET_SOP_CLASSES, key=key, value=packed(known - {sop_class}))
    if level is Level.STUDY:
        session.run(_SET_MODALITIES, key=key, value=packed(session.column(_MODALITIES, study=key)))
    current: Level | None = level
    while current is not None:
        session.run(_TOUCH[current], key=key, now=tx.now)
        above = current.parent
        if above is not None:
            key = session.value(_PARENT[current], key=key)
        current = above


def make_room(
    tx: Transaction, limits: Limits, size: int, patient: str
) -> tuple[list[ResourceRef], list[str]]:
    """Recycle the patients that received nothing for the longest time until ``size`` bytes fit.

    Adding to a known patient makes no more patients, so their number does not matter then, even where it is
    beyond its limit.

    :param patient: Orthanc ID of the patient that is being added to: never recycled
    :return: the recycled patients, and the UUIDs of the blobs to delete after the commit
    :raises FullStorage: in mode Reject, or when nothing more may be recycled
    """
    recycled: list[ResourceRef] = []
    blobs: list[str] = []
    is_new = not tx.session.value(_PATIENT_EXISTS, id=patient)
    if not is_new:
        limits = replace(limits, max_patients=0)
    while not _fits(tx, limits, size, is_new):
        if limits.reject:
            raise FullStorage("The limits of the storage area are reached (MaximumStorageMode is Reject)")
        oldest = _recycle_oldest(tx, patient)
        if oldest is None:
            raise FullStorage("No unprotected patient is left to recycle")
        recycled += oldest.deleted
        blobs += oldest.removed_blobs
    return recycled, blobs


def recycle(tx: Transaction, limits: Limits) -> DeleteOutcome | None:
    """Recycle one patient, if what is stored is beyond the limits.

    :return: None where it is not, where nothing may be recycled, and in mode Reject
    """
    if limits.reject or _fits(tx, limits, 0, new_patient=False):
        return None
    return _recycle_oldest(tx, "")


def _recycle_oldest(tx: Transaction, spared: str) -> DeleteOutcome | None:
    """Remove the unprotected patient that received nothing for the longest time, but not ``spared``.

    Nothing is deleted where another server has just done so.

    :return: None where there is no such patient
    """
    oldest = tx.session.value(_OLDEST_PATIENT, spared=spared)
    if oldest is None:
        return None
    outcome = delete_resource(tx, Level.PATIENT, oldest)
    if not outcome.deleted:
        tx.forget_totals()  # there may be room enough now
    return outcome


def _fits(tx: Transaction, limits: Limits, size: int, new_patient: bool) -> bool:
    totals = tx.totals()
    if limits.max_bytes and totals[4] + size > limits.max_bytes:
        return False
    return not (limits.max_patients and totals[0] + new_patient > limits.max_patients)
