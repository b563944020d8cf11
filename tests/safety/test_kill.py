"""kill -9 in the middle of uploads and deletions from four clients, again and again on the same storage.

After each death, what was acknowledged must be there byte for byte, what was deleted must be gone, and the
rest must be there wholly or not at all. ``ORTHANCLITE_KILLS`` is how often the server dies on SQLite; more
than in each run of the tests tells more.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orthanclite.commands.verify import check
from orthanclite.index import SqlIndex
from orthanclite.services.upkeep.sweep import OrphanSweep
from orthanclite.storage import FileStorage
from tests.safety.ledger import Entry, State, digest, write_and_kill
from tests.support.postgres import Cluster
from tests.support.server import Server, orthanclite

KILLS = int(os.environ.get("ORTHANCLITE_KILLS", "10"))
LEVELS = ("patients", "studies", "series", "instances")
CONFIG = {
    "StableAge": 1,
    "OverwriteInstances": False,
    "DicomWeb": {"EnableMetadataCache": False},  # the totals count it, too
}


@pytest.mark.timeout(100 + 10 * KILLS)
def test_kill_on_sqlite(tmp_path: Path) -> None:
    survive(orthanclite(tmp_path, CONFIG), f"sqlite:///{tmp_path}/storage/index-orthanclite", rounds=KILLS)


@pytest.mark.timeout(200)
def test_kill_on_postgresql(tmp_path: Path, postgres: Cluster) -> None:
    with postgres.database() as name:
        settings = {
            "EnableIndex": True,
            "Host": postgres.host,
            "Port": postgres.port,
            "Database": name,
            "Username": postgres.user,
        }
        survive(orthanclite(tmp_path, {**CONFIG, "PostgreSQL": settings}), postgres.url(name), rounds=5)


def survive(server: Server, database: str, rounds: int) -> None:
    """Kill the server so many times; check after each death, before and after the restart."""
    ledger: dict[str, Entry] = {}
    storage = server.folder / "storage"
    logged = 0  # number of the last change that was seen
    try:
        for number in range(rounds):
            server.start()
            logged = check_answers(server, ledger, logged)
            assert write_and_kill(server, ledger, number) >= 12
            check_stores(database, storage)
        server.start()
        check_answers(server, ledger, logged, every_file=True)
        assert server.stop() == 0
    finally:
        server.client.close()
        if server.process is not None:
            server.kill()
    assert verify(server) == "Every file is as the index says.\n"
    check_sweep(database, storage, ledger)
    assert verify(server) == "Every file is as the index says.\n"


def check_answers(server: Server, ledger: dict[str, Entry], logged: int, every_file: bool = False) -> int:
    """What the restarted server shows against what its clients know; the number of the last change."""
    resources = {level: server.get(f"/{level}", params={"expand": ""}) for level in LEVELS}
    shown = {resource["ID"] for resource in resources["instances"]}
    assert shown <= ledger.keys()
    for id, entry in ledger.items():
        if entry.state is State.STORED:
            assert id in shown, "an acknowledged instance is lost"
        elif entry.state is State.DELETED:
            assert id not in shown, "a deleted instance has come back"
        else:
            # What was sent without an answer is settled by the crash: it may not change any more.
            entry.state = State.STORED if id in shown else State.DELETED
        if id in shown and (every_file or not entry.compared):
            assert digest(download(server, id), entry.by_dicom) == entry.digest
            entry.compared = True
    check_tree(server, resources)
    return check_changes(server, resources, logged)


def download(server: Server, id: str) -> bytes:
    answer = server.client.get(f"/instances/{id}/attachments/dicom/data")
    assert answer.status_code == 200, "half an instance is visible"
    content = answer.content
    stored = server.client.get(f"/instances/{id}/attachments/dicom/md5")
    assert hashlib.md5(content, usedforsecurity=False).hexdigest() == stored.text
    return content


def check_tree(server: Server, resources: dict[str, Any]) -> None:
    """The four levels belong together, and the totals are theirs."""
    statistics = server.get("/statistics")
    counts = [statistics[f"Count{level.title()}"] for level in LEVELS]
    assert counts == [len(resources[level]) for level in LEVELS]
    sizes = sum(resource["FileSize"] for resource in resources["instances"])
    assert statistics["TotalDiskSize"] == statistics["TotalUncompressedSize"] == str(sizes)
    for above, below in pairwise(LEVELS):
        key = below.title()
        children = [id for resource in resources[above] for id in resource[key]]
        assert sorted(children) == [resource["ID"] for resource in resources[below]]
        assert all(resource[key] for resource in resources[above]), "a resource without children"


def check_changes(server: Server, resources: dict[str, Any], logged: int) -> int:
    """Every resource that is there was logged as new, once and for all under one number."""
    changes: list[dict[str, Any]] = []
    done, since = False, 0
    while not done:
        page = server.get("/changes", params={"since": since, "limit": 1000})
        changes += page["Changes"]
        done, since = page["Done"], page["Last"]
    numbers = [change["Seq"] for change in changes]
    assert numbers == sorted(set(numbers))
    for level, kind in zip(LEVELS, ("Patient", "Study", "Series", "Instance"), strict=True):
        new = [change["ID"] for change in changes if change["ChangeType"] == f"New{kind}"]
        assert sorted(new) == [resource["ID"] for resource in resources[level]]
    last = server.get("/changes?last")["Last"]
    assert last >= logged, "numbers of changes are given twice"
    return int(last)


def check_stores(database: str, storage: Path) -> None:
    """As the dead process left it: no row of the index without its blob, no blob with wrong bytes."""
    index = SqlIndex(database)
    try:
        assert list(check(index.maintenance, FileStorage(storage))) == []
    finally:
        index.close()


def check_sweep(database: str, storage: Path, ledger: dict[str, Entry]) -> None:
    """The sweep removes exactly the blobs that no row refers to."""
    blobs = FileStorage(storage)
    index = SqlIndex(database)
    try:
        stored = [uuid for uuid, _, _ in blobs.scan()]
        known = index.maintenance.known_blobs(stored)
        swept = OrphanSweep(blobs, index.maintenance, index.properties, grace=0).run()
        assert swept == len(stored) - len(known)
        assert {uuid for uuid, _, _ in blobs.scan()} == known
        assert len(known) == sum(entry.state is State.STORED for entry in ledger.values())
    finally:
        index.close()


def verify(server: Server) -> str:
    """The output of ``orthanclite verify``."""
    config = server.folder / "config.json"
    assert json.loads(config.read_text())["StorageDirectory"] == str(server.folder / "storage")
    done = subprocess.run(
        [sys.executable, "-m", "orthanclite", "verify", str(config)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
