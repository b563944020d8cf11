"""Instances on their way out over DICOM, to DCMTK's tools, which receive and drop them.

python -m benchmarks.bench_network [small|ct] [get|move|store] [number of instances]

Without ``TCP_NODELAY=1`` in its environment, which is set here, the installed reference waits for a delayed
acknowledgement at each instance, and takes minutes for 2,000.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from io import BytesIO

import pydicom

from benchmarks.corpus import ct_slices
from benchmarks.pair import compare, machine, servers, settle
from tests.support.ports import free_port
from tests.support.server import Server

CASES = {"small": ("small instances", 2000, 16), "ct": ("CT slices of 512x512", 400, 512)}
AET = "BENCH"
STUDY = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k"]


def main() -> None:
    """Measure everything, or only what the arguments name."""
    wanted = set(sys.argv[1:])
    numbers = [int(one) for one in wanted if one.isdecimal()]
    print(machine())
    os.environ["TCP_NODELAY"] = "1"  # read by DCMTK: by the reference, and by its tools that receive
    with receiver() as port:
        modalities = {"bench": [AET, "127.0.0.1", port]}
        with servers({"DicomModalities": modalities, "OverwriteInstances": False}) as pair:
            for name in [name for name in CASES if name in wanted] or CASES:
                label, number, side = CASES[name]
                number = numbers[0] if numbers else number
                files = ct_slices(number, side, seed=side)
                for server in pair.values():
                    upload(server, files)
                settle(pair)
                study = pydicom.dcmread(BytesIO(files[0]), stop_before_pixels=True).StudyInstanceUID
                for way in [way for way in WAYS if way in wanted] or WAYS:
                    measure = partial(rate, WAYS[way], number, study)
                    compare(f"{way.upper()} of {label}", pair, measure, "/s", repeat=5)


def rate(way: Callable[[Server, str], None], number: int, study: str, server: Server) -> float:
    """Instances per second."""
    started = time.perf_counter()
    way(server, study)
    return number / (time.perf_counter() - started)


def upload(server: Server, files: list[bytes]) -> None:
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(server.upload, files):
            pass


def get(server: Server, study: str) -> None:
    """C-GET by getscu."""
    run("getscu", "--ignore", server, *STUDY, f"StudyInstanceUID={study}")


def move(server: Server, study: str) -> None:
    """C-MOVE by movescu to storescp."""
    run("movescu", "-aem", AET, server, *STUDY, f"StudyInstanceUID={study}")


def store(server: Server, study: str) -> None:
    """C-STORE to storescp, asked for over REST."""
    [id] = server.client.post("/tools/lookup", content=study).json()
    answer = server.client.post("/modalities/bench/store", content=id["ID"], timeout=None)
    answer.raise_for_status()
    assert answer.json()["FailedInstancesCount"] == 0


def run(tool: str, *arguments: str | Server) -> None:
    texts: list[str] = []
    for one in arguments:
        texts += [one] if isinstance(one, str) else []
    [server] = [one for one in arguments if isinstance(one, Server)]
    address = ["-aet", AET, "-aec", "ORTHANC", "127.0.0.1", str(server.dicom_port)]
    subprocess.run([tool, *texts, *address], check=True, stdout=subprocess.DEVNULL)


WAYS: dict[str, Callable[[Server, str], None]] = {"get": get, "move": move, "store": store}


@contextmanager
def receiver() -> Iterator[int]:
    """A storescp that drops what it gets; its port."""
    port = free_port()
    command = ["storescp", "--ignore", "-aet", AET, str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
