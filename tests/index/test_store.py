"""Indexing, on both engines."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from orthanclite.core.constants import ChangeType, StoreStatus
from orthanclite.core.errors import FullStorage, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import OverwriteMode, Parts, SeriesStatus
from orthanclite.index import Limits, SqlIndex
from tests.support.records import record


def logged(index: SqlIndex) -> list[ChangeType]:
    return [change.type for change in index.changes.changes(0, 1000).changes]


def test_a_first_instance_creates_all_levels_and_logs_them_bottom_up(index: SqlIndex) -> None:
    outcome = index.ingest.store(record())
    assert outcome.status is StoreStatus.SUCCESS
    assert outcome.created == (Level.INSTANCE, Level.SERIES, Level.STUDY, Level.PATIENT)
    assert logged(index) == [
        ChangeType.NEW_INSTANCE,
        ChangeType.NEW_SERIES,
        ChangeType.NEW_STUDY,
        ChangeType.NEW_PATIENT,
    ]
    study = index.resources.get(Level.STUDY, outcome.ids.study)
    assert study is not None
    assert study.parent_id == outcome.ids.patient
    assert study.children == (outcome.ids.series,)
    assert study.patient_tags["0010,0010"] == "Noël^Anaïs"
    assert not study.is_stable


def test_a_second_instance_of_a_series_logs_only_itself(index: SqlIndex) -> None:
    index.ingest.store(record())
    outcome = index.ingest.store(record(instance="1.2.3.5"))
    assert outcome.created == (Level.INSTANCE,)
    assert logged(index)[4:] == [ChangeType.NEW_INSTANCE]
    counts = index.resources.counts()
    assert (counts.patients, counts.studies, counts.series, counts.instances) == (1, 1, 1, 2)
    assert counts.disk_size == 200


def test_overwriting_follows_its_mode(index: SqlIndex) -> None:
    first = record(md5="a" * 32)
    index.ingest.store(first)
    assert index.ingest.store(record()).status is StoreStatus.ALREADY_STORED
    same = index.ingest.store(record(md5="a" * 32, overwrite=OverwriteMode.IF_CHANGED))
    assert same.status is StoreStatus.ALREADY_STORED
    changed = index.ingest.store(record(md5="b" * 32, size=7, overwrite=OverwriteMode.IF_CHANGED))
    assert changed.status is StoreStatus.SUCCESS
    assert changed.removed_blobs == (first.attachments[0].uuid,)
    assert index.resources.counts().disk_size == 7
    always = index.ingest.store(record(md5="b" * 32, overwrite=OverwriteMode.ALWAYS))
    assert always.status is StoreStatus.SUCCESS
    assert index.resources.counts().instances == 1


def test_what_is_new_is_labelled_in_its_commit(index: SqlIndex) -> None:
    labels = dict.fromkeys(Level, ("b", "a", "a"))
    stored = index.ingest.store(record())
    for level in Level:  # which an instance that is overwritten loses, and what goes with it
        index.annotations.add_label(level, stored.ids.at(level), "old")
    index.ingest.store(replace(record(overwrite=OverwriteMode.ALWAYS), labels=labels))
    assert {tuple(index.annotations.labels(level, stored.ids.at(level))) for level in Level} == {("a", "b")}
    more = {Level.SERIES: ("c",), Level.INSTANCE: ("d",)}
    second = index.ingest.store(replace(record(instance="1.2.3.5"), labels=more))
    assert index.annotations.labels(Level.SERIES, stored.ids.series) == ["a", "b"]
    assert index.annotations.labels(Level.INSTANCE, second.ids.instance) == ["d"]


def test_concurrent_writers_of_one_series_lose_nothing(index: SqlIndex) -> None:
    def store(number: int) -> StoreStatus:
        return index.ingest.store(record(instance=f"1.2.3.{number % 40}")).status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(store, range(80)))
    assert statuses.count(StoreStatus.SUCCESS) == 40
    assert index.resources.counts().instances == 40
    numbers = [change.seq for change in index.changes.changes(0, 1000).changes]
    assert numbers == list(range(1, 44))


def test_two_servers_on_one_database_agree(database_url: str) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("a SQLite index belongs to one server")
    first, second = SqlIndex(database_url), SqlIndex(database_url)
    try:

        def store(number: int) -> StoreStatus:
            index = (first, second)[number % 2]
            return index.ingest.store(
                record(patient=f"p{number // 20}", instance=f"1.2.{number // 2}")
            ).status

        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(store, range(120)))
        assert statuses.count(StoreStatus.SUCCESS) == 60
        assert first.resources.counts() == second.resources.counts()
        counts = first.resources.counts()
        assert (counts.patients, counts.studies, counts.series, counts.instances) == (6, 6, 6, 60)
        assert len(first.resources.list_ids(Level.INSTANCE)) == 60
        numbers = [change.seq for change in second.changes.changes(0, 1000).changes]
        assert numbers == list(range(1, 79))
    finally:
        first.close()
        second.close()


def test_the_status_of_a_series_follows_its_instances(index: SqlIndex) -> None:
    series = index.ingest.store(record(instance="1.1", number="1", expected=2)).ids.series

    def status() -> SeriesStatus:
        found = index.resources.get(Level.SERIES, series)
        assert found is not None
        return found.status

    assert status() is SeriesStatus.MISSING
    index.ingest.store(record(instance="1.2", number="2", expected=2))
    assert status() is SeriesStatus.COMPLETE
    assert logged(index)[-1] is ChangeType.COMPLETED_SERIES
    index.ingest.store(record(instance="1.3", number="2", expected=2))
    assert status() is SeriesStatus.INCONSISTENT
    index.ingest.store(record(instance="1.4", number="x", expected=2))
    assert status() is SeriesStatus.UNKNOWN


def test_recycling_removes_the_patient_untouched_for_longest(database_url: str) -> None:
    index = SqlIndex(database_url, Limits(max_patients=2))
    try:
        oldest = index.ingest.store(record(patient="a")).ids.patient
        protected = index.ingest.store(record(patient="b")).ids.patient
        index.ingest.store(record(patient="a", instance="9"))
        index.resources.set_protected(protected, True)
        outcome = index.ingest.store(record(patient="c"))
        assert outcome.status is StoreStatus.SUCCESS
        assert len(outcome.removed_blobs) == 2
        assert not index.resources.exists(Level.PATIENT, oldest)
        assert index.resources.exists(Level.PATIENT, protected)
        index.resources.set_protected(outcome.ids.patient, True)
        with pytest.raises(FullStorage):
            index.ingest.store(record(patient="d"))
        assert index.resources.counts().patients == 2
    finally:
        index.close()


def test_reject_mode_refuses_and_changes_nothing(database_url: str) -> None:
    index = SqlIndex(database_url, Limits(max_bytes=250, reject=True))
    try:
        index.ingest.store(record(instance="1"))
        index.ingest.store(record(instance="2"))
        with pytest.raises(FullStorage):
            index.ingest.store(record(patient="other"))
        counts = index.resources.counts()
        assert (counts.patients, counts.instances, counts.disk_size) == (1, 2, 200)
        assert len(logged(index)) == 5
    finally:
        index.close()


@pytest.mark.parametrize("reject", [False, True])
def test_a_known_patient_is_never_one_too_many(database_url: str, reject: bool) -> None:
    """The limit of patients was lowered below what is there, all of it protected."""
    index = SqlIndex(database_url)
    try:
        for patient in ("a", "b"):
            index.resources.set_protected(index.ingest.store(record(patient=patient)).ids.patient, True)
    finally:
        index.close()
    index = SqlIndex(database_url, Limits(max_patients=1, reject=reject))
    try:
        outcome = index.ingest.store(record(patient="a", instance="9"))
        assert (outcome.status, outcome.recycled) == (StoreStatus.SUCCESS, ())
        with pytest.raises(FullStorage):
            index.ingest.store(record(patient="c"))
        counts = index.resources.counts()
        assert (counts.patients, counts.instances) == (2, 3)
    finally:
        index.close()


@pytest.mark.parametrize("reject", [False, True])
def test_an_instance_stays_whose_successor_has_no_room(database_url: str, reject: bool) -> None:
    index = SqlIndex(database_url, Limits(max_bytes=150, reject=reject))
    try:
        first = index.ingest.store(record(instance="1"))
        larger = record(instance="1", overwrite=OverwriteMode.ALWAYS, size=200)
        with pytest.raises(FullStorage):
            index.ingest.store(larger)
        counts = index.resources.counts()
        assert (counts.patients, counts.instances, counts.disk_size) == (1, 1, 100)
        assert index.resources.exists(Level.INSTANCE, first.ids.instance)
        known = index.ingest.store(record(instance="1", size=200))
        assert known.status is StoreStatus.ALREADY_STORED
    finally:
        index.close()


def test_deleting_takes_empty_parents_along(index: SqlIndex) -> None:
    first = index.ingest.store(record(instance="1", modality="CT"))
    other = index.ingest.store(record(series="7", instance="2", modality="MR"))
    assert index.resources.modalities_in_study(first.ids.study) == ("CT", "MR")
    outcome = index.resources.delete(Level.INSTANCE, other.ids.instance)
    assert outcome.remaining_ancestor is not None
    assert outcome.remaining_ancestor.path == f"/studies/{first.ids.study}"
    assert {ref.level for ref in outcome.deleted} == {Level.INSTANCE, Level.SERIES}
    assert index.resources.modalities_in_study(first.ids.study) == ("CT",)
    last = index.resources.delete(Level.SERIES, first.ids.series)
    assert last.remaining_ancestor is None
    assert index.resources.counts() == index.resources.counts().__class__(0, 0, 0, 0, 0, 0)
    assert index.changes.changes(0, 100).changes == ()
    assert index.changes.last_change().last == 6
    with pytest.raises(UnknownResource):
        index.resources.delete(Level.SERIES, first.ids.series)


def test_stable_events_come_once_and_survive_a_restart(database_url: str) -> None:
    index = SqlIndex(database_url)
    ids = index.ingest.store(record()).ids
    index.close()
    index = SqlIndex(database_url)
    try:
        assert len(index.maintenance.mark_stable(time.time() - 60)) == 0
        assert len(index.maintenance.mark_stable(time.time() + 1)) == 3
        assert len(index.maintenance.mark_stable(time.time() + 1)) == 0
        assert logged(index)[4:] == [
            ChangeType.STABLE_SERIES,
            ChangeType.STABLE_STUDY,
            ChangeType.STABLE_PATIENT,
        ]
        patient = index.resources.get(Level.PATIENT, ids.patient, Parts.NONE)
        assert patient is not None
        assert patient.is_stable
        index.ingest.store(record(instance="8"))
        assert len(index.maintenance.mark_stable(time.time() + 1)) == 3
    finally:
        index.close()
