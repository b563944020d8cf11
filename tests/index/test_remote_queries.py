"""The port ``RemoteQueries``: what the index and the double in memory have in common."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from orthanclite.core.levels import Level
from orthanclite.core.ports import RemoteQueries
from orthanclite.core.ports.testing_queries import MemoryRemoteQueries
from orthanclite.core.remotes.remote_queries import QueryLimits, RemoteQuery
from orthanclite.index import SqlIndex
from tests.support.postgres import Cluster

LIMITS = QueryLimits(count=3, size=1000)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def queries(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RemoteQueries]:
    if request.param == "memory":
        yield MemoryRemoteQueries(time.perf_counter)
        return
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/index"
        if request.param == "postgresql":
            postgres: Cluster = request.getfixturevalue("postgres")
            url = postgres.url(stack.enter_context(postgres.database()))
        index = SqlIndex(url)
        stack.callback(index.close)
        yield index.remote_queries


def add(queries: RemoteQueries, id: str, *answers: bytes, limits: QueryLimits = LIMITS) -> None:
    queries.add(RemoteQuery(id, "pacs", Level.STUDY, {"0010,0020": "A"}), answers, limits)
    time.sleep(0.005)  # the clock of SQLite counts milliseconds


def test_a_query_is_shown_as_it_was_added(queries: RemoteQueries) -> None:
    asked = {"0010,0010": "Ö*\\\0\n", "0020,000d": ""}
    query = RemoteQuery("id", "Größe", Level.INSTANCE, asked, "LOCAL")
    answers = [b"", b"\0\xff", b"third"]
    queries.add(query, answers, LIMITS)
    found = queries.get("id")
    assert found == RemoteQuery("id", "Größe", Level.INSTANCE, asked, "LOCAL", 3)
    assert queries.answers("id") == answers
    assert [queries.answer("id", i) for i in range(-1, 4)] == [None, *answers, None]


def test_an_unknown_query(queries: RemoteQueries) -> None:
    add(queries, "other", b"a")
    assert queries.get("nope") is None
    assert queries.answers("nope") == []
    assert queries.answer("nope", 0) is None
    queries.use("nope")
    assert not queries.delete("nope")
    assert queries.ids() == ["other"]


def test_queries_are_listed_in_the_order_in_which_they_came(queries: RemoteQueries) -> None:
    for id in ("b", "a", "c"):
        add(queries, id)
    assert queries.ids() == ["b", "a", "c"]


def test_what_was_used_least_recently_is_forgotten_first(queries: RemoteQueries) -> None:
    for id in ("a", "b", "c"):
        add(queries, id, id.encode())
    queries.use("a")
    time.sleep(0.005)
    add(queries, "d", b"d")
    assert queries.ids() == ["a", "c", "d"]
    assert queries.answers("b") == []
    add(queries, "e")
    assert queries.ids() == ["a", "d", "e"]


def test_the_bytes_of_all_answers_are_bounded(queries: RemoteQueries) -> None:
    add(queries, "a", b"x" * 300)
    add(queries, "b", b"x" * 300)
    add(queries, "c", b"x" * 300, b"y" * 300)
    assert queries.ids() == ["b", "c"]
    add(queries, "d", b"x" * 5000)  # the one that was added last is always kept
    assert queries.ids() == ["d"]
    assert queries.answer("d", 0) == b"x" * 5000


def test_fewer_are_kept_after_the_option_has_changed(queries: RemoteQueries) -> None:
    for id in ("a", "b", "c"):
        add(queries, id)
    add(queries, "d", limits=QueryLimits(1, 1000))
    assert queries.ids() == ["d"]


def test_a_deleted_query_is_gone_with_its_answers(queries: RemoteQueries) -> None:
    add(queries, "a", b"1", b"2")
    add(queries, "b", b"3")
    assert queries.delete("a")
    assert not queries.delete("a")
    assert queries.ids() == ["b"]
    assert queries.answers("a") == []
    assert queries.answers("b") == [b"3"]


def test_what_nobody_uses_expires(queries: RemoteQueries) -> None:
    add(queries, "a", b"1")
    add(queries, "b", b"2")
    assert queries.expire(3600) == 0
    assert queries.ids() == ["a", "b"]
    time.sleep(0.3)
    assert queries.expire(0.2) == 2
    assert queries.ids() == []
    assert queries.answers("a") == []


def test_many_answers(queries: RemoteQueries) -> None:
    answers = [b"%d" % number for number in range(3000)]
    add(queries, "a", *answers, limits=QueryLimits(1, 1 << 20))
    assert queries.answers("a") == answers
    assert queries.answer("a", 2999) == b"2999"
