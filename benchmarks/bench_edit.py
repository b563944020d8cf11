"""Anonymisation of a study: one of 400 CT slices of 512x512, and one of 2,000 small instances; and how fast
small instances are stored meanwhile.

python -m benchmarks.bench_edit
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bench_upload import upload
from benchmarks.corpus import ct_slices
from benchmarks.pair import compare, machine, resident_mb, servers
from benchmarks.wire import rate
from tests.support.server import Server, orthanclite_command, running

STUDIES = (("400 CT slices of 512x512", 400, 512), ("2,000 small instances", 2000, 16))


def main() -> None:
    print(machine())
    for what, count, side in STUDIES:
        files = ct_slices(count, side)
        with servers() as pair:
            for server in pair.values():
                rate(server.http_port, 4, files, upload)
            compare(f"Anonymise {what}", pair, anonymize, "instances/s", repeat=3)
            for name, server in pair.items():
                print(f"Memory of {name}: {resident_mb(server):.0f} MB")
    share_of_uploads()


def share_of_uploads() -> None:
    """The rate of small uploads while a large study is anonymised, against that without."""
    with tempfile.TemporaryDirectory() as folder, running(orthanclite_command(Path(folder))) as server:
        rate(server.http_port, 4, ct_slices(800, 512), upload)
        study = study_of(server)
        small = ct_slices(1200, 16, seed=2)
        alone = rate(server.http_port, 4, small[:600], upload)
        job = server.client.post(f"/studies/{study}/anonymize", json={"Asynchronous": True}).json()["Path"]
        beside = rate(server.http_port, 4, small[600:], upload)
        state = server.get(job)["State"]
    print(f"Small uploads: {alone:.0f}/s alone, {beside:.0f}/s beside a job that is then {state}")


def anonymize(server: Server) -> float:
    """Instances that are anonymised in a second; the result is deleted."""
    study = study_of(server)
    started = time.perf_counter()
    answer = server.client.post(f"/studies/{study}/anonymize", json={}, timeout=600)
    seconds = time.perf_counter() - started
    answer.raise_for_status()
    made = answer.json()
    server.client.delete(f"/patients/{made['PatientID']}", timeout=600).raise_for_status()
    assert made["FailedInstancesCount"] == 0
    return float(made["InstancesCount"] / seconds)


def study_of(server: Server) -> str:
    """The one study that was not made here."""
    studies: Sequence[dict[str, str]] = server.get("/studies?expand")
    (study,) = (one for one in studies if "AnonymizedFrom" not in one)
    return study["ID"]


if __name__ == "__main__":
    main()
