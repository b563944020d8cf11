"""Latency and memory while the index grows: what must not depend on how much is stored.

    python -m benchmarks.bench_scale                      # 1,000, 10,000 and 100,000 instances, on SQLite
    python -m benchmarks.bench_scale --postgresql         # on a PostgreSQL cluster of its own
    python -m benchmarks.bench_scale --reference 1000 10000

Fills a real server by uploads over four connections (small CT images; patients of 100 instances in two
series), and measures each operation over one connection that is kept alive: the median of its times, in ms.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.support.postgres import cluster
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite_command, reference, running

SIZES = (1_000, 10_000, 100_000)
CONNECTIONS = 4
REPEATS = 25
PAGE = 100
_MARK = "1000000"
"""Stands for the number of a patient."""
_UID = f"1.2.826.0.1.3680043.9.7777.{_MARK}"

Results = dict[str, float]


class Client:
    """One connection to a server."""

    def __init__(self, server: Server) -> None:
        self.connection = HTTPConnection("127.0.0.1", server.http_port, timeout=300)

    def __call__(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The body of an answer; its status must be 200."""
        self.connection.request(method, path, body)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {content[:300]!r}")
        return content

    def json(self, path: str) -> Any:
        return json.loads(self("GET", path))


class Files:
    """Small CT images, made by writing other numbers into one of them."""

    def __init__(self) -> None:
        self._template = dicom_file(
            f"P{_MARK}",
            f"{_UID}.1",
            f"{_UID}.20",
            f"{_UID}.300",
            StudyDescription="A study",
            Manufacturer="M",
        )

    def __getitem__(self, number: int) -> bytes:
        patient, within = divmod(number, 100)
        mark = b"%d" % (int(_MARK) + patient)
        data = self._template.replace(_MARK.encode(), mark)
        data = data.replace(mark + b".20", mark + b".2%d" % (within // 50))
        return data.replace(mark + b".300", mark + b".3%02d" % within)


def fill(server: Server, files: Files, numbers: range) -> float:
    """Upload so many instances; how many per second."""
    waiting = iter(numbers)
    lock = threading.Lock()

    def work() -> None:
        client = Client(server)
        while True:
            with lock:
                number = next(waiting, None)
            if number is None:
                return
            client("POST", "/instances", files[number])

    started = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(numbers) / (time.perf_counter() - started)


def median_of(operation: Callable[[], object], repeats: int = REPEATS) -> float:
    """Milliseconds."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        operation()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def measure(server: Server, files: Files, stored: int) -> Results:
    """Each operation with ``stored`` instances in the index; what is deleted is stored again."""
    client = Client(server)
    chance = random.Random(stored)
    ids = {level: client.json(f"/{level}") for level in ("patients", "studies", "series", "instances")}
    results: Results = {}

    def get(name: str, path: str, known: Sequence[str] = ("",), repeats: int = REPEATS) -> None:
        """Measure a GET of ``path``, each time with another one of ``known`` in the place of ``{}``."""
        results[name] = median_of(lambda: client("GET", path.format(chance.choice(known))), repeats)

    for level in ("patients", "instances"):
        count = len(ids[level])
        for place, since in (("begin", 0), ("middle", count // 2), ("end", max(0, count - PAGE))):
            page = f"/{level}?since={since}&limit={PAGE}"
            get(f"{PAGE} {level}, {place}", page)
            get(f"{PAGE} {level} expanded, {place}", f"{page}&expand")
    for level, known in ids.items():
        get(f"one of {level}", f"/{level}/{{}}", known)
    get("tags of an instance", "/instances/{}/tags", ids["instances"])
    get("children of a study", "/studies/{}/instances?expand", ids["studies"])
    get("statistics", "/statistics")
    get("statistics of a study", "/studies/{}/statistics", ids["studies"])
    last = client.json("/changes?last")["Last"]
    for place, since in (("begin", 0), ("middle", last // 2), ("end", last - PAGE)):
        get(f"{PAGE} changes, {place}", f"/changes?since={since}&limit={PAGE}")
    get("last change", "/changes?last")
    get("all instances, per 1,000", "/instances", repeats=3)
    get("all instances expanded, per 1,000", "/instances?expand", repeats=1)
    for name in ("all instances, per 1,000", "all instances expanded, per 1,000"):
        results[name] *= 1000 / stored
    gone = iter(chance.sample(ids["instances"], REPEATS))
    results["delete an instance"] = median_of(lambda: client("DELETE", f"/instances/{next(gone)}"))
    patients = iter(chance.sample(ids["patients"], 5))
    results["delete a patient of 100 instances"] = median_of(
        lambda: client("DELETE", f"/patients/{next(patients)}"), 5
    )
    restored = itertools.count(stored * 10)
    results["upload"] = median_of(lambda: client("POST", "/instances", files[next(restored)]))
    return results


def memory(server: Server, field: str = "VmRSS") -> float:
    """Resident memory of the server process, in MB; ``VmHWM`` is its peak."""
    assert server.process is not None
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def run(server: Server, sizes: list[int]) -> None:
    """Fill, measure, and print a table with a column for each size."""
    files, columns, stored = Files(), [], 0
    for size in sizes:
        rate = fill(server, files, range(stored, size))
        stored = size
        results = {"uploads per second while filling": rate}
        results |= measure(server, files, size)
        results["memory, MB"] = memory(server)
        results["peak of memory, MB"] = memory(server, "VmHWM")
        columns.append(results)
    width = max(map(len, columns[0]))
    print(" " * width, *(f"{size:>10,}" for size in sizes))
    for name in columns[0]:
        print(name.ljust(width), *(f"{column[name]:10.2f}" for column in columns))


@contextlib.contextmanager
def server_for(options: argparse.Namespace, folder: Path) -> Iterator[Server]:
    """The server to measure, running."""
    if options.reference:
        yield from _running(reference(folder, {"Plugins": []}))
    elif options.postgresql:
        with cluster() as own, own.database() as name:
            settings = {"EnableIndex": True, "Host": own.host, "Port": own.port, "Database": name}
            config = {"PostgreSQL": {**settings, "Username": own.user}}
            yield from _running(orthanclite_command(folder, config))
    else:
        yield from _running(orthanclite_command(folder))


def _running(server: Server) -> Iterator[Server]:
    with running(server) as started:
        yield started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sizes", nargs="*", type=int, default=list(SIZES), help="instances to measure with")
    parser.add_argument("--postgresql", action="store_true", help="index in PostgreSQL")
    parser.add_argument("--reference", action="store_true", help="the installed Orthanc instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server_for(options, Path(folder)) as server:
        run(server, options.sizes)


if __name__ == "__main__":
    main()
