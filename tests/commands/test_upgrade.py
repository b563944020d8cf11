"""``--upgrade``: from the database of a released version to a server that serves what is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orthanclite.index.database.migrations import HEAD
from tests.conftest import ENGINES
from tests.index.released import fill
from tests.support.cli import command_line
from tests.support.postgres import Cluster
from tests.support.server import orthanclite, running


@pytest.fixture(params=ENGINES)
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The configuration of a server whose database the first release has filled."""
    (tmp_path / "storage").mkdir()
    config: dict[str, Any] = {"DicomModalitiesInDatabase": True, "OrthancPeersInDatabase": True}
    if request.param == "sqlite":
        fill(f"sqlite:///{tmp_path}/storage/index-orthanclite", "0001")
        yield config
        return
    postgres: Cluster = request.getfixturevalue("postgres")
    with postgres.database() as name:
        fill(postgres.url(name), "0001")
        place = {"Host": postgres.host, "Port": postgres.port, "Database": name, "Username": postgres.user}
        yield {**config, "PostgreSQL": {"EnableIndex": True, **place}}


def test_upgrade(older: dict[str, Any], tmp_path: Path) -> None:
    server = orthanclite(tmp_path, older)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(server.config))
    refused = command_line(path, cwd=tmp_path)
    assert refused.returncode == 255
    assert "start once with --upgrade" in refused.stderr
    for _ in range(2):  # the second time there is nothing to do
        done = command_line("--upgrade", path, cwd=tmp_path)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    with running(server):
        assert server.get("/system")["DatabaseVersion"] == int(HEAD)
        assert server.get("/statistics")["CountInstances"] == 6
        assert server.get("/modalities") == ["Größe", "pacs"]
        assert server.get("/peers") == ["north"]
        assert "Recovered 6 files from the journal" in server.log()
        for instance in server.get("/instances"):  # from the journal, as the storage area is new
            assert server.client.get(f"/instances/{instance}/file").content[128:132] == b"DICM"
