"""A long history of jobs: how fast it is listed, and what the engine costs while it has nothing to do.

python -m benchmarks.bench_jobs
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
import uuid
from pathlib import Path

from benchmarks.corpus import ct_slices
from benchmarks.pair import machine
from tests.support.server import Server, orthanclite_command, running

JOBS = 10_000
IDLE = 60  # seconds


def main() -> None:
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        config = {"JobsHistorySize": JOBS}
        with running(orthanclite_command(Path(folder), config)) as server:
            server.client.post("/instances", content=ct_slices(1, 16)[0]).raise_for_status()
            body = {"Resources": server.get("/studies"), "Synchronous": True}
            server.client.post(
                "/tools/bulk-modify", json={**body, "Level": "Study", "Replace": {"StudyDescription": "x"}}
            ).raise_for_status()
        multiply(Path(folder) / "storage" / "index-orthanclite")
        with running(orthanclite_command(Path(folder), config)) as server:
            for path in ("/jobs?expand", "/jobs"):
                first, *times = (seconds(server, path) for _ in range(31))
                median = statistics.median(times)
                print(f"GET {path} of {JOBS:,}: first {first * 1000:.0f} ms, then {median * 1000:.0f} ms")
            before = server.work()
            time.sleep(IDLE)
            print(f"CPU of an idle server: {(server.work() - before) / IDLE:.2%} of one core")


def multiply(index: Path) -> None:
    """Copies of the one ended job, each with an identifier of its own."""
    with sqlite3.connect(index) as database:
        ((*names,),) = [[column[1] for column in database.execute("PRAGMA table_info(jobs)")]]
        (row,) = database.execute("SELECT * FROM jobs")
        job = dict(zip(names, row, strict=True))
        marks = ", ".join(f":{name}" for name in names)
        rows = (
            {**job, "id": str(uuid.uuid4()), "created": job["created"] + n / 1000} for n in range(1, JOBS)
        )
        database.executemany(f"INSERT INTO jobs VALUES ({marks})", rows)


def seconds(server: Server, path: str) -> float:
    started = time.perf_counter()
    answer = server.client.get(path)
    taken = time.perf_counter() - started
    assert len(answer.json()) == JOBS
    return taken


if __name__ == "__main__":
    main()
