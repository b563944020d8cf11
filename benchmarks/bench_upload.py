"""REST uploads: 2,000 small instances and 400 CT slices, over one and over four connections.

python -m benchmarks.bench_upload
"""

from __future__ import annotations

from itertools import count

from benchmarks.corpus import ct_slices
from benchmarks.pair import compare, machine, resident_mb, servers
from benchmarks.wire import Connection, rate
from tests.support.server import Server


def main() -> None:
    print(machine())
    seeds = count(1)
    with servers() as pair:
        for label, number, side in (("small instances", 2000, 16), ("CT slices of 512x512", 400, 512)):
            for connections in (1, 4):

                def measure(
                    server: Server, number: int = number, side: int = side, n: int = connections
                ) -> float:
                    files = ct_slices(number, side, next(seeds))
                    return rate(server.http_port, n, files, upload)

                compare(f"Upload of {label}, {connections} connection(s)", pair, measure, "/s")
        for name, server in pair.items():
            print(f"Memory of {name}: {resident_mb(server):.0f} MB")


def upload(client: Connection, file: object) -> None:
    assert isinstance(file, bytes)
    answer = client.request("POST", "/instances", file)
    assert b'"Success"' in answer, answer


if __name__ == "__main__":
    main()
