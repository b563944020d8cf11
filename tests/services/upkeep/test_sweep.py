"""Which blobs the sweep takes for orphans, where clocks differ and commits take long."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orthanclite.core.errors import DatabaseUnavailable
from orthanclite.core.levels import Level
from orthanclite.services.ingest import commit
from orthanclite.services.upkeep.sweep import OrphanSweep
from tests.support.lab import ORIGIN, Lab, lab
from tests.support.records import dicom_file

GRACE = 600.0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path) as made:
        yield made


def sweep(bench: Lab) -> OrphanSweep:
    return OrphanSweep(bench.blobs, bench.index.maintenance, bench.index.properties, GRACE)


def orphan(bench: Lab, age: float) -> str:
    uuid = bench.blobs.put(b"orphan")
    moment = bench.blobs.now() - age
    os.utime(bench.blobs.path(uuid), (moment, moment))
    return uuid


def stored(bench: Lab) -> set[str]:
    return {uuid for uuid, _, _ in bench.blobs.scan()}


@pytest.mark.parametrize("error", [-1e6, 0, 1e6])
def test_the_clock_of_this_server_does_not_count(
    bench: Lab, monkeypatch: pytest.MonkeyPatch, error: float
) -> None:
    """Files bear the times of the host that keeps them."""
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + error)
    foreign = orphan(bench, 2 * GRACE)  # it was there before storage and index met
    assert sweep(bench).bind()
    mark = bench.blobs.get_mark()
    assert mark is not None
    assert sweep(bench).run() == 0
    moment = float(mark.split()[1]) - 3 * GRACE  # as if they had met long ago
    text = f"{mark.split()[0]} {moment}"
    bench.blobs.set_mark(text)
    bench.index.properties.set_property("StorageMark", text)
    young = orphan(bench, GRACE / 2)
    assert sweep(bench).run() == 1
    assert stored(bench) == {young}
    assert foreign != young


def test_what_is_shown_to_be_in_use_stays(bench: Lab) -> None:
    assert sweep(bench).bind()
    mark = bench.blobs.get_mark()
    assert mark is not None
    text = f"{mark.split()[0]} 0"
    bench.blobs.set_mark(text)
    bench.index.properties.set_property("StorageMark", text)
    used, unused = orphan(bench, 2 * GRACE), orphan(bench, 2 * GRACE)
    bench.blobs.touch(used)
    bench.blobs.touch("00000000-0000-0000-0000-000000000000")
    assert sweep(bench).run() == 1
    assert stored(bench) == {used}
    assert unused not in stored(bench)


@pytest.mark.parametrize("side", [0, 100, 400])
def test_an_instance_that_has_waited_too_long_is_refused(
    bench: Lab, monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    """The sweep could remove its file before its commit."""
    file = dicom_file(pixels=bytes(2 * side * side), side=side)
    with monkeypatch.context() as patch:
        patch.setattr(commit, "_PATIENCE", -1.0)
        with pytest.raises(DatabaseUnavailable, match="too long"):
            bench.ingest.store(file, ORIGIN)
    assert stored(bench) == set()
    assert bench.resources.list_ids(Level.INSTANCE) == []
    bench.ingest.store(file, ORIGIN)
    assert len(stored(bench)) == 1
