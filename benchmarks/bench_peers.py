"""Transfers of a study to a peer: two servers of ours, and two installed references, in turns.

python -m benchmarks.bench_peers [small|ct]
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from benchmarks.corpus import ct_slices
from benchmarks.pair import OURS, THEIRS, compare, machine
from tests.support.server import REFERENCE, Server, orthanclite_command, reference, running

CASES = {"small": ("2,000 small instances", 2000, 16), "ct": ("400 CT slices of 512x512", 400, 512)}


def main() -> None:
    """Measure everything, or only what the arguments name."""
    wanted = set(sys.argv[1:])
    print(machine())
    seeds = count(1)
    makers = {OURS: orthanclite_command} | ({} if REFERENCE is None else {THEIRS: reference})
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        senders: dict[str, Server] = {}
        receivers: dict[str, Server] = {}
        for name, make in makers.items():
            receivers[name] = stack.enter_context(running(make(Path(folder) / f"{name}-receiver")))
            config = {"OrthancPeers": {"peer": [receivers[name].url]}}
            senders[name] = stack.enter_context(running(make(Path(folder) / f"{name}-sender", config)))
        for case in [case for case in CASES if case in wanted] or CASES:
            label, number, side = CASES[case]
            files = ct_slices(number, side, next(seeds))
            studies = {}
            for name, server in senders.items():
                for file in files:
                    studies[name] = str(server.upload(file)["ParentStudy"])

            def measure(server: Server, studies: dict[str, str] = studies, number: int = number) -> float:
                (name,) = [name for name in senders if senders[name] is server]
                return send(server, receivers[name], studies[name], number)

            compare(f"{label} to a peer", senders, measure, "/s", repeat=5)
            for name, server in senders.items():
                empty(server)
                empty(receivers[name])


def send(sender: Server, receiver: Server, study: str, number: int) -> float:
    """Instances per second, of a synchronous request."""
    empty(receiver)
    started = time.perf_counter()
    answer = sender.client.post("/peers/peer/store", json={"Resources": [study]}, timeout=600)
    elapsed = time.perf_counter() - started
    answer.raise_for_status()
    assert answer.json()["FailedInstancesCount"] == 0
    found = receiver.get("/statistics")["CountInstances"]
    assert found == number, f"{found} of {number} instances have come"
    return number / elapsed


def empty(server: Server) -> None:
    for patient in server.get("/patients"):
        server.client.delete(f"/patients/{patient}", timeout=600)


if __name__ == "__main__":
    main()
