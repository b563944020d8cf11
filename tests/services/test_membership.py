"""A server among others: when it does a duty, and when it takes over what another has left."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest

from orthanclite.core.errors import DatabaseUnavailable
from orthanclite.core.ports import MemoryRuntimeSettings
from orthanclite.core.ports.testing import MemoryLeases, MemoryServers
from orthanclite.services.server.membership import BEAT, SILENCE, Membership


@dataclass
class Site:
    """Servers on one index, and the time."""

    now: float = 1000.0
    seen: dict[tuple[int, str], float] = field(default_factory=dict)
    settings: MemoryRuntimeSettings = field(default_factory=MemoryRuntimeSettings)
    adopted: list[str] = field(default_factory=list)  # the names of the servers that took over something

    def __post_init__(self) -> None:
        self.leases = MemoryLeases(self.clock)

    def clock(self) -> float:
        return self.now

    def server(self, name: str, servers: MemoryServers | None = None) -> Membership:
        """A server that has joined."""
        known = servers or MemoryServers(self.seen, self.clock)
        made = Membership(known, self.leases, name, lambda: self.adopted.append(name), self.clock)
        made.join(self.settings)
        return made

    def pass_time(self, seconds: float, *alive: Membership) -> None:
        """Let time go by, in which some servers show that they live."""
        until = self.now + seconds
        while self.now < until:
            self.now += BEAT
            for server in alive:
                server.beat()


@pytest.fixture
def site() -> Site:
    return Site()


def test_one_server_does_a_duty(site: Site) -> None:
    first, second = site.server("a"), site.server("b")
    sweeps = first.holds("sweep"), second.holds("sweep")
    settles = second.holds("settle")
    assert [sweep() for sweep in sweeps] == [False, False]  # nobody has asked yet
    site.pass_time(60, first, second)
    assert [sweep() for sweep in sweeps] == [True, False]
    assert settles()


def test_a_duty_passes_to_another_server_when_its_server_ends(site: Site) -> None:
    first, second = site.server("a"), site.server("b")
    sweeps = first.holds("sweep"), second.holds("sweep")
    site.pass_time(10, first, second)
    first.leave()
    assert not sweeps[0]()
    second.beat()
    assert sweeps[1]()
    assert site.adopted == []


def test_a_duty_is_given_up_before_another_server_can_have_it(site: Site) -> None:
    """Also by a server that does not notice that time passes: it is stopped, or the database is away."""
    first, second = site.server("a"), site.server("b")
    sweeps = first.holds("sweep"), second.holds("sweep")
    site.pass_time(10, first, second)
    while sweeps[0]():
        assert not sweeps[1]()
        site.pass_time(BEAT, second)
    assert not sweeps[1]()
    site.pass_time(SILENCE, second)
    assert [sweep() for sweep in sweeps] == [False, True]
    first.beat()
    assert [sweep() for sweep in sweeps] == [False, True]


def test_what_a_silent_server_has_left_is_taken_over(site: Site) -> None:
    site.server("a")
    second = site.server("b")
    site.pass_time(SILENCE - BEAT, second)
    assert site.adopted == []
    site.pass_time(3 * BEAT, second)
    assert site.adopted == ["b"]
    site.pass_time(60, second)
    assert site.adopted == ["b"]


def test_a_server_that_shows_itself_loses_nothing(site: Site) -> None:
    site.pass_time(300, site.server("a"), site.server("b"))
    assert site.adopted == []


def test_nobody_is_dead_because_the_database_was_away(site: Site) -> None:
    first, second = site.server("a"), site.server("b")
    site.pass_time(60, first, second)
    site.now += 300
    second.beat()
    site.pass_time(SILENCE - 3 * BEAT, second)  # the first has a longer pause before it tries again
    assert site.adopted == []
    site.pass_time(300, first, second)
    assert site.adopted == []


def test_a_new_server_does_not_judge_at_once(site: Site) -> None:
    site.server("a")
    site.now += 300  # the database was away, and has just come back
    second = site.server("b")
    second.beat()
    assert site.adopted == []


def test_a_server_that_was_given_up_says_so_and_goes_on(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    first, second = site.server("a"), site.server("b")
    site.pass_time(3 * SILENCE, second)
    assert site.adopted == ["b"]
    with caplog.at_level(logging.WARNING):
        first.beat()
    assert "given this one up" in caplog.text
    sweep = first.holds("export")
    site.pass_time(60, first, second)
    assert sweep()
    assert site.adopted == ["b"]


def test_settings_last_as_long_as_a_server(site: Site) -> None:
    first = site.server("a")
    site.settings.set("default-encoding", "Greek")
    second = site.server("b")
    assert site.settings.all()
    first.leave()
    first = site.server("a")  # restarted
    assert site.settings.all()
    first.leave()
    second.leave()
    site.server("a")
    assert site.settings.all() == {}


def test_a_restart_after_a_crash_forgets_the_settings_of_the_only_server(site: Site) -> None:
    site.server("a")
    site.settings.set("default-encoding", "Greek")
    site.server("a")
    assert site.settings.all() == {}


def test_the_only_server_has_every_duty(site: Site) -> None:
    servers = MemoryServers(site.seen, site.clock)
    servers.is_sole = True  # type: ignore[misc]
    only = site.server("a", servers)
    sweep = only.holds("sweep")
    site.now += 1000
    assert sweep()


def test_an_end_without_the_database_is_an_end(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    class Gone(MemoryServers):
        def leave(self) -> None:
            raise DatabaseUnavailable("the connection is closed")

    server = site.server("a", Gone(site.seen, site.clock))
    with caplog.at_level(logging.WARNING):
        server.leave()
    assert "the connection is closed" in caplog.text
