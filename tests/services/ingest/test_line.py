"""The line that each DICOM file takes, whatever way it comes: filters, strategies, events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from orthanclite.core.constants import AttachmentType, Origin, StoreStatus
from orthanclite.core.errors import BadFileFormat, CannotWriteFile, FullStorage
from orthanclite.core.events import Event, EventKind
from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.model import DicomSummary, OverwriteMode, ResourceRef
from orthanclite.core.ports.testing import MemoryBlobs
from orthanclite.core.principal import Principal
from orthanclite.index import Limits
from orthanclite.services.ingest.arrival import Arrival, IngestOrigin, StoreResult
from orthanclite.services.ingest.prepare import Refusal
from orthanclite.services.ingest.service import IngestOptions, IngestService
from tests.support.lab import ORIGIN, Lab, lab
from tests.support.records import dicom_file

SIZES = {"small": 0, "medium": 200, "large": 700, "very large": 1500}
"""Sides of images that each strategy, and the look at the index before, are for."""


def whole(bench: Lab, data: bytes) -> StoreResult:
    return bench.ingest.store(data, ORIGIN)


def in_pieces(bench: Lab, data: bytes) -> StoreResult:
    reception = bench.ingest.receive()
    for start in range(0, len(data), 100_000):
        reception.write(data[start : start + 100_000])
    return reception.finish(ORIGIN)


WAYS: dict[str, Callable[[Lab, bytes], StoreResult]] = {"whole": whole, "in pieces": in_pieces}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Callable[[Lab, bytes], StoreResult]:
    return WAYS[request.param]


def image(side: int, instance: str = "1.2.3.4", **attributes: str) -> bytes:
    return dicom_file(instance=instance, side=side, **attributes)


def blobs_of(bench: Lab) -> list[str]:
    return [uuid for uuid, _, _ in bench.blobs.scan()]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("where", ["files", "memory"])
def test_the_same_bytes_come_out(
    tmp_path: Path, way: Callable[[Lab, bytes], StoreResult], size: str, compress: bool, where: str
) -> None:
    data = image(SIZES[size])
    blobs = MemoryBlobs() if where == "memory" else None
    with lab(tmp_path, IngestOptions(compress=compress), blobs=blobs) as bench:
        result = way(bench, data)
        assert result.status is StoreStatus.SUCCESS
        file = bench.index.annotations.attachments(Level.INSTANCE, result.ids.instance)[AttachmentType.DICOM]
        assert file.compressed is compress
        assert bench.reader.read(file) == data
        assert blobs_of(bench) == [file.uuid]
        assert way(bench, data).status is StoreStatus.ALREADY_STORED
        assert blobs_of(bench) == [file.uuid]


@pytest.mark.parametrize("size", SIZES)
def test_without_files_only_the_index_is_told(
    tmp_path: Path, way: Callable[[Lab, bytes], StoreResult], size: str
) -> None:
    with lab(tmp_path, IngestOptions(store_dicom=False)) as bench:
        result = way(bench, image(SIZES[size]))
        assert result.status is StoreStatus.SUCCESS
        assert bench.index.annotations.attachments(Level.INSTANCE, result.ids.instance) == {}
        assert blobs_of(bench) == []


@pytest.mark.parametrize("data", [b"", b"not DICOM", dicom_file()[:-5], dicom_file(side=400)[:-5]])
def test_nothing_is_left_of_what_is_refused(
    tmp_path: Path, way: Callable[[Lab, bytes], StoreResult], data: bytes
) -> None:
    with lab(tmp_path) as bench:
        with pytest.raises(BadFileFormat):
            way(bench, data)
        assert blobs_of(bench) == []


class Door:
    """A filter that lets in what has the right name."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, arrival: Arrival, data: Buffer, summary: DicomSummary) -> Refusal | None:
        assert arrival.origin is ORIGIN
        assert len(data) == arrival.size
        name = summary.tags[Level.PATIENT].get("0010,0010", "")
        self.asked.append(name)
        return None if name.startswith("Welcome") else Refusal(f"{name} is not welcome")


@pytest.mark.parametrize("size", SIZES)
def test_filters_decide_what_comes_in(
    tmp_path: Path, way: Callable[[Lab, bytes], StoreResult], size: str
) -> None:
    first, second = Door(), Door()
    with lab(tmp_path, filters=(first, second)) as bench:
        result = way(bench, image(SIZES[size], PatientName="Stranger"))
        assert result.status is StoreStatus.FILTERED_OUT
        assert result.to_json()["Status"] == "FilteredOut"
        assert not bench.resources.exists(Level.INSTANCE, result.ids.instance)
        assert blobs_of(bench) == []
        assert (first.asked, second.asked) == (["Stranger"], [])
        assert way(bench, image(SIZES[size], PatientName="Welcome")).status is StoreStatus.SUCCESS
        assert second.asked == ["Welcome"]


def test_a_filter_sees_the_file_before_it_is_transcoded(tmp_path: Path) -> None:
    def transcode(data: Buffer, summary: DicomSummary) -> Buffer | None:
        raise AssertionError("what is not let in is not transcoded")

    with lab(tmp_path, transcoder=transcode, filters=(Door(),)) as bench:
        assert bench.store(image(0))[0].status is StoreStatus.FILTERED_OUT


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[tuple[Lab, list[Event]]]:
    with lab(tmp_path, IngestOptions(overwrite=OverwriteMode.IF_CHANGED)) as bench:
        heard: list[Event] = []
        bench.events.subscribe(heard.extend)
        yield bench, heard


def close(bench: Lab) -> None:
    """Wait for the events: they come after the answer."""
    bench.ingest.close()


def test_events_tell_what_is_new_and_what_was_overwritten(heard: tuple[Lab, list[Event]]) -> None:
    bench, events = heard
    ids = bench.store(image(0))[0].ids
    bench.store(image(0), image(0, instance="1.2.3.5"), image(0, StudyDescription="changed"))
    close(bench)
    other = [event for event in events if event.resource.id not in {ids.at(level) for level in Level}]
    assert [event.kind for event in other] == [EventKind.NEW]
    assert [(event.kind, event.resource.level) for event in events if event not in other] == [
        (EventKind.NEW, Level.INSTANCE),
        (EventKind.NEW, Level.SERIES),
        (EventKind.NEW, Level.STUDY),
        (EventKind.NEW, Level.PATIENT),
        (EventKind.OVERWRITTEN, Level.INSTANCE),
    ]


def test_events_come_after_the_commit_and_break_nothing(heard: tuple[Lab, list[Event]]) -> None:
    bench, _ = heard
    known = []

    def look(events: Sequence[Event]) -> None:
        known.extend(bench.resources.exists(one.resource.level, one.resource.id) for one in events)
        raise RuntimeError("this listener is broken")

    bench.events.subscribe(look)
    assert [result.status for result in bench.store(image(0), image(0, "1.5"))] == [StoreStatus.SUCCESS] * 2
    close(bench)
    assert known == [True] * 5


def test_recycled_patients_are_told(tmp_path: Path) -> None:
    with lab(tmp_path, limits=Limits(max_patients=1)) as bench:
        heard: list[Event] = []
        first = bench.store(dicom_file("first"))[0].ids
        bench.events.subscribe(heard.extend)
        bench.store(dicom_file("second", "1.3", "1.3.4", "1.3.4.5"))
        close(bench)
        assert heard[0] == Event(EventKind.DELETED, ResourceRef(Level.PATIENT, first.patient))
        assert [event.kind for event in heard[1:]] == [EventKind.NEW] * 4
        assert len(blobs_of(bench)) == 1


@pytest.mark.parametrize("size", SIZES)
def test_a_disk_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    with lab(tmp_path) as bench:

        def fail(*arguments: object) -> str:
            raise CannotWriteFile("the disk is broken")

        monkeypatch.setattr(bench.blobs, "create", fail)
        with pytest.raises(CannotWriteFile):
            bench.store(image(SIZES[size]))
        assert bench.resources.list_ids(Level.INSTANCE) == []


def test_limits_that_are_reached_leave_nothing(
    tmp_path: Path, way: Callable[[Lab, bytes], StoreResult]
) -> None:
    with lab(tmp_path, limits=Limits(max_bytes=1000, reject=True)) as bench:
        for side in SIZES.values():
            with pytest.raises(FullStorage):
                way(bench, image(side or 100))
        assert blobs_of(bench) == []


def test_the_workload_tells_who_does_what(tmp_path: Path) -> None:
    with lab(tmp_path) as bench:
        bench.blobs.sync = True
        small, medium, large, larger = (bench.ingest.workload(image(side)) for side in SIZES.values())
    assert small == medium == (False, False, False, True)
    assert large == (False, False, True, True)
    assert larger == (False, True, True, True)
    with lab(tmp_path / "other", IngestOptions(compress=True)) as bench:
        assert bench.ingest.workload(image(0)).works_on_content
    with lab(tmp_path / "filtered", filters=(Door(),)) as bench:
        assert bench.ingest.workload(image(0)).works_on_content


def test_nothing_is_taken_after_the_end(tmp_path: Path) -> None:
    with lab(tmp_path) as bench:
        service: IngestService = bench.ingest
        service.close()
        for side in SIZES.values():
            with pytest.raises(Exception, match="shutting down"):
                service.store(image(side), ORIGIN)
        assert blobs_of(bench) == []


def test_the_origin_tells_who_brought_it() -> None:
    user = Principal(Origin.REST_API, "alice", "192.0.2.1")
    assert IngestOrigin.of(user) == IngestOrigin(
        Origin.REST_API, remote_ip="192.0.2.1", username="alice", principal=user
    )
    modality = Principal(Origin.DICOM_PROTOCOL, "SCANNER", "192.0.2.2")
    assert IngestOrigin.of(modality, "ORTHANC") == IngestOrigin(
        Origin.DICOM_PROTOCOL,
        remote_ip="192.0.2.2",
        remote_aet="SCANNER",
        called_aet="ORTHANC",
        principal=modality,
    )
