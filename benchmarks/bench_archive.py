"""Archives of a study of 400 CT slices of 512x512: megabytes of DICOM files per second, one and two clients.

python -m benchmarks.bench_archive
"""

from __future__ import annotations

import time

from benchmarks.bench_upload import upload
from benchmarks.corpus import ct_slices
from benchmarks.pair import compare, machine, resident_mb, servers
from benchmarks.wire import Connection, rate
from tests.support.server import Server

SLICES = 400


def main() -> None:
    print(machine())
    files = ct_slices(SLICES, 512)
    megabytes = sum(map(len, files)) / 2**20
    with servers() as pair:
        for server in pair.values():
            rate(server.http_port, 4, files, upload)
        for kind in ("archive", "media"):
            for clients in (1, 2):

                def measure(server: Server, kind: str = kind, clients: int = clients) -> float:
                    path = f"/studies/{server.get('/studies')[0]}/{kind}"
                    started = time.perf_counter()
                    rate(server.http_port, clients, [path] * clients, get)
                    return clients * megabytes / (time.perf_counter() - started)

                compare(f"Study as {kind}, {clients} client(s)", pair, measure, "MB/s", repeat=3)
        for name, server in pair.items():
            print(f"Memory of {name}: {resident_mb(server):.0f} MB")


def get(client: Connection, path: object) -> None:
    assert isinstance(path, str)
    assert client.request("GET", path)


if __name__ == "__main__":
    main()
