"""Images: ours and the installed reference, on the same machine, one after the other, in one run.

    python -m benchmarks.bench_images [--rounds 3] [--only previews]

Every request asks for another slice, so that nobody answers from memory what was asked before. The servers
take turns, and the medians of the rounds are printed with the peak memory of a server and its workers.
The series are made here; compressed ones by DCMTK, JPEG 2000 by this server's own encoder, because the
installed reference has none: it does not take part where it cannot decode.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.corpus import ct_slices
from orthanclite.dicom.pixels.writing.transcode import transcode
from tests.support.server import REFERENCE, Server, orthanclite_command, reference, running

JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"
SIDE = 512
SLICES = 50
CONFIG = {"SyncStorageArea": False, "StableAge": 3600, "OverwriteInstances": True, "KeepAlive": True}

Work = Callable[[Server], float]


@dataclass
class Series:
    """A stored series: its Orthanc ID and those of its instances."""

    id: str
    instances: list[str]


@dataclass
class Contestant:
    """A server and what was measured of it, by the name of the work."""

    name: str
    server: Server
    series: dict[str, Series] = field(default_factory=dict)
    rates: dict[str, list[float]] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)


def corpus() -> dict[str, list[bytes]]:
    """The same series in three transfer syntaxes, each with patients of its own."""
    native = ct_slices(SLICES, SIDE, seed=1, per_series=SLICES)
    plain = {name: ct_slices(SLICES, SIDE, seed, SLICES) for name, seed in (("jpegls", 2), ("jpeg2000", 3))}
    with tempfile.TemporaryDirectory() as folder:
        compressed = [_jpeg_ls(data, Path(folder)) for data in plain["jpegls"]]
    return {
        "native": native,
        "jpegls": compressed,
        "jpeg2000": [transcode(data, JPEG_2000) for data in plain["jpeg2000"]],
    }


def _jpeg_ls(data: bytes, folder: Path) -> bytes:
    source, target = folder / "source", folder / "target"
    source.write_bytes(data)
    subprocess.run(["dcmcjpls", str(source), str(target)], check=True, capture_output=True)
    return target.read_bytes()


def previews(kind: str, clients: int) -> Callable[[Contestant], float]:
    """Previews per second of different slices; the query keeps the answers apart from those before."""

    def measure(contestant: Contestant) -> float:
        paths = [f"/instances/{instance}/preview" for instance in contestant.series[kind].instances]
        return _rate(contestant.server, paths, clients)

    return measure


def arrays(contestant: Contestant) -> float:
    """Arrays of a series of 50 slices, per second."""
    return _rate(contestant.server, [f"/series/{contestant.series['native'].id}/numpy"] * 2, 1)


def transcoded(target: str) -> Callable[[Contestant], float]:
    """Files per second of a series that is downloaded in another transfer syntax, as an archive."""

    def measure(contestant: Contestant) -> float:
        series = contestant.series["native"]
        path = f"/series/{series.id}/archive?transcode={target}"
        return _rate(contestant.server, [path] * 2, 1) * len(series.instances)

    return measure


def _rate(server: Server, paths: list[str], clients: int) -> float:
    """Answers per second."""
    local = threading.local()
    opened: list[HTTPConnection] = []

    def fetch(path: str) -> None:
        if not hasattr(local, "connection"):
            local.connection = HTTPConnection("127.0.0.1", server.http_port, timeout=120)
            local.buffer = bytearray(1 << 20)
            opened.append(local.connection)
        # uncompressed: the older reference would otherwise deflate all answers, at its default
        local.connection.request("GET", path)
        answer = local.connection.getresponse()
        assert answer.status == 200, (path, answer.status)
        while answer.readinto(local.buffer):  # nothing is kept: the client shall not be what is measured
            pass

    with ThreadPoolExecutor(clients) as pool:
        started = time.perf_counter()
        list(pool.map(fetch, paths))
        seconds = time.perf_counter() - started
    for connection in opened:
        connection.close()
    return len(paths) / seconds


WORKS: dict[str, tuple[Callable[[Contestant], float], bool]] = {
    "previews of a native slice, 1 client": (previews("native", 1), True),
    "previews of a native slice, 4 clients": (previews("native", 4), True),
    "previews of a JPEG-LS slice, 1 client": (previews("jpegls", 1), True),
    "previews of a JPEG-LS slice, 4 clients": (previews("jpegls", 4), True),
    "previews of a JPEG 2000 slice, 1 client": (previews("jpeg2000", 1), False),
    "previews of a JPEG 2000 slice, 4 clients": (previews("jpeg2000", 4), False),
    "series arrays of 50 slices": (arrays, True),
    "files transcoded to JPEG-LS": (transcoded(JPEG_LS), True),
    "files transcoded to JPEG 2000": (transcoded(JPEG_2000), False),
}
"""By name: the work, and whether the installed reference can do it."""


class Memory(threading.Thread):
    """The peak of the resident memory of a process and those it has started, files left out, in bytes."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._done = threading.Event()
        self.peak = 0

    def run(self) -> None:
        while not self._done.wait(0.05):
            self.peak = max(self.peak, sum(map(_anonymous, _family(self._root))))

    def end(self) -> int:
        self._done.set()
        self.join()
        return self.peak


def _family(root: int) -> Iterator[int]:
    yield root
    for tasks in Path(f"/proc/{root}/task").glob("*/children"):
        for child in map(int, tasks.read_text().split()):
            yield from _family(child)


def _anonymous(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def fill(contestant: Contestant, files: dict[str, list[bytes]]) -> None:
    """Store the series anew, under other names in the storage: what was asked before is unknown again."""
    for kind, contents in files.items():
        instances = [contestant.server.upload(data)["ID"] for data in contents]
        series = contestant.server.get(f"/instances/{instances[0]}")["ParentSeries"]
        contestant.series[kind] = Series(series, instances)


def measure(
    contestants: list[Contestant], files: dict[str, list[bytes]], rounds: int, works: list[str]
) -> None:
    """Let the contestants take turns at every work."""
    for contestant in contestants:  # what every server needs once: workers, connections to the database
        fill(contestant, files)
        for work, for_all in (WORKS[name] for name in works):
            if for_all or contestant.name == "orthanclite":
                work(contestant)
    for _ in range(rounds):
        for name in works:
            work, for_all = WORKS[name]
            for contestant in contestants:
                if not for_all and contestant.name != "orthanclite":
                    continue
                fill(contestant, files)
                assert contestant.server.process is not None
                memory = Memory(contestant.server.process.pid)
                memory.start()
                contestant.rates.setdefault(name, []).append(work(contestant))
                contestant.peaks[name] = max(contestant.peaks.get(name, 0), memory.end())


def report(contestants: list[Contestant]) -> str:
    """A table in Markdown: medians per second, ratio, peak memory of both in MB."""
    ours, theirs = contestants
    lines = [
        "| per second | ours | reference | ratio | MB ours | MB reference |",
        "|---|---|---|---|---|---|",
    ]
    for name in ours.rates:
        rate, peak = statistics.median(ours.rates[name]), ours.peaks[name] >> 20
        if name in theirs.rates:
            other, other_peak = statistics.median(theirs.rates[name]), theirs.peaks[name] >> 20
            lines.append(
                f"| {name} | {rate:.1f} | {other:.1f} | {rate / other:.2f} | {peak} | {other_peak} |"
            )
        else:
            lines.append(f"| {name} | {rate:.1f} | cannot | | {peak} | |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="measure only what has this in its name")
    arguments = parser.parse_args()
    rounds, works = arguments.rounds, [name for name in WORKS if arguments.only in name]
    assert REFERENCE is not None, "the reference is not installed"
    files = corpus()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        contestants = []
        for name, make in (("orthanclite", orthanclite_command), ("reference", reference)):
            contestants.append(
                Contestant(name, stack.enter_context(running(make(Path(folder, name), CONFIG))))
            )
        measure(contestants, files, rounds, works)
        print(f"{os.cpu_count()} cores, {rounds} rounds, medians\n\n{report(contestants)}")


if __name__ == "__main__":
    main()
