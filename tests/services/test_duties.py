"""Duties go on whatever happens in them."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orthanclite.core.errors import DatabaseUnavailable
from orthanclite.core.metrics import Metrics
from orthanclite.services.ingest.journal import JournalKeeper
from orthanclite.services.upkeep.duties import Periodic
from orthanclite.services.upkeep.sweep import OrphanSweep
from tests.support.lab import ORIGIN, lab
from tests.support.records import dicom_file

FAILURES = "orthanclite_duty_failures_test"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize(
    "error",
    [DatabaseUnavailable("away"), PermissionError("denied"), RecursionError(), MemoryError(), SystemExit(1)],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_is_logged_and_counted_and_the_duty_goes_on(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()
    calls = 0

    def work() -> None:
        nonlocal calls
        calls += 1
        if calls <= 3:
            raise error

    duty = Periodic("test", 0.01, work, metrics=metrics)
    assert metrics.get(FAILURES) == 0
    duty.start()
    wait_for(lambda: calls > 5)
    duty.stop()
    assert metrics.get(FAILURES) == 3
    failures = [one for one in caplog.records if "The duty test failed" in one.getMessage()]
    assert len(failures) == 3
    assert all(one.levelno == logging.ERROR for one in failures)
    # Errors of ours say what is to be said; of others, the place is needed.
    assert all(bool(one.exc_info) == (not isinstance(error, DatabaseUnavailable)) for one in failures)


def test_pauses_grow_with_failures_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    duty = Periodic("test", 2.0, lambda: None)
    pauses = []
    for failures in (0, 1, 2, 3, 4, 1000):
        duty._failures = failures
        pauses.append(duty._pause())
    assert pauses == [2.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_what_is_done_once_a_day_is_not_tried_again_a_day_later() -> None:
    duty = Periodic("test", 86400.0, lambda: None)
    pauses = []
    for failures in (0, 1, 2, 7, 1000):
        duty._failures = failures
        pauses.append(duty._pause())
    assert pauses == [86400.0, 60.0, 120.0, 3600.0, 3600.0]


def test_a_duty_in_a_long_pause_can_be_stopped() -> None:
    called = threading.Event()
    duty = Periodic("test", 600.0, lambda: called.set() or 1 / 0)
    duty.start()
    assert called.wait(30)
    began = time.monotonic()
    duty.stop()
    assert time.monotonic() - began < 10


def test_a_duty_of_another_server_waits_for_its_turn() -> None:
    calls = 0
    is_mine = False

    def work() -> None:
        nonlocal calls
        calls += 1

    duty = Periodic("test", 0.01, work, allowed=lambda: is_mine)
    duty.start()
    time.sleep(0.1)
    assert calls == 0
    assert duty.stopping  # a call that was under way would have to end
    is_mine = True
    wait_for(lambda: calls > 2)
    assert not duty.stopping
    is_mine = False
    time.sleep(0.1)
    before = calls
    time.sleep(0.1)
    assert calls == before
    duty.stop()


def test_an_unreadable_folder_is_passed_over_by_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with lab(tmp_path) as bench:
        sweep = OrphanSweep(bench.blobs, bench.index.maintenance, bench.index.properties, grace=0)
        sweep.bind()
        bench.store(dicom_file())
        orphans = [bench.blobs.path(f"{n}0000000-0000-4000-8000-000000000000") for n in range(3)]
        for orphan in orphans:
            orphan.parent.mkdir(parents=True)
            orphan.write_bytes(b"orphan")
        scandir = os.scandir

        def guarded(path: Any) -> Any:
            if Path(path) in (orphans[0].parent, orphans[1].parent.parent):
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", guarded)
        assert sweep.run() == 1
        assert [orphan.exists() for orphan in orphans] == [True, True, False]
        assert caplog.text.count("Permission denied") == 2
        monkeypatch.undo()
        assert sweep.run() == 2
        assert len(list(bench.blobs.scan())) == 1


def test_the_journal_empties_when_the_database_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lab(tmp_path) as bench:
        bench.blobs.sync = True
        journal = bench.index.journal
        forget = journal.forget
        away = threading.Event()
        tried = threading.Event()

        def unreliable(uuids: Any) -> None:
            if not away.is_set():
                tried.set()
                raise RuntimeError("an error that nobody has thought of")
            forget(uuids)

        monkeypatch.setattr(journal, "forget", unreliable)
        keeper = JournalKeeper(journal, bench.blobs)
        bench.ingest.store(dicom_file(), ORIGIN)
        keeper.note([uuid for uuid, _ in journal.entries()], 0)
        metrics = Metrics()
        duty = Periodic("test", 0.02, keeper.flush, metrics=metrics)
        duty.start()
        assert tried.wait(30)
        assert len(list(journal.entries())) == 1
        away.set()
        wait_for(lambda: not list(journal.entries()))
        duty.stop()
        assert metrics.get(FAILURES) >= 1
