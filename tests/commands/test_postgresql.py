"""A PostgreSQL server that is not there when ours starts, or that allows few connections."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port
from tests.support.postgres import Cluster, cluster
from tests.support.records import dicom_file
from tests.support.server import orthanclite, running


def settings(of: Cluster, database: str, **more: Any) -> dict[str, Any]:
    place = {"Host": of.host, "Port": of.port, "Database": database, "Username": of.user}
    return {"PostgreSQL": {"EnableIndex": True, **place, **more}}


def test_it_is_waited_for_as_long_as_configured(tmp_path: Path) -> None:
    absent = {
        "EnableIndex": True,
        "Host": "127.0.0.1",
        "Port": free_port(),
        "MaximumConnectionRetries": 2,
        "ConnectionRetryInterval": 0,
    }
    with pytest.raises(RuntimeError) as ended:
        orthanclite(tmp_path, {"PostgreSQL": absent}).start()
    log = str(ended.value)
    assert log.count("Cannot connect to PostgreSQL") == 2
    assert "Connection refused" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_waiting(tmp_path: Path, number: signal.Signals) -> None:
    """With the settings as they are by default it lasts 50 seconds."""
    config = tmp_path / "config.json"
    absent = {"EnableIndex": True, "Host": "127.0.0.1", "Port": free_port()}
    config.write_text(json.dumps({"PostgreSQL": absent, "StorageDirectory": str(tmp_path / "storage")}))
    command = [sys.executable, "-m", "orthanclite", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "Cannot connect to PostgreSQL, 10 more attempts" not in process.stderr.readline():
            assert process.poll() is None
        began = time.monotonic()
        process.send_signal(number)
        log = process.stderr.read()
        assert process.wait() == {signal.SIGTERM: 0, signal.SIGINT: 130}[number]
        assert time.monotonic() - began < 30
    assert "Traceback" not in log


def test_a_server_that_comes_up_later_is_used(tmp_path: Path) -> None:
    with cluster() as own, own.database() as name:
        if own.control is None:
            pytest.skip("PostgreSQL's pg_ctl is not installed")
        own.control("-m", "fast", "stop")
        starter = threading.Timer(1.5, own.control, ["start"])
        starter.start()
        try:
            with running(orthanclite(tmp_path, settings(own, name, ConnectionRetryInterval=1))) as server:
                assert server.upload(dicom_file())["Status"] == "Success"
        finally:
            starter.join()


def test_connections_are_bounded(tmp_path: Path, postgres: Cluster) -> None:
    with postgres.database() as name:
        config = settings(postgres, name, IndexConnectionsCount=2, ApplicationName="bounded")
        with running(orthanclite(tmp_path, config)) as server:
            server.upload(dicom_file())
            readers = [threading.Thread(target=server.client.get, args=("/patients",)) for _ in range(12)]
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
            with postgres.connect() as connection:
                found = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bounded'"
                ).fetchone()
            assert found == (2,)
