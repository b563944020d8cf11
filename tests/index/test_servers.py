"""Servers that share an index: what belongs to which, and who does what; of the index and of the doubles."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, update

from orthanclite.core.model import InstanceRecord
from orthanclite.core.ports import Leases, MemoryRegistryRows, RegistryRows, Servers
from orthanclite.core.ports.testing import MemoryLeases, MemoryServers
from orthanclite.core.remotes.registry import Modality
from orthanclite.index import SqlIndex
from orthanclite.index import schema as tables
from orthanclite.index.servers.leases import SqlServers
from orthanclite.services.remotes.registries import modalities
from tests.support.postgres import Cluster
from tests.support.records import record

Pair = tuple[SqlIndex, SqlIndex]


@pytest.fixture
def pair(postgres: Cluster) -> Iterator[Pair]:
    """The index as two servers see it that have not joined."""
    with postgres.database() as name:
        first, second = SqlIndex(postgres.url(name)), SqlIndex(postgres.url(name))
        yield first, second
        first.close()
        second.close()


LONG = 60.0
"""Seconds, twice of which a server seems to have been silent after it has aged."""


def age(server: Servers) -> None:
    """Have a server seem to be silent for long."""
    if isinstance(server, MemoryServers):
        server._seen[server.id, server._name] -= 2 * LONG
        return
    assert isinstance(server, SqlServers)
    rows = tables.servers
    older = update(rows).where(rows.c.id == server.id).values(last_seen=rows.c.last_seen - 2 * LONG)
    with create_engine(server._database.url, poolclass=NullPool).begin() as connection:
        connection.execute(older)


@pytest.fixture(params=["postgresql", "memory"])
def servers(request: pytest.FixtureRequest) -> tuple[Servers, Servers]:
    if request.param == "memory":
        seen: dict[tuple[int, str], float] = {}
        return MemoryServers(seen, time.monotonic), MemoryServers(seen, time.monotonic)
    first, second = request.getfixturevalue("pair")
    return first.servers, second.servers


@pytest.fixture(params=["sqlite", "postgresql", "memory"])
def leases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Leases]:
    if request.param == "sqlite":
        index = SqlIndex(f"sqlite:///{tmp_path}/index")
        yield index.leases
        index.close()
    elif request.param == "memory":
        yield MemoryLeases(time.monotonic)
    else:
        yield request.getfixturevalue("pair")[0].leases


@pytest.fixture(params=["sqlite", "postgresql", "memory"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RegistryRows]:
    if request.param == "sqlite":
        index = SqlIndex(f"sqlite:///{tmp_path}/index")
        yield index.registries
        index.close()
    elif request.param == "memory":
        yield MemoryRegistryRows()
    else:
        yield request.getfixturevalue("pair")[0].registries


def journaled(instance: str) -> InstanceRecord:
    """A record whose blob is in the journal."""
    made = record(instance=instance)
    return replace(made, journal=(made.attachments[0].uuid, b"content"))


def held(index: SqlIndex) -> set[str]:
    """The blobs in the journal that are this server's."""
    return {uuid for uuid, _ in index.journal.entries()}


def test_each_run_has_a_number_of_its_own(servers: tuple[Servers, Servers]) -> None:
    first, second = servers
    assert first.id == 0
    first.join("a")
    second.join("b")
    assert len({0, first.id, second.id}) == 3
    assert (first.others(LONG), second.others(LONG)) == (1, 1)
    former = first.id
    first.join("a")
    assert first.id not in (former, second.id)
    assert second.others(LONG) == 1


def test_a_server_that_shows_itself_is_not_given_up(servers: tuple[Servers, Servers]) -> None:
    first, second = servers
    first.join("a")
    second.join("b")
    age(second)
    assert first.others(LONG) == 0
    assert second.beat()
    assert first.others(LONG) == 1
    assert first.adopt(LONG) == []
    age(second)
    assert first.adopt(LONG) == ["b"]
    assert first.adopt(LONG) == []


def test_a_server_that_was_given_up_enters_anew(servers: tuple[Servers, Servers]) -> None:
    first, second = servers
    first.join("a")
    second.join("b")
    former = second.id
    age(second)
    assert first.adopt(LONG) == ["b"]
    assert not second.beat()
    assert second.id not in (former, first.id)
    assert second.beat()
    assert first.others(LONG) == 1


def test_a_server_that_has_ended_is_forgotten(servers: tuple[Servers, Servers]) -> None:
    first, second = servers
    first.join("a")
    second.join("b")
    second.leave()
    assert first.others(LONG) == 0
    assert first.adopt(-1) == []


def test_the_journal_of_a_living_server_is_its_own(pair: Pair) -> None:
    first, second = pair
    first.servers.join("a")
    first.ingest.store(journaled("1.1"))
    mine = held(first)
    assert len(mine) == 1
    second.servers.join("b")
    second.ingest.store(journaled("1.2"))
    assert second.servers.adopt(LONG) == []
    assert held(first) == mine
    assert len(held(second)) == 1
    assert held(second) != mine


def test_the_journal_of_a_dead_server_is_taken_over_once(pair: Pair) -> None:
    first, second = pair
    first.servers.join("a")
    first.ingest.store(journaled("1.1"))
    mine = held(first)
    second.servers.join("b")
    third = SqlIndex(first.database.url)
    try:
        third.servers.join("c")
        age(first.servers)
        with ThreadPoolExecutor(2) as pool:
            names = list(pool.map(lambda index: index.servers.adopt(LONG), (second, third)))
        assert sorted(names) == [[], ["a"]]
        assert held(first) == set()
        assert held((second, third)[names.index(["a"])]) == mine
        assert held((second, third)[names.index([])]) == set()
    finally:
        third.close()


def test_what_is_left_by_a_server_that_is_forgotten_is_taken_over(pair: Pair) -> None:
    """It has left, or was removed, with something in the journal."""
    first, second = pair
    first.servers.join("a")
    second.servers.join("b")
    assert not second.servers.adopt_ownerless()
    first.ingest.store(journaled("1.1"))
    mine = held(first)
    assert not second.servers.adopt_ownerless(), "it is at work"
    first.servers.leave()
    assert second.servers.adopt(LONG) == []
    assert second.servers.adopt_ownerless()
    assert held(second) == mine
    assert not second.servers.adopt_ownerless()


def test_a_restarted_server_takes_over_its_own_journal_at_once(database_url: str) -> None:
    index = SqlIndex(database_url)
    index.servers.join("a")
    index.ingest.store(journaled("1.1"))
    mine = held(index)
    index.close()  # without leaving: as if it was killed
    restarted = SqlIndex(database_url)
    try:
        assert held(restarted) == set()
        restarted.servers.join("a")
        assert held(restarted) == mine
        assert restarted.servers.others(LONG) == 0
    finally:
        restarted.close()


def test_an_embedded_index_has_one_server_whatever_its_name(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/index"
    index = SqlIndex(url)
    index.servers.join("host with one port")
    index.ingest.store(journaled("1.1"))
    index.close()
    restarted = SqlIndex(url)
    try:
        restarted.servers.join("host with another port")
        assert restarted.servers.is_sole
        assert len(held(restarted)) == 1
        assert restarted.servers.others(LONG) == 0
    finally:
        restarted.close()


def test_a_server_that_was_given_up_keeps_what_nobody_has_taken(pair: Pair) -> None:
    first, second = pair
    first.servers.join("a")
    second.servers.join("b")
    age(first.servers)
    assert second.servers.adopt(LONG) == ["a"]
    first.ingest.store(journaled("1.1"))  # it has not noticed yet
    mine = held(first)
    assert not first.servers.beat()
    assert held(first) == mine
    assert second.servers.adopt(LONG) == []
    assert held(second) == set()


def test_a_lease_has_one_holder(leases: Leases) -> None:
    assert leases.take(1, ["sweep", "settle"], 60) == {"sweep", "settle"}
    assert leases.take(2, ["sweep", "statistics"], 60) == {"statistics"}
    assert leases.take(1, ["sweep", "statistics"], 60) == {"sweep"}
    assert leases.take(2, [], 60) == set()


def test_a_lease_ends_by_itself_or_is_released(leases: Leases) -> None:
    assert leases.take(1, ["sweep"], 60) == {"sweep"}
    assert leases.take(2, ["sweep"], 60) == set()
    assert leases.take(1, ["sweep"], -1) == {"sweep"}  # which is over
    assert leases.take(2, ["sweep"], 60) == {"sweep"}
    assert leases.take(1, ["sweep"], 60) == set()
    leases.release(1)  # not its own
    assert leases.take(1, ["sweep"], 60) == set()
    leases.release(2)
    assert leases.take(1, ["sweep"], 60) == {"sweep"}


def test_of_many_one_gets_a_lease(pair: Pair) -> None:
    with ThreadPoolExecutor(8) as pool:
        taken = list(
            pool.map(lambda holder: pair[holder % 2].leases.take(holder, ["sweep"], 60), range(1, 17))
        )
    assert sorted(map(len, taken)) == [0] * 15 + [1]


def test_rows_of_a_registry(rows: RegistryRows) -> None:
    rows.put("peer", "a", "1")
    rows.put("modality", "a", "2")
    rows.put("modality", "b", "3")
    rows.put("modality", "b", "4")
    assert rows.all("modality") == {"a": "2", "b": "4"}
    assert (rows.get("peer", "a"), rows.get("peer", "b")) == ("1", None)
    assert rows.delete("modality", "a")
    assert not rows.delete("modality", "a")
    assert rows.get("peer", "a") == "1"


def test_entries_that_two_servers_add_at_once_all_stay(pair: Pair) -> None:
    known = [modalities({}, index.registries) for index in pair]

    def put(number: int) -> None:
        known[number % 2].put(f"m{number}", ["AET", "host", 104 + number])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(40)))
    for one in known:
        assert {name: modality.port for name, modality in one.all().items()} == {
            f"m{number}": 104 + number for number in range(40)
        }


def test_a_change_of_an_entry_is_seen_by_the_other_server_at_once(pair: Pair) -> None:
    first, second = (modalities({}, index.registries) for index in pair)
    first.put("m", ["AET", "host", 104])
    assert second.get("m") == Modality("AET", "host", 104)
    first.put("m", ["AET", "host", 105])
    assert second.get("m").port == second.all()["m"].port == 105
    second.delete("m")
    assert first.find("m") is None
    second.put("m", ["AET", "host", 106])
    assert first.get("m").port == 106


def test_settings_of_one_server_reach_the_other(pair: Pair) -> None:
    first, second = (index.runtime_settings for index in pair)
    first.set("default-encoding", "Greek")
    second.set("unknown", "true")
    second.set("default-encoding", "Thai")
    assert first.all() == second.all() == {"default-encoding": "Thai", "unknown": "true"}
    first.clear()
    assert second.all() == {}


def test_a_property_is_added_by_one(pair: Pair) -> None:
    def add(number: int) -> str:
        return pair[number % 2].properties.add_property("mark", str(number))

    with ThreadPoolExecutor(8) as pool:
        marks = set(pool.map(add, range(16)))
    assert len(marks) == 1
    assert pair[0].properties.get_property("mark") == marks.pop()
