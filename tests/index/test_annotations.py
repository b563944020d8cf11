"""Metadata, attachments, labels, logs and properties, on both engines."""

from __future__ import annotations

import hashlib

import pytest

from orthanclite.core.constants import ChangeType
from orthanclite.core.errors import RevisionConflict, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import Attachment, Export
from orthanclite.index import SqlIndex
from tests.support.records import record


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@pytest.fixture
def study(index: SqlIndex) -> str:
    return index.ingest.store(record()).ids.study


def test_revisions_of_metadata_grow_and_are_checked(index: SqlIndex, study: str) -> None:
    annotations = index.annotations
    assert annotations.set_metadata(Level.STUDY, study, 1024, "one") == 0
    with pytest.raises(RevisionConflict):
        annotations.set_metadata(Level.STUDY, study, 1024, "two", must_match=True)
    with pytest.raises(RevisionConflict):
        annotations.set_metadata(Level.STUDY, study, 1024, "two", expected=(1, md5("one")))
    with pytest.raises(RevisionConflict):
        annotations.set_metadata(Level.STUDY, study, 1024, "two", expected=(0, md5("other")))
    assert annotations.set_metadata(Level.STUDY, study, 1024, "two", expected=(0, md5("one"))) == 1
    assert annotations.metadata(Level.STUDY, study)[1024].value == "two"
    annotations.delete_metadata(Level.STUDY, study, 1024)
    with pytest.raises(UnknownResource):
        annotations.delete_metadata(Level.STUDY, study, 1024)
    assert annotations.set_metadata(Level.STUDY, study, 1024, "again") == 0
    types = [change.type for change in index.changes.changes(4).changes]
    assert types == [ChangeType.UPDATED_METADATA] * 4


def test_attachments_count_in_the_statistics(index: SqlIndex, study: str) -> None:
    annotations = index.annotations
    before = index.resources.counts().disk_size
    first = Attachment(1024, "11111111-1111-4111-8111-111111111111", 10, "m", 4, "n", True)
    assert annotations.set_attachment(Level.STUDY, study, first) == (0, None)
    assert index.resources.counts().disk_size == before + 4
    assert index.resources.counts(Level.STUDY, study).uncompressed_size == 110
    second = Attachment(1024, "22222222-2222-4222-8222-222222222222", 20, "o", 20, "o")
    assert annotations.set_attachment(Level.STUDY, study, second, expected=(0, "m")) == (1, first.uuid)
    assert annotations.attachments(Level.STUDY, study)[1024].revision == 1
    with pytest.raises(RevisionConflict):
        annotations.delete_attachment(Level.STUDY, study, 1024, expected=(0, "m"))
    assert annotations.delete_attachment(Level.STUDY, study, 1024) == second.uuid
    assert index.resources.counts().disk_size == before


def test_labels_are_sets(index: SqlIndex, study: str) -> None:
    annotations = index.annotations
    for label in ("b", "a", "a"):
        annotations.add_label(Level.STUDY, study, label)
    assert annotations.labels(Level.STUDY, study) == ["a", "b"]
    annotations.remove_label(Level.STUDY, study, "a")
    annotations.remove_label(Level.STUDY, study, "never")
    assert annotations.all_labels() == ["b"]
    index.resources.delete(Level.STUDY, study)
    assert annotations.all_labels() == []


def test_changes_are_paged_both_ways(index: SqlIndex) -> None:
    for number in range(5):
        index.ingest.store(record(instance=f"1.{number}"))
    page = index.changes.changes(0, 3)
    assert ([change.seq for change in page.changes], page.done, page.last) == ([1, 2, 3], False, 3)
    page = index.changes.changes(6, 3)
    assert ([change.seq for change in page.changes], page.done, page.last) == ([7, 8], True, 8)
    page = index.changes.changes(0, 2, to=6)
    assert [change.seq for change in page.changes] == [5, 6]
    page = index.changes.changes(0, 10, types=[ChangeType.NEW_STUDY, ChangeType.NEW_PATIENT])
    assert [change.seq for change in page.changes] == [3, 4]
    page = index.changes.changes(100, 10)
    assert (page.changes, page.done, page.last) == ((), True, 8)
    index.changes.clear_changes()
    index.ingest.store(record(instance="2.1"))
    assert index.changes.last_change().last == 9


def test_exports_have_numbers_of_their_own(index: SqlIndex) -> None:
    for number in range(3):
        index.changes.add_export(
            Export(0, Level.STUDY, f"id{number}", "pacs", "20240101T000000", "p", "1.2", "", "")
        )
    page = index.changes.exports(1, 1)
    assert ([export.id for export in page.exports], page.done, page.last) == (["id1"], False, 2)
    index.changes.clear_exports()
    assert index.changes.last_export().last == 0


def test_counters_and_properties_survive(database_url: str) -> None:
    index = SqlIndex(database_url)
    index.properties.set_property("name", "value")
    assert [index.properties.increment("counter") for _ in range(3)] == [1, 2, 3]
    index.close()
    index = SqlIndex(database_url)
    assert index.properties.get_property("name") == "value"
    assert index.properties.increment("counter") == 4
    index.properties.set_property("name", None)
    assert index.properties.get_property("name") is None
    index.close()
