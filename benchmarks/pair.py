"""Ours and the installed reference side by side: two servers, interleaved runs, medians and their ratio."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from tests.support.server import REFERENCE, Server, orthanclite_command, reference, running

OURS, THEIRS = "ours", "reference"
_RESTS = 2  # seconds in a row
_IDLE = 0.05  # seconds of a processor in one of them


@contextmanager
def servers(
    config: Mapping[str, Any] | None = None, theirs: Mapping[str, Any] | None = None
) -> Iterator[dict[str, Server]]:
    """Both servers, empty and running; ours alone where the reference is not installed.

    :param theirs: further configuration of the reference, such as its plugins
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        made = {OURS: orthanclite_command(Path(folder) / OURS, config)}
        if REFERENCE is not None:
            made[THEIRS] = reference(Path(folder) / THEIRS, {**(config or {}), **(theirs or {})})
        yield {name: stack.enter_context(running(server)) for name, server in made.items()}


def compare(
    what: str, pair: Mapping[str, Server], measure: Callable[[Server], float], unit: str, repeat: int = 5
) -> float | None:
    """Measure both in turns and print their medians; ours divided by the reference's.

    :param measure: a rate: more is better
    """
    results: dict[str, list[float]] = {name: [] for name in pair}
    for round_ in range(repeat):
        names = list(pair) if round_ % 2 == 0 else list(reversed(pair))
        for name in names:
            results[name].append(measure(pair[name]))
    ours = median(results[OURS])
    if THEIRS not in results:
        print(f"{what:44} {ours:10.1f} {unit}")
        return None
    theirs = median(results[THEIRS])
    print(f"{what:44} {ours:10.1f} {theirs:10.1f} {unit}   ratio {ours / theirs:.2f}", flush=True)
    return ours / theirs


def settle(pair: Mapping[str, Server]) -> None:
    """Wait until the servers have done what an upload leaves to them: DICOMweb's metadata, say."""
    rest = 0
    while rest < _RESTS:
        before = [server.work() for server in pair.values()]
        time.sleep(1)
        used = (server.work() - one for server, one in zip(pair.values(), before, strict=True))
        rest = rest + 1 if sum(used) < _IDLE else 0


def resident_mb(server: Server) -> float:
    """Memory of a server process (RSS), in megabytes."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/statm").read_text().split()
    return int(status[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def machine() -> str:
    """Cores and memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GB"
