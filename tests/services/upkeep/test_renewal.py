"""Files after a change of the options that rule how they are kept."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orthanclite.core.constants import AttachmentType
from orthanclite.core.errors import FullStorage
from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.main_tags import MainTags
from orthanclite.core.metrics import Metrics
from orthanclite.core.model import DicomSummary
from orthanclite.services.content.files import InstanceFiles
from orthanclite.services.ingest.prepare import IngestTranscoder
from orthanclite.services.ingest.storing import FileOptions
from orthanclite.services.upkeep.reconstruct import ReconstructService
from orthanclite.services.upkeep.renewal import FileRenewal
from tests.support.lab import Lab, lab
from tests.support.records import dicom_file
from tests.support.server import orthanclite, running

PLAIN, COMPRESSED = {"StorageCompression": False}, {"StorageCompression": True}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path) as made:
        made.store(*(dicom_file(instance=f"1.{number}", side=10) for number in range(5)))
        renewal(made, PLAIN).run()
        yield made


def renewal(
    bench: Lab,
    options: dict[str, bool],
    budget: float = 60,
    transcoder: IngestTranscoder | None = None,
) -> FileRenewal:
    index = bench.index
    reconstruction = ReconstructService(
        index.resources,
        bench.blobs,
        InstanceFiles(index.resources, bench.reader, bench.dictionary, bench.runtime, Metrics()),
        MainTags.build(),
        bench.dictionary,
        FileOptions(compress=options["StorageCompression"]),
        transcoder,
    )
    return FileRenewal(index.maintenance, index.properties, reconstruction, options, budget)


def compressed(bench: Lab) -> list[bool]:
    ids = bench.resources.list_ids(Level.INSTANCE)
    files = [bench.index.annotations.attachments(Level.INSTANCE, id)[AttachmentType.DICOM] for id in ids]
    assert sorted(file.uuid for file in files) == sorted(uuid for uuid, _, _ in bench.blobs.scan())
    assert all(bench.reader.read(file).startswith(bytes(128) + b"DICM") for file in files)
    return [file.compressed for file in files]


def test_what_is_stored_first_is_left_alone(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        made.store(dicom_file())
        keeper = renewal(made, COMPRESSED)
        keeper.run()
        assert keeper.is_done
        assert compressed(made) == [False]
        assert keeper.status() == {"Options": COMPRESSED, "Done": True, "Renewed": 0, "Failed": 0}


def test_files_are_compressed_and_uncompressed(bench: Lab) -> None:
    keeper = renewal(bench, COMPRESSED)
    assert keeper.status() == {"Options": COMPRESSED, "Done": False, "Renewed": 0, "Failed": 0}
    keeper.run()
    assert compressed(bench) == [True] * 5
    assert keeper.status() == {"Options": COMPRESSED, "Done": True, "Renewed": 5, "Failed": 0}
    renewal(bench, PLAIN).run()
    assert compressed(bench) == [False] * 5


def test_nothing_is_looked_at_again(bench: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    renewal(bench, COMPRESSED).run()

    def outdated(*_: object) -> None:
        raise AssertionError("the instances are looked through again")

    monkeypatch.setattr(bench.index.maintenance, "outdated", outdated)
    keeper = renewal(bench, COMPRESSED)
    keeper.run()
    assert keeper.is_done


def test_the_work_is_bounded_and_goes_on_after_a_restart(bench: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    maintenance = bench.index.maintenance
    ids = bench.resources.list_ids(Level.INSTANCE)

    def pages(level: Level, signature: str, after: int) -> tuple[list[str], int | None]:
        assert level is Level.INSTANCE
        return ids[after : after + 2], after + 2 if after + 2 < len(ids) else None

    monkeypatch.setattr(maintenance, "outdated", pages)
    counts = []
    while not renewal(bench, COMPRESSED).status()["Done"]:
        keeper = renewal(bench, COMPRESSED, budget=0)  # as after a restart
        for _ in range(4):  # one step each
            keeper.run()
        counts.append(sum(compressed(bench)))
    assert counts == [2, 4, 5]


def test_files_are_transcoded(bench: Lab) -> None:
    def transcode(data: Buffer, summary: DicomSummary) -> Buffer | None:
        return data[:].replace(b"Name^p", b"New^p ")

    keeper = renewal(bench, {**PLAIN, "IngestTranscoding": True}, transcoder=transcode)
    keeper.run()
    assert keeper.status()["Renewed"] == 5
    assert compressed(bench) == [False] * 5


def test_a_broken_file_is_counted_and_passed_over(bench: Lab, caplog: pytest.LogCaptureFixture) -> None:
    uuid, _, _ = next(bench.blobs.scan())
    bench.blobs.path(uuid).write_bytes(b"broken")
    keeper = renewal(bench, COMPRESSED)
    with caplog.at_level(logging.ERROR):
        keeper.run()
    assert keeper.status() == {"Options": COMPRESSED, "Done": True, "Renewed": 4, "Failed": 1}
    assert "cannot be stored anew" in caplog.text


def test_a_full_disk_is_waited_for(bench: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = renewal(bench, COMPRESSED)
    with monkeypatch.context() as patch:

        def full() -> None:
            raise FullStorage

        patch.setattr(bench.blobs, "create", full)
        for _ in range(2):
            with pytest.raises(FullStorage):
                keeper.run()
    assert compressed(bench) == [False] * 5
    keeper.run()
    assert compressed(bench) == [True] * 5


def test_a_server_tells_how_far_it_is(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path)) as server:
        instance = server.upload(dicom_file())["ID"]
        _wait_until_done(server.get)
    with running(orthanclite(tmp_path, {"StorageCompression": True})) as server:
        status = _wait_until_done(server.get)
        assert status["Options"] == {"StorageCompression": True}
        assert status["Renewed"] == 1
        assert server.get(f"/instances/{instance}/attachments/dicom/is-compressed") == 1
        assert server.get("/plugins/housekeeper")["ID"] == "housekeeper"
        assert server.client.get("/plugins/gdcm/status").status_code == 404


def _wait_until_done(get: Callable[[str], Any]) -> dict[str, Any]:
    until = time.monotonic() + 60
    while not (status := get("/plugins/housekeeper/status")["Files"])["Done"]:
        assert time.monotonic() < until
        time.sleep(0.1)
    return dict(status)
