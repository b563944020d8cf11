"""Each metric moves with what it counts, on a server of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from pydicom.dataset import Dataset

from orthanclite.core.metrics import Metrics
from orthanclite.dimse.conversation import Conversation, Message
from orthanclite.dimse.scp.timed import Timed
from orthanclite.logs import LogCounter
from orthanclite.services.imaging.workers import PoolLimits, WorkerPool
from tests.support.records import dicom_file
from tests.support.scu import Client
from tests.support.server import Server, orthanclite, running

CONFIG = {"HttpThreadsCount": 7, "DicomThreadsCount": 5, "DicomAlwaysAllowFind": True}
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(orthanclite(tmp_path, CONFIG)) as started:
        yield started


def shown(server: Server) -> dict[str, float]:
    lines = server.client.get("/tools/metrics-prometheus").text.splitlines()
    return {name: float(value) for name, value, _ in (line.split(" ") for line in lines)}


def wait_for(server: Server, condition: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    """The metrics once they are as they should be: files are written, and threads free, a little later."""
    deadline = time.monotonic() + 60
    while not condition(found := shown(server)):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def test_storage(server: Server) -> None:
    names = [f"orthanc_storage_{what}_duration_ms" for what in ("create", "read", "remove")]
    names += ["orthanc_store_dicom_duration_ms", "orthanc_storage_written_bytes"]
    assert not set(names) & set(shown(server))
    sizes, ids = [], []
    for side in (4, 300, 2000):  # by way of the journal, of a thread, of the second process
        content = dicom_file(side=side, instance=f"1.2.{side}")
        sizes.append(len(content))
        ids.append(server.client.post("/instances", content=content).json()["ID"])
        wait_for(server, lambda shown: shown.get(names[-1]) == sum(sizes))
    assert set(names) - set(shown(server)) == set(names[1:3])
    for id in ids:
        assert server.client.get(f"/instances/{id}/file").status_code == 200
        assert server.client.get(f"/instances/{id}/tags").status_code == 200
    server.client.delete(f"/instances/{ids[0]}")
    wait_for(server, lambda shown: set(names) <= set(shown))


def test_the_cache_of_tags(server: Server) -> None:
    id = server.upload(dicom_file())["ID"]
    before = shown(server)
    server.get(f"/instances/{id}/tags")
    after = shown(server)
    for name in ("count", "size_mb"):
        assert after[f"orthanc_storage_cache_{name}"] > before[f"orthanc_storage_cache_{name}"] == 0
    server.get(f"/instances/{id}/tags")
    assert shown(server)["orthanc_storage_cache_hit_count"] == after["orthanc_storage_cache_hit_count"] + 1


def test_threads_and_queries(server: Server) -> None:
    before = shown(server)
    assert before["orthanc_available_dicom_threads"] == 5
    assert "orthanc_find_scp_duration_ms" not in before
    application = Client("TESTER")
    application.add_requested_context(STUDY_FIND)
    association = application.associate("127.0.0.1", server.dicom_port)
    query = Dataset()
    query.QueryRetrieveLevel, query.PatientID = "STUDY", ""
    assert [status.Status for status, _ in association.send_c_find(query, STUDY_FIND)] == [0]
    association.release()
    found = wait_for(server, lambda shown: "orthanc_find_scp_duration_ms" in shown)
    assert found["orthanc_available_dicom_threads"] == 4
    server.client.get("/tools/now")
    server.client.get("/patients")
    assert 0 <= shown(server)["orthanc_available_http_threads_count"] <= 6  # the thread that shows them


SHOWN_AT_ONCE = {
    *(f"orthanc_count_{level}" for level in ("patients", "studies", "series", "instances")),
    *(f"orthanc_jobs_{state}" for state in ("pending", "running", "success", "failed", "completed")),
    *(f"orthanc_storage_cache_{what}" for what in ("count", "size_mb", "hit_count", "miss_count")),
    *(f"orthanc_dicom_parser_cache_{what}" for what in ("count", "size_mb", "hit_count", "miss_count")),
    *("orthanc_disk_size_mb", "orthanc_uncompressed_size_mb", "orthanc_last_change", "orthanc_up_time_s"),
    *("orthanc_logged_errors_count", "orthanc_logged_warnings_count", "orthanc_rest_api_active_requests"),
    *("orthanc_available_dicom_threads", "orthanc_available_http_threads_count"),
    "orthanc_transcoder_available_threads",
}
"""Names that dashboards for release 1.13 ask for (Orthanc Book, "Scalability", "Advanced features of the REST
API"). Others are shown once they were measured, as there."""


def test_the_names_are_those_of_the_reference(server: Server) -> None:
    server.client.get("/patients")
    assert set(shown(server)) >= SHOWN_AT_ONCE
    id = server.upload(dicom_file(side=10))["ID"]
    before = shown(server)
    assert server.client.get(f"/instances/{id}/file").status_code == 200
    assert server.client.get(f"/instances/{id}/tags").status_code == 200
    assert server.client.get(f"/instances/{id}/tags").status_code == 200
    assert server.client.get(f"/instances/{id}/preview").status_code == 200
    after = shown(server)
    size = len(dicom_file(side=10))
    assert after["orthanc_storage_read_bytes"] - before.get("orthanc_storage_read_bytes", 0) >= 2 * size
    for what in ("hit", "miss"):
        name = f"orthanc_dicom_parser_cache_{what}_count"
        assert after[name] > before[name]
    assert "orthanc_rest_api_duration_ms" in after


def test_the_least_number_of_free_workers_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orthanclite.core.metrics._WINDOW_MS", 10**9)
    metrics = Metrics()
    pool = WorkerPool(PoolLimits(workers=3), metrics)
    try:
        assert pool.run("builtins:bytes", 2) == bytes(2)
        assert metrics.get("orthanc_transcoder_available_threads") == 2
    finally:
        pool.close()


def test_retrievals_are_timed() -> None:
    class Slow:
        def serve(self, request: Message, conversation: Conversation) -> None:
            time.sleep(0.02)

    metrics = Metrics()
    Timed(Slow(), metrics, "orthanc_get_scp_duration_ms").serve(cast(Any, None), cast(Any, None))
    assert metrics.get("orthanc_get_scp_duration_ms") >= 20


def test_the_lowest_value_of_ten_seconds_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0
    monkeypatch.setattr("orthanclite.core.metrics._now_ms", lambda: now)
    counted, free = Metrics(), 5
    counted.watch(lambda: counted.observe_lowest("free", free))
    seen = []
    for now, free in ((0, 5), (1000, 2), (2000, 4), (11_001, 4), (11_002, 5)):  # noqa: B007
        seen.append(float(counted.render().split(" ")[1]))
    assert seen == [5, 2, 2, 4, 4]


def test_what_is_logged() -> None:
    metrics = Metrics()
    counter = LogCounter(metrics)
    logger = logging.getLogger("orthanclite.generic")
    try:
        for level in (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
            logger.log(level, "as the test of metrics has it")
    finally:
        counter.close()
    logger.error("which nobody counts")
    assert metrics.get("orthanc_logged_warnings_count") == 1
    assert metrics.get("orthanc_logged_errors_count") == 2
