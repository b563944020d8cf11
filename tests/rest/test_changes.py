"""/changes and /exports, on both engines."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from orthanclite.core.constants import Origin
from orthanclite.core.model import ChangesPage, ExportsPage
from orthanclite.core.ports import ChangeLog
from orthanclite.core.principal import Principal
from orthanclite.rest.resources.changes import changes_routes
from orthanclite.web.call import Call
from tests.support.records import dicom_file
from tests.support.server import Server

SERVER_CONFIG = {"StableAge": 1}

NEW = ["NewInstance", "NewSeries", "NewStudy", "NewPatient"]


@pytest.fixture
def busy(empty_server: Server) -> Server:
    """The module's server after two uploads into one series."""
    for number in range(2):
        empty_server.upload(dicom_file(instance=f"1.2.3.{number}"))
    return empty_server


def changes(server: Server, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.get(f"/changes{query}")["Changes"]
    return found


def test_an_empty_log(empty_server: Server) -> None:
    log = empty_server.get("/changes")
    assert set(log) == {"Changes", "Done", "Last"}
    assert (log["Changes"], log["Done"]) == ([], True)


def test_what_an_upload_logs(busy: Server) -> None:
    log = busy.get("/changes?limit=5")
    assert sorted(change["ChangeType"] for change in log["Changes"][:4]) == sorted(NEW)
    assert log["Changes"][4]["ChangeType"] == "NewInstance"
    sequence = [change["Seq"] for change in log["Changes"]]
    assert sequence == sorted(set(sequence))
    assert (log["First"], log["Last"]) == (sequence[0], sequence[-1])
    for change in log["Changes"]:
        assert set(change) == {"ChangeType", "Date", "ID", "Path", "ResourceType", "Seq"}
        assert busy.get(change["Path"])["ID"] == change["ID"]
        assert busy.get(change["Path"])["Type"] == change["ResourceType"]
        assert len(change["Date"]) == 15


def test_reading_by_pages_skips_nothing(busy: Server) -> None:
    since, found = 0, []
    while True:
        page = busy.get(f"/changes?since={since}&limit=2&type=NewInstance;NewSeries;NewStudy;NewPatient")
        found += [change["Seq"] for change in page["Changes"]]
        since = page["Last"]
        if page["Done"]:
            break
    assert found == [change["Seq"] for change in changes(busy, "?limit=1000") if change["ChangeType"] in NEW]
    assert len(found) == 5


def test_limit_to_and_type(busy: Server) -> None:
    everything = changes(busy, "?limit=5")
    assert busy.get("/changes?limit=0")["Changes"] == []
    assert busy.get("/changes?limit=0")["Done"] is False
    third = everything[2]["Seq"]
    assert [change["Seq"] for change in changes(busy, f"?to={third}&limit=2")] == [
        everything[1]["Seq"],
        third,
    ]
    assert {change["ChangeType"] for change in changes(busy, "?type=NewStudy;NewSeries")} == {
        "NewStudy",
        "NewSeries",
    }
    unknown = busy.client.get("/changes?type=NewRoom")
    assert (unknown.status_code, unknown.json()["OrthancStatus"]) == (400, 3)


def test_arguments_that_are_no_numbers_are_as_none(busy: Server) -> None:
    assert changes(busy, "?since=abc&limit=1&type=NewInstance") == changes(busy, "?type=NewInstance")


def test_beyond_the_end(busy: Server) -> None:
    last = busy.get("/changes?last")
    assert len(last["Changes"]) == 1
    beyond = busy.get("/changes?since=1000000")
    assert (beyond["Changes"], beyond["Done"]) == ([], True)
    assert beyond["Last"] >= last["Last"]


def test_deleting_takes_the_changes_along_and_numbers_are_never_reused(busy: Server) -> None:
    before = busy.get("/changes?last")["Last"]
    for patient in busy.get("/patients"):
        busy.client.delete(f"/patients/{patient}").raise_for_status()
    emptied = busy.get("/changes?last")
    assert emptied["Changes"] == []
    assert emptied["Last"] >= before
    busy.upload(dicom_file())
    assert changes(busy)[0]["Seq"] > before


def test_clearing(busy: Server) -> None:
    before = busy.get("/changes?last")["Last"]
    answer = busy.client.delete("/changes")
    assert (answer.status_code, answer.content) == (200, b"")
    assert busy.get("/changes?type=NewInstance")["Changes"] == []
    assert busy.get("/changes")["Last"] >= before


def test_resources_become_stable_once(busy: Server) -> None:
    deadline = time.monotonic() + 60
    stable: list[dict[str, Any]] = []
    while len(stable) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        stable = changes(busy, "?type=StablePatient;StableStudy;StableSeries")
    assert {change["ResourceType"] for change in stable} == {"Series", "Study", "Patient"}
    for change in stable:
        assert busy.get(change["Path"])["IsStable"] is True
    time.sleep(1.5)
    assert changes(busy, "?type=StablePatient;StableStudy;StableSeries") == stable


def test_stable_events_survive_a_restart(empty_server: Server) -> None:
    empty_server.upload(dicom_file(patient="restarted", study="1.9", series="1.9.1", instance="1.9.1.1"))
    empty_server.kill()
    empty_server.start()
    deadline = time.monotonic() + 60
    while not changes(empty_server, "?type=StableStudy"):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_exports_are_empty_before_anything_is_sent(busy: Server) -> None:
    assert busy.get("/exports") == {"Done": True, "Exports": [], "Last": 0}
    assert busy.get("/exports?last") == {"Done": True, "Exports": [], "Last": 0}
    answer = busy.client.delete("/exports")
    assert (answer.status_code, answer.content) == (200, b"")


class _Limits:
    """A log that notes how much is asked of it."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def changes(self, since: int, limit: int, to: int | None, types: object) -> ChangesPage:
        self.asked.append(limit)
        return ChangesPage((), True, 0)

    def exports(self, since: int, limit: int) -> ExportsPage:
        self.asked.append(limit)
        return ExportsPage((), True, 0)


@pytest.mark.parametrize("path", ["/changes", "/exports"])
def test_an_answer_has_a_bounded_number_of_entries(path: str) -> None:
    log = _Limits()
    operations = changes_routes(cast(ChangeLog, log)).operations
    [handler] = [one.handler for one in operations if (one.method, one.path) == ("GET", path)]
    for limit in ("5", "100000", "100001", "9" * 30):
        handler(Call("GET", path, Principal(Origin.REST_API), query_string=f"limit={limit}"))
    assert log.asked == [5, 100_000, 100_000, 100_000]
