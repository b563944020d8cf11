"""Two servers on one PostgreSQL database and one storage folder, one of which is killed at work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from orthanclite.storage import FileStorage
from tests.safety.ledger import Entry, RestWriter, State, write_and_kill
from tests.safety.test_kill import check_answers, check_stores
from tests.support.postgres import Cluster
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite

PATIENCE = 120.0
"""Seconds: a server counts as dead after twenty, and others look every two."""


class Site:
    """The servers, their database, and the folder that they share."""

    def __init__(self, folder: Path, postgres: Cluster, database: str) -> None:
        self._folder = folder
        self._postgres = postgres
        self._database = database
        self.url = postgres.url(database)
        self.storage = folder / "storage"
        self.servers: list[Server] = []

    def server(self, name: str) -> Server:
        config = {
            "StorageDirectory": str(self.storage),
            "DatabaseServerIdentifier": name,
            "DicomModalitiesInDatabase": True,
            "DicomAlwaysAllowStore": True,
            "StableAge": 1,
            "DicomWeb": {"EnableMetadataCache": False},  # the totals count it, too
            "PostgreSQL": {
                "EnableIndex": True,
                "Host": self._postgres.host,
                "Port": self._postgres.port,
                "Database": self._database,
                "Username": self._postgres.user,
            },
        }
        made = orthanclite(self._folder / name, config)
        self.servers.append(made)
        return made

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url.replace("+psycopg", "")) as connection:
            return connection.execute(sql, parameters).fetchall()

    def journal(self, server: int) -> dict[str, bytes]:
        """The blobs in the journal of a run of a server, by UUID."""
        found = self.rows("SELECT uuid, content FROM blob_journal WHERE owner = %s", server)
        return {uuid: bytes(content) for uuid, content in found}

    def number(self, name: str) -> int:
        """The number of the run of a server."""
        [(number,)] = self.rows("SELECT id FROM servers WHERE name = %s", name)
        return int(number)

    def close(self) -> None:
        for server in self.servers:
            server.client.close()
            if server.process is not None:
                server.kill()


@pytest.fixture
def site(tmp_path: Path, postgres: Cluster) -> Iterator[Site]:
    with ExitStack() as stack, postgres.database() as name:
        made = Site(tmp_path, postgres, name)
        stack.callback(made.close)
        yield made
        made.close()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


class Steady(RestWriter):
    """Sends instances until it is told to end."""

    def __init__(self, server: Server, group: int) -> None:
        super().__init__(server, group, {})
        self.is_over = threading.Event()

    def new_file(self) -> tuple[str, bytes, Entry]:
        if self.is_over.is_set():
            raise OSError
        return super().new_file()


@pytest.mark.timeout(400)
def test_one_is_killed_and_the_other_goes_on(site: Site) -> None:
    first, second = site.server("first"), site.server("second")
    first.start()
    second.start()
    ledger: dict[str, Entry] = {}
    steady = [Steady(second, 91), Steady(second, 92)]
    for writer in steady:
        writer.start()
    dead = site.number("first")
    write_and_kill(first, ledger, 1)
    journal = site.journal(dead)
    assert journal, "nothing was in the journal: the test has come too late"
    damage(site.storage, journal)
    time.sleep(2)
    for writer in steady:
        assert writer.is_alive(), writer.failure
        writer.is_over.set()
        writer.join(60)
        assert writer.failure is None
        ledger.update(writer.entries)
    assert not restored(site.storage, journal), "a server that was there a moment ago is given up at once"
    wait_for(lambda: not site.journal(dead) and restored(site.storage, journal))
    assert 'The server "first" is gone' in second.log()
    check_answers(second, ledger, 0, every_file=True)
    check_stores(site.url, site.storage)
    first.start()
    check_answers(first, ledger, 0)
    assert sum(entry.state is State.STORED for entry in ledger.values()) == len(first.get("/instances"))
    assert [server.stop() for server in (first, second)] == [0, 0]
    assert site.rows("SELECT * FROM servers") == site.rows("SELECT * FROM blob_journal") == []
    assert [server.log().count("Traceback") for server in (first, second)] == [0, 0]


def damage(storage: Path, blobs: dict[str, bytes]) -> None:
    """What a failure of power does to files that were not synced: they are empty, or not there."""
    files = FileStorage(storage)
    for number, uuid in enumerate(blobs):
        if number % 2:
            files.path(uuid).unlink(missing_ok=True)
        elif files.path(uuid).exists():
            files.path(uuid).write_bytes(b"")


def restored(storage: Path, blobs: dict[str, bytes]) -> bool:
    files = FileStorage(storage)
    return all(files.path(uuid).exists() and files.read(uuid) == data for uuid, data in blobs.items())


@pytest.mark.timeout(200)
def test_a_restarted_server_has_its_files_before_it_serves(site: Site) -> None:
    first = site.server("first")
    first.start()
    ids = [first.upload(dicom_file(instance=f"1.{n}"))["ID"] for n in range(3)]
    journal = site.journal(site.number("first"))
    first.kill()
    assert journal
    damage(site.storage, journal)
    first.start()
    assert all(first.client.get(f"/instances/{id}/file").status_code == 200 for id in ids)
    assert restored(site.storage, journal)


@pytest.mark.timeout(200)
def test_what_is_set_on_one_holds_on_both(site: Site) -> None:
    first, second = pair = site.server("first"), site.server("second")
    for server in pair:
        server.start()

    def put(number: int) -> int:
        path = f"/modalities/m{number}"
        return httpx.put(pair[number % 2].url + path, json=["AET", "host", 104 + number]).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(put, range(40))) == {200}
    for server in pair:
        shown = server.get("/modalities?expand")
        assert {name: one["Port"] for name, one in shown.items()} == {f"m{n}": 104 + n for n in range(40)}
    assert first.client.delete("/modalities/m7").status_code == 200
    assert "m7" not in second.get("/modalities")

    first.client.put("/tools/default-encoding", content="Greek").raise_for_status()
    second.client.put("/tools/accepted-transfer-syntaxes", content="1.2.840.10008.1.2").raise_for_status()
    second.client.put("/tools/unknown-sop-class-accepted", content="1").raise_for_status()
    first.client.put("/tools/log-level", content="verbose").raise_for_status()
    first.client.put("/tools/metrics", content="0").raise_for_status()
    changed = ("Greek", ["1.2.840.10008.1.2"], "1")
    wait_for(lambda: settings(first) == settings(second) == changed)
    assert (second.client.get("/tools/log-level").text, second.client.get("/tools/metrics").text) == (
        "default",
        "1",
    )
    assert first.stop() == 0
    first.start()
    assert settings(first) == changed  # as long as one of the two has been at work
    assert [server.stop() for server in pair] == [0, 0]
    first.start()
    assert settings(first)[0] == "Latin1"


def settings(server: Server) -> tuple[str, list[str], str]:
    text = [
        server.client.get(f"/tools/{name}").text
        for name in ("default-encoding", "unknown-sop-class-accepted")
    ]
    return text[0], server.get("/tools/accepted-transfer-syntaxes"), text[1]


@pytest.mark.timeout(200)
def test_duties_pass_on_when_a_server_ends(site: Site) -> None:
    first, second = site.server("first"), site.server("second")
    first.start()
    holders = "SELECT DISTINCT holder FROM leases"
    number = site.number("first")
    wait_for(lambda: site.rows(holders) == [(number,)])
    second.start()
    study = second.upload(dicom_file())["ParentStudy"]
    wait_for(lambda: bool(second.get(f"/studies/{study}")["IsStable"]))
    assert site.rows(holders) == [(number,)]
    assert first.stop() == 0
    number = site.number("second")
    wait_for(lambda: site.rows(holders) == [(number,)])
    study = second.upload(dicom_file("q", "7", "7.1", "7.1.1"))["ParentStudy"]
    wait_for(lambda: bool(second.get(f"/studies/{study}")["IsStable"]))
    changes = second.get("/changes", params={"limit": 1000})["Changes"]
    stable = [change["ID"] for change in changes if change["ChangeType"] == "StableStudy"]
    assert len(stable) == len(set(stable)) == 2


@pytest.mark.timeout(200)
def test_an_identifier_belongs_to_one_server(site: Site) -> None:
    site.server("first").start()
    other = site.server("first")
    with pytest.raises(RuntimeError, match='Another server with the DatabaseServerIdentifier "first" uses'):
        other.start()
    assert len(site.rows("SELECT * FROM servers")) == 1
