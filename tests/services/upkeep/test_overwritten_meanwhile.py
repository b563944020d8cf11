"""Instances that are overwritten while their file is read to be stored or indexed anew.

Without MD5s, the revision and the MD5 of the new file are those of the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from orthanclite.core.constants import AttachmentType, Metadata
from orthanclite.core.errors import RevisionConflict, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.metrics import Metrics
from orthanclite.core.model import OverwriteMode, Parts, Resource
from orthanclite.core.names import NameRegistry
from orthanclite.services.content.attachments import AttachmentOptions, AttachmentService
from orthanclite.services.content.files import InstanceFiles
from orthanclite.services.ingest.service import IngestOptions
from orthanclite.services.ingest.storing import FileOptions
from orthanclite.services.upkeep.reconstruct import ReconstructService
from tests.support.lab import Lab, lab
from tests.support.records import dicom_file

OLD = dicom_file(InstanceNumber=1, SeriesDescription="OLD", PatientName="Old", side=10)
NEW = dicom_file(InstanceNumber=2, SeriesDescription="NEW", PatientName="New", side=12)
SIBLING = dicom_file(instance="1.2.3.5", InstanceNumber=3, SeriesDescription="SIBLING")


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Lab]:
    options = IngestOptions(overwrite=OverwriteMode.ALWAYS, store_md5=False)
    with lab(tmp_path, options, database=database_url) as made:
        made.store(OLD)
        yield made


def service(bench: Lab, compress: bool) -> ReconstructService:
    index = bench.index
    files = InstanceFiles(index.resources, bench.reader, bench.dictionary, bench.runtime, Metrics())
    options = FileOptions(compress=compress, store_md5=False)
    return ReconstructService(
        index.resources, bench.blobs, files, MainTags.build(), bench.dictionary, options
    )


def before_first(monkeypatch: pytest.MonkeyPatch, target: Any, name: str, act: Callable[[], object]) -> None:
    """Have something happen before a method is called for the first time."""
    method = getattr(target, name)
    acts = [act]

    def watched(*args: Any, **kw: Any) -> Any:
        if acts:
            acts.pop()()
        return method(*args, **kw)

    monkeypatch.setattr(target, name, watched)


def only(bench: Lab, level: Level) -> Resource:
    parts = Parts.ATTACHMENTS if level is Level.INSTANCE else Parts.SHOWN
    [id] = bench.resources.list_ids(level)
    resource = bench.resources.get(level, id, parts)
    assert resource is not None
    return resource


def assert_new(bench: Lab) -> None:
    """The index and the storage have the new file, and nothing of the old one."""
    instance, series = only(bench, Level.INSTANCE), only(bench, Level.SERIES)
    attachment = instance.attachments[AttachmentType.DICOM]
    assert bench.reader.read(attachment) == NEW
    assert [uuid for uuid, _, _ in bench.blobs.scan()] == [attachment.uuid]
    assert instance.tags["0020,0013"] == "2"
    assert instance.system_metadata[Metadata.INDEX_IN_SERIES] == "2"
    assert instance.system_metadata[Metadata.PIXEL_DATA_OFFSET] == str(NEW.index(b"\xe0\x7f\x10\x00"))
    assert series.tags["0008,103e"] == "NEW"
    counts = bench.resources.counts()
    assert counts.disk_size == attachment.stored_size


def test_a_compression_does_not_bring_the_old_file_back(bench: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    attachments = AttachmentService(
        bench.index.annotations,
        bench.blobs,
        NameRegistry.of_attachments({}),
        AttachmentOptions(store_md5=False),
    )
    id = only(bench, Level.INSTANCE).id
    before_first(monkeypatch, bench.index.annotations, "replace_blob", lambda: bench.store(NEW))
    with pytest.raises(RevisionConflict):
        attachments.set_compression(Level.INSTANCE, id, AttachmentType.DICOM, True)
    assert_new(bench)
    attachments.set_compression(Level.INSTANCE, id, AttachmentType.DICOM, True)
    attachment = only(bench, Level.INSTANCE).attachments[AttachmentType.DICOM]
    assert attachment.compressed
    assert attachment.revision == 1
    assert bench.reader.read(attachment) == NEW
    assert [uuid for uuid, _, _ in bench.blobs.scan()] == [attachment.uuid]


@pytest.mark.parametrize("moment", ["reconstruct", "head"])
@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("only_this_level", [False, True])
def test_old_tags_are_not_written_to_the_new_instance(
    bench: Lab, monkeypatch: pytest.MonkeyPatch, level: Level, moment: str, only_this_level: bool
) -> None:
    """Nor to its ancestors, which were made anew with it."""
    id = only(bench, level).id
    reconstruction = service(bench, compress=False)
    target = bench.resources if moment == "reconstruct" else reconstruction._files
    before_first(monkeypatch, target, moment, lambda: bench.store(NEW))
    reconstruction.reconstruct(level, id, only_this_level=only_this_level)
    assert_new(bench)


@pytest.mark.parametrize("moment", ["content", "_store", "reconstruct"])
def test_a_renewal_does_not_bring_the_old_file_back(
    bench: Lab, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    reconstruction = service(bench, compress=True)
    targets = {"content": reconstruction._files, "_store": reconstruction, "reconstruct": bench.resources}
    id = only(bench, Level.INSTANCE).id
    with monkeypatch.context() as patch:
        before_first(patch, targets[moment], moment, lambda: bench.store(NEW))
        with pytest.raises(RevisionConflict):
            reconstruction.renew_file(id)
    assert_new(bench)
    with monkeypatch.context() as patch:
        before_first(patch, targets[moment], moment, lambda: bench.store(NEW))
        reconstruction.reconstruct(Level.PATIENT, only(bench, Level.PATIENT).id, files=True)
    assert_new(bench)
    assert reconstruction.renew_file(id)
    assert bench.reader.read(only(bench, Level.INSTANCE).attachments[AttachmentType.DICOM]) == NEW


def test_what_is_deleted_meanwhile_stays_deleted(bench: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = only(bench, Level.PATIENT).id

    def delete() -> None:
        for uuid in bench.resources.delete(Level.PATIENT, patient).removed_blobs:
            bench.blobs.delete(uuid)

    before_first(monkeypatch, bench.resources, "reconstruct", delete)
    with suppress(UnknownResource):
        service(bench, compress=True).reconstruct(Level.PATIENT, patient, files=True)
    assert bench.resources.list_ids(Level.PATIENT) == []
    assert list(bench.blobs.scan()) == []


def test_a_sibling_tells_of_the_series_where_the_first_file_is_gone(
    bench: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.store(SIBLING)
    [series] = bench.resources.list_ids(Level.SERIES)
    ids = bench.resources.descendant_ids(Level.SERIES, series, Level.INSTANCE)

    def delete() -> None:
        for uuid in bench.resources.delete(Level.INSTANCE, ids[0]).removed_blobs:
            bench.blobs.delete(uuid)

    kept = bench.resources.get(Level.INSTANCE, ids[1])
    assert kept is not None
    before_first(monkeypatch, bench.resources, "reconstruct", delete)
    service(bench, compress=False).reconstruct(Level.SERIES, series)
    described = {"1.2.3.4": "OLD", "1.2.3.5": "SIBLING"}
    assert only(bench, Level.SERIES).tags["0008,103e"] == described[kept.tags["0008,0018"]]
