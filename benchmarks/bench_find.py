"""Searches: ours and the reference over REST on the same studies, and the SQL engine at any size.

``python -m benchmarks.bench_find pair N`` fills both servers with N studies, ours straight into its index and
the reference by uploads (for at most ``--minutes``), and compares them.
``python -m benchmarks.bench_find index URL`` measures an index that ``benchmarks.generate_index`` has filled;
``--explain`` shows how it finds each answer.
``python -m benchmarks.bench_find rest URL`` measures whole requests to a server on such an index.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url

from benchmarks.generate_index import Generator, fill
from benchmarks.pair import machine
from benchmarks.wire import Connection as Wire
from benchmarks.wire import rate
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.query import FindRequest, OrderBy, OrderType, constraint
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.index import SqlIndex
from orthanclite.index.database.engines import Database
from orthanclite.index.database.migrations import prepare
from tests.support.server import REFERENCE, orthanclite_command, reference, running

NEWEST = [{"Type": "DicomTag", "Key": "StudyDate", "Direction": "DESC"}]
REQUESTED = [
    "ModalitiesInStudy",
    "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances",
    "PatientName",
]
LIMIT = 50


def samples(count: int, seed: int = 1) -> tuple[dict[str, str], list[str], str]:
    """Identifying values of one study in the middle, UIDs of twenty, and a name."""
    studies = list(Generator(seed).studies(min(count, 2000)))
    rng = random.Random(5)
    patient, study, _ = studies[len(studies) // 2]
    uids = [one[1][0x0020000D] for one in rng.sample(studies, 20)]
    return {"PatientID": patient[0x00100020], "AccessionNumber": study[0x00080050]}, uids, patient[0x00100010]


def queries(count: int) -> dict[str, dict[str, Any]]:
    """The searches by name: fields of ``tools/find`` beside the level."""
    known, uids, name = samples(count)
    family = name.split("^")[0]
    limited: dict[str, Any] = {"Limit": LIMIT}
    return {
        "equality, PatientID": {"Query": {"PatientID": known["PatientID"]}},
        "equality, AccessionNumber": {"Query": {"AccessionNumber": known["AccessionNumber"]}},
        "list of 20 UIDs": {"Query": {"StudyInstanceUID": "\\".join(uids)}},
        "prefix, PatientName": {"Query": {"PatientName": f"{family}*"}, **limited},
        "substring, PatientName": {"Query": {"PatientName": f"*{family[1:5]}*"}, **limited},
        "substring, StudyDescription": {"Query": {"StudyDescription": "*thor*"}, **limited},
        "rare substring, PatientName": {"Query": {"PatientName": f"*{name[2:]}*"}, **limited},
        "dates and ModalitiesInStudy": {
            "Query": {"StudyDate": "20200101-20200301", "ModalitiesInStudy": "MR"},
            **limited,
        },
        "newest 50, RequestedTags": {
            "Query": {},
            "OrderBy": NEWEST,
            "RequestedTags": REQUESTED,
            "Expand": True,
            **limited,
        },
        "newest 50 of a name": {"Query": {"PatientName": f"*{family[1:5]}*"}, "OrderBy": NEWEST, **limited},
        "deep page, expanded": {"Query": {}, "Since": count // 2, "Limit": 100, "Expand": True},
        "deep page, newest first": {
            "Query": {},
            "OrderBy": NEWEST,
            "Since": count // 2,
            "Expand": True,
            **limited,
        },
    }


NOT_IN_REFERENCE = frozenset({"newest 50, RequestedTags", "newest 50 of a name", "deep page, newest first"})
"""What the installed reference does not know: OrderBy came with 1.12.5."""


def timed(run: Callable[[], object], repeat: int = 15) -> str:
    """Milliseconds of the median run, of the fastest, and of the one before them, which warms up."""
    started = time.perf_counter()
    run()
    first = time.perf_counter() - started
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    shown = (f"{value * 1000:.2f}" for value in (median(times), min(times), first))
    return "{:>9} ms (fastest {:>8}, first {:>8})".format(*shown)


def index_request(fields: dict[str, Any]) -> FindRequest:
    dictionary = TagDictionary.build()
    wanted = []
    for name, value in fields["Query"].items():
        tag = dictionary.parse_tag(name)
        wanted.append(constraint(tag, dictionary.vr(tag), value))
    order = tuple(OrderBy(OrderType.TAG, 0x00080020, False) for _ in fields.get("OrderBy", ()))
    return FindRequest(
        Level.STUDY,
        tuple(one for one in wanted if one is not None),
        order_by=order,
        since=fields.get("Since", 0),
        limit=fields.get("Limit", 0),
    )


def measure_index(url: str, explain: bool) -> None:
    """The SQL engine alone, without HTTP and rendering."""
    index = SqlIndex(url)
    search = index.search(MainTags.build())
    count = index.resources.counts().studies
    print(f"{machine()}, {count} studies, {index.database.url.get_backend_name()}")
    for name, fields in queries(count).items():
        request = index_request(fields)
        found: list[str] = []

        def run(request: FindRequest = request, found: list[str] = found) -> None:
            found[:] = search.find_ids(request)

        print(f"{name:32} {timed(run)}  {len(found)} found", flush=True)
        if explain:
            for plan in plans(index, lambda: search.find_ids(request)):  # noqa: B023 - called at once
                print(plan)
    counted = index_request(
        {"Query": {"PatientName": "*" + queries(count)["substring, PatientName"]["Query"]["PatientName"][1:]}}
    )
    print(f"{'count of a substring':32} {timed(lambda: search.count(counted), 5)}")
    index.close()


def plans(index: SqlIndex, run: Callable[[], object]) -> Iterator[str]:
    """How the database runs each statement of ``run``."""
    statements: list[tuple[str, Any]] = []
    engine = index.database._readers

    def note(connection: Connection, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        run()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    is_sqlite = index.database.is_sqlite
    with engine.connect() as connection:
        for statement, parameters in statements:
            prefix = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) "
            rows = connection.exec_driver_sql(prefix + statement, parameters).all()
            yield "\n".join(f"    {row[-1]}" for row in rows) + "\n    --"


def pair(count: int, minutes: float) -> None:
    """Both servers over REST."""
    with tempfile.TemporaryDirectory() as folder:
        ours = orthanclite_command(Path(folder) / "ours")
        studies = count
        database = Database(f"sqlite:///{folder}/ours/storage/index-orthanclite")
        theirs = None
        if REFERENCE is not None:
            theirs = reference(Path(folder) / "reference", {"MaximumStorageSize": 0})
            theirs.start()
            studies = upload(theirs.http_port, count, minutes)
        prepare(database)
        fill(database, studies)
        database.close()
        with running(ours):
            print(f"{machine()}, {studies} studies")
            for name, fields in queries(studies).items():
                shown = f"{name:32} {request_time(ours.http_port, fields)}"
                if theirs is not None and name not in NOT_IN_REFERENCE:
                    shown += f"  {request_time(theirs.http_port, fields)}"
                print(shown, flush=True)
        if theirs is not None:
            theirs.stop()


def measure_rest(url: str) -> None:
    """Whole requests to a server of ours on a filled index."""
    known = make_url(url)
    config: dict[str, Any] = {}
    if known.get_backend_name() == "sqlite":
        config["IndexDirectory"] = str(Path(str(known.database)).parent)
    else:
        config["PostgreSQL"] = {
            "EnableIndex": True,
            "Host": known.host,
            "Port": known.port,
            "Database": known.database,
            "Username": known.username,
        }
    with (
        tempfile.TemporaryDirectory() as folder,
        running(orthanclite_command(Path(folder), config)) as server,
    ):
        count = server.get("/statistics")["CountStudies"]
        print(f"{machine()}, {count} studies, {known.get_backend_name()}, over REST")
        for name, fields in queries(count).items():
            print(f"{name:32} {request_time(server.http_port, fields)}", flush=True)


def request_time(port: int, fields: dict[str, Any]) -> str:
    wire = Wire(port)
    body = json.dumps({"Level": "Study", **fields}).encode()
    result = timed(lambda: wire.request("POST", "/tools/find", body), 11)
    wire.close()
    return result


def upload(port: int, count: int, minutes: float) -> int:
    """Give a server the generated studies as small files; how many fitted into the time."""
    until = time.monotonic() + minutes * 60
    done = 0
    batch: list[object] = []

    def send(wire: Wire, item: object) -> None:
        assert isinstance(item, bytes)
        wire.request("POST", "/instances", item)

    for patient, study, all_series in Generator(1).studies(count):
        batch += [small_file(patient | study | series) for series in all_series]
        done += 1
        if len(batch) >= 2000:
            rate(port, 4, batch, send)
            batch = []
            if time.monotonic() > until:
                break
    if batch:
        rate(port, 4, batch, send)
    return done


def small_file(tags: dict[int, str]) -> bytes:
    """A file with these attributes and no pixels, explicit VR little endian."""
    dictionary = _DICTIONARY
    uid = f"{tags[0x0020000E]}.1"
    meta = element(0x00020002, "UI", SECONDARY_CAPTURE) + element(0x00020003, "UI", uid)
    meta += element(0x00020010, "UI", "1.2.840.10008.1.2.1")
    body = {0x00080005: "ISO_IR 192", 0x00080016: SECONDARY_CAPTURE, 0x00080018: uid, 0x00200013: "1", **tags}
    data = BytesIO()
    data.write(bytes(128) + b"DICM" + element(0x00020000, "UL", len(meta).to_bytes(4, "little")) + meta)
    for tag in sorted(body):
        data.write(element(tag, dictionary.vr(tag), body[tag]))
    return data.getvalue()


SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_DICTIONARY = TagDictionary.build()


def element(tag: int, vr: str, value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    raw += (b"\0" if vr == "UI" else b" ") * (len(raw) % 2)
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + vr.encode()
    return head + len(raw).to_bytes(2, "little") + raw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    modes = parser.add_subparsers(dest="mode", required=True)
    one = modes.add_parser("pair")
    one.add_argument("studies", type=int)
    one.add_argument("--minutes", type=float, default=8, help="for the uploads to the reference")
    other = modes.add_parser("index")
    other.add_argument("url", help="SQLAlchemy URL")
    other.add_argument("--explain", action="store_true")
    whole = modes.add_parser("rest")
    whole.add_argument("url", help="SQLAlchemy URL; a SQLite file must be named index-orthanclite")
    arguments = parser.parse_args()
    if arguments.mode == "pair":
        pair(arguments.studies, arguments.minutes)
    elif arguments.mode == "rest":
        measure_rest(arguments.url)
    else:
        measure_index(arguments.url, arguments.explain)


if __name__ == "__main__":
    main()
