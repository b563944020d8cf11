"""A server of its own for each module, on SQLite; ``test_postgresql`` has one on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server import Server, orthanclite, running


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server, with the keys of ``SERVER_CONFIG`` of the module."""
    config = dict(getattr(request.module, "SERVER_CONFIG", {}))
    with running(orthanclite(tmp_path_factory.mktemp("server"), config)) as started:
        yield started
