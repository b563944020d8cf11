"""C-STORE with DCMTK's storescu in its default settings, over one and over four associations at once.

python -m benchmarks.bench_cstore [small|ct] [1|4]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

from benchmarks.corpus import ct_slices
from benchmarks.pair import compare, machine, servers
from tests.support.server import Server

CASES = {"small": ("small instances", 400, 16), "ct": ("CT slices of 512x512", 200, 512)}
CONFIG = {"DicomAlwaysAllowStore": True, "DicomCheckCalledAet": False}


def main() -> None:
    """Measure everything, or only what the arguments name."""
    wanted = set(sys.argv[1:])
    print(machine())
    seeds = count(1)
    with servers(CONFIG) as pair, tempfile.TemporaryDirectory() as folder:
        for name in [name for name in CASES if name in wanted] or CASES:
            label, number, side = CASES[name]
            for associations in [one for one in (1, 4) if str(one) in wanted] or (1, 4):

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
