"""A server with a study for the viewer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.explorer.viewer.series import fill
from tests.support.server import Server, orthanclite, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(orthanclite(tmp_path_factory.mktemp("site"), {})) as started:
        fill(started)
        yield started


@pytest.fixture
def site(server: Server) -> Server:
    """A server that keeps its studies from test to test."""
    return server
