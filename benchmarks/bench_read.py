"""Reading the resource tree over four connections: tags, expanded lists, single resources.

python -m benchmarks.bench_read
"""

from __future__ import annotations

from itertools import cycle, islice

from benchmarks.bench_upload import upload
from benchmarks.corpus import ct_slices
from benchmarks.pair import compare, machine, resident_mb, servers
from benchmarks.wire import Connection, rate
from tests.support.server import Server

INSTANCES = 500
REQUESTS = 3000
CONNECTIONS = 4


def main() -> None:
    print(machine())
    with servers() as pair:
        for seed in range(10):
            files = ct_slices(INSTANCES // 10, 16, seed + 1, per_series=10)
            for server in pair.values():
                rate(server.http_port, CONNECTIONS, files, upload)
        ids: list[str] = next(iter(pair.values())).get("/instances")
        for what, paths in (
            ("/instances/{id}/tags", [f"/instances/{id}/tags" for id in ids]),
            ("/instances/{id}/tags?simplify", [f"/instances/{id}/tags?simplify" for id in ids]),
            ("/instances/{id}", [f"/instances/{id}" for id in ids]),
            ("/instances/{id}/file", [f"/instances/{id}/file" for id in ids]),
            (
                "/instances?expand, 100 of 500",
                [f"/instances?expand&since={n}&limit=100" for n in (0, 200, 400)],
            ),
            ("/series?expand, 50", ["/series?expand&since=0&limit=50"]),
            ("/studies?expand, 10", ["/studies?expand"]),
            ("/changes?limit=100", ["/changes?limit=100"]),
            ("/system", ["/system"]),
        ):
            many = REQUESTS if "expand" not in what and "changes" not in what else REQUESTS // 10

            def measure(server: Server, paths: list[str] = paths, many: int = many) -> float:
                return rate(server.http_port, CONNECTIONS, list(islice(cycle(paths), many)), get)

            compare(what, pair, measure, "/s", repeat=3)
        for name, server in pair.items():
            print(f"Memory of {name}: {resident_mb(server):.0f} MB")


def get(client: Connection, path: object) -> None:
    assert isinstance(path, str)
    client.request("GET", path)


if __name__ == "__main__":
    main()
