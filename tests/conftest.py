"""Fixtures for all tests: the two databases, a running server, DICOM files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from orthanclite.index import SqlIndex
from tests.support.postgres import Cluster, cluster
from tests.support.server import Server, orthanclite, running

ENGINES = ("sqlite", "postgresql")

# By default an example that takes longer than 0.2 s fails, which any may do on a busy machine. And the
# examples are the same in each run: what fails after a change fails because of it.
settings.register_profile(
    "tests", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first: of several processes that share the tests, none works on after the others."""
    items.sort(key=lambda item: "tests/safety/" not in item.nodeid)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL cluster of this test process."""
    with cluster() as started:
        yield started


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, of each engine in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/index"
        return
    postgres: Cluster = request.getfixturevalue("postgres")
    with postgres.database() as name:
        yield postgres.url(name)


@pytest.fixture
def index(database_url: str) -> Iterator[SqlIndex]:
    """An empty index, on each engine in turn."""
    opened = SqlIndex(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server shared by the tests of a module, once on each engine.

    A module may define ``SERVER_CONFIG``, a dict of configuration keys.
    """
    config = dict(getattr(request.module, "SERVER_CONFIG", {}))
    folder = tmp_path_factory.mktemp("server")
    if request.param == "sqlite":
        with running(orthanclite(folder, config)) as started:
            yield started
        return
    postgres: Cluster = request.getfixturevalue("postgres")
    with postgres.database() as name:
        config["PostgreSQL"] = {
            "EnableIndex": True,
            "Host": postgres.host,
            "Port": postgres.port,
            "Database": name,
            "Username": postgres.user,
        }
        with running(orthanclite(folder, config)) as started:
            yield started


@pytest.fixture
def empty_server(server: Server) -> Server:
    """The module's server, emptied of patients, changes and exports."""
    refs = server.get("/patients")
    server.client.post("/tools/bulk-delete", json={"Resources": refs}).raise_for_status()
    server.client.delete("/changes").raise_for_status()
    server.client.delete("/exports").raise_for_status()
    return server
