"""C-STORE with DCMTK's storescu in its default settings, over one and over four associations at once.

python -m benchmarks.bench_cstore
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

from benchmarks.corpus import ct_slices
from benchmarks.pair import compare, machine, servers
from tests.support.server import Server

CONFIG = {"DicomAlwaysAllowStore": True, "DicomCheckCalledAet": False}


def main() -> None:
    print(machine())
    seeds = count(1)
    with servers(CONFIG) as pair, tempfile.TemporaryDirectory() as folder:
        for label, number, side in (("small instances", 200, 16), ("CT slices of 512x512", 100, 512)):
            for associations in (1, 4):

                def measure(
                    server: Server, number: int = number, side: int = side, associations: int = associations
                ) -> float:
                    return send(server, Path(folder), ct_slices(number, side, next(seeds)), associations)

                compare(f"C-STORE of {label}, {associations} association(s)", pair, measure, "/s", repeat=3)


def send(server: Server, folder: Path, files: list[bytes], associations: int) -> float:
    """Instances per second, from the start of the first storescu to the end of the last."""
    paths = [folder / f"{number:04}.dcm" for number in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content)
    command = ["storescu", "-aec", "ORTHANC", "127.0.0.1", str(server.dicom_port)]
    started = time.perf_counter()
    senders = [
        subprocess.Popen([*command, *map(str, paths[share::associations])], stderr=subprocess.DEVNULL)
        for share in range(associations)
    ]
    statuses = [sender.wait() for sender in senders]
    elapsed = time.perf_counter() - started
    assert not any(statuses), statuses
    return len(files) / elapsed


if __name__ == "__main__":
    main()
