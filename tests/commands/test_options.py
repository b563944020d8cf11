"""The flags of the server, each in a process of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from orthanclite import __version__
from orthanclite.config import jsonc
from orthanclite.index import SqlIndex
from tests.support.cli import command_line
from tests.support.ports import free_port
from tests.support.server import Server, orthanclite_command, running

EXAMPLE = Path(__file__).parents[2] / "config" / "orthanc.json"


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """A configuration that only needs to be read."""
    return written(tmp_path, {"StorageDirectory": str(tmp_path / "storage")})


def written(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "orthanc.json"
    path.write_text(json.dumps(content))
    return path


def with_flags(folder: Path, *flags: str, **config: Any) -> Server:
    """A server that is started with ``flags``."""
    server = orthanclite_command(folder, config)
    server.command.extend(flags)
    return server


def test_version(tmp_path: Path) -> None:
    ended = command_line("--version", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, f"orthanclite {__version__}\n")


def test_help_names_the_commands(tmp_path: Path) -> None:
    ended = command_line("--help", cwd=tmp_path)
    assert ended.returncode == 0
    for word in ("orthanclite import", "orthanclite verify", "--upgrade", "--logdir", "--trace-dicom"):
        assert word in ended.stdout


def test_unknown_flags_are_refused(tmp_path: Path) -> None:
    ended = command_line("--bogus", cwd=tmp_path)
    assert ended.returncode == 2
    assert "--bogus" in ended.stderr


def test_config_writes_the_example(tmp_path: Path) -> None:
    assert command_line("--config=made.json", cwd=tmp_path).returncode == 0
    made = (tmp_path / "made.json").read_text()
    assert made == EXAMPLE.read_text()
    assert made == command_line("--config=-", cwd=tmp_path).stdout
    assert "/*" in made or "//" in made
    assert jsonc.read(tmp_path / "made.json", {})["HttpPort"] == 8042


def test_config_does_not_write_where_it_cannot(tmp_path: Path) -> None:
    ended = command_line("--config=absent/made.json", cwd=tmp_path)
    assert ended.returncode == 255
    assert "absent/made.json" in ended.stderr


def test_a_server_starts_from_the_example_without_a_warning(tmp_path: Path) -> None:
    example = tmp_path / "example"
    example.mkdir()
    assert command_line("--config=orthanc.json", cwd=example).returncode == 0
    environment = {
        "ORTHANC__HTTP_PORT": str(free_port()),
        "ORTHANC__DICOM_PORT": str(free_port()),
        "ORTHANC__STORAGE_DIRECTORY": str(tmp_path / "storage"),
    }
    server = orthanclite_command(tmp_path, {"HttpPort": int(environment["ORTHANC__HTTP_PORT"])})
    # Both files define the ports; two files may not define the same key.
    server.config.clear()
    server.command.append(str(example / "orthanc.json"))
    with running(server, environment):
        assert server.get("/system")["Version"] == "1.13.0"
        assert [line for line in server.log().splitlines() if "option" in line] == []


def test_errors_lists_the_codes(tmp_path: Path) -> None:
    ended = command_line("--errors", cwd=tmp_path)
    assert ended.returncode == 0
    found = dict(re.findall(r"^ *(-?\d+)   (.+)$", ended.stdout, re.MULTILINE))
    assert (found["0"], found["17"]) == ("Success", "Unknown resource")
    assert "2031" in found


def test_openapi_writes_the_document_and_nothing_else(tmp_path: Path) -> None:
    config = {
        "StorageDirectory": "storage",
        "IndexDirectory": "index",
        "TemporaryDirectory": "temporary",
        "Worklists": {"Enable": True, "Directory": "worklists"},
    }
    for content in ({}, config):
        path = written(tmp_path, content)
        folder = tmp_path / f"in{len(content)}"
        folder.mkdir()
        ended = command_line("--openapi=api.json", path, cwd=folder)
        assert ended.returncode == 0, ended.stderr
        document = json.loads((folder / "api.json").read_text())
        assert document["openapi"].startswith("3.")
        assert "post" in document["paths"]["/instances"]
        assert [file.name for file in folder.iterdir()] == ["api.json"]
    assert {file.name for file in tmp_path.iterdir()} == {"orthanc.json", "in0", "in4"}


def test_openapi_is_what_the_server_serves(tmp_path: Path) -> None:
    with running(orthanclite_command(tmp_path)) as server:
        served = server.get("/openapi.json")
    ended = command_line("--openapi=-", tmp_path / "config.json", cwd=tmp_path)
    assert json.loads(ended.stdout) == served


def test_upgrade_makes_the_database_and_ends(tmp_path: Path, configuration: Path) -> None:
    ended = command_line("--upgrade", configuration, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "storage" / "index-orthanclite").exists()
    assert command_line("--upgrade", configuration, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("flags", [(), ("--upgrade",)])
def test_a_database_of_a_newer_version_is_refused(
    tmp_path: Path, configuration: Path, flags: tuple[str, ...]
) -> None:
    storage = tmp_path / "storage"
    storage.mkdir()
    url = f"sqlite:///{storage}/index-orthanclite"
    index = SqlIndex(url)
    with index.database.engine().connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    index.close()
    ended = command_line(*flags, configuration, cwd=tmp_path)
    assert ended.returncode == 255
    assert "9999" in ended.stderr
    assert "newer" in ended.stderr


def test_unknown_keys_are_reported_by_name(tmp_path: Path) -> None:
    server = orthanclite_command(tmp_path, {"HttpPrt": 1, "PostgreSQL": {"EnableIndx": True}})
    with running(server):
        log = server.log()
    assert 'Unknown configuration option "HttpPrt"' in log
    assert 'Unknown configuration option "PostgreSQL.EnableIndx"' in log
    assert "config.json" in log


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"HttpPort": "many"}, ("HttpPort", "integer", '"many"')),
        ({"RemoteAccessAllowed": 1}, ("RemoteAccessAllowed", "Boolean")),
        ({"RegisteredUsers": ["alice"]}, ("RegisteredUsers", "object")),
        ({"HttpPort": 0}, ("HttpPort", "0")),
        ({"OverwriteInstances": "Sometimes"}, ("OverwriteInstances", "Sometimes")),
        ({"PostgreSQL": {"Port": "x"}}, ("PostgreSQL.Port", "integer")),
        ({"PostgreSQL": 3}, ("PostgreSQL", "object")),
    ],
)
def test_a_wrong_value_stops_the_start(
    tmp_path: Path, content: dict[str, Any], words: tuple[str, ...]
) -> None:
    ended = command_line(written(tmp_path, content), cwd=tmp_path)
    assert ended.returncode == 255
    for word in (*words, "orthanc.json"):
        assert word in ended.stderr
    assert not (tmp_path / "OrthancStorage").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"Name": }', ""])
def test_a_file_that_is_no_configuration_stops_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "orthanc.json"
    path.write_text(text)
    ended = command_line(path, cwd=tmp_path)
    assert ended.returncode == 255
    assert "orthanc.json" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    ended = command_line("absent.json", cwd=tmp_path)
    assert ended.returncode == 255
    assert '"absent.json" does not exist' in ended.stderr


def test_the_log_goes_to_a_folder(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    server = with_flags(tmp_path, f"--logdir={logs}")
    with running(server):
        pass
    assert server.log() == ""
    text = (logs / "Orthanc.log").read_text()
    assert (logs / "Orthanc.log").is_symlink()
    assert re.search(r"^W\d{4} \d\d:\d\d:\d\d\.\d{6} \w+\.py:\d+\] Orthanc has started", text, re.MULTILINE)
    assert "Orthanc has stopped" in text


def test_the_log_goes_to_a_file(tmp_path: Path) -> None:
    with running(with_flags(tmp_path, f"--logfile={tmp_path / 'own.log'}")):
        pass
    assert "Orthanc has started" in (tmp_path / "own.log").read_text()


@pytest.mark.parametrize("flag", ["--logdir=absent", "--logfile=absent/log"])
def test_a_log_that_cannot_be_written_stops_the_start(tmp_path: Path, configuration: Path, flag: str) -> None:
    ended = command_line(flag, configuration, cwd=tmp_path)
    assert ended.returncode == 255
    assert "absent" in ended.stderr


@pytest.mark.parametrize(
    ("flags", "level", "http", "dicom"),
    [
        ((), "default", "default", "default"),
        (("--verbose",), "verbose", "verbose", "verbose"),
        (("--trace",), "trace", "trace", "trace"),
        (("--verbose-http",), "default", "verbose", "default"),
        (("--verbose", "--trace-dicom"), "verbose", "verbose", "trace"),
    ],
)
def test_log_levels(tmp_path: Path, flags: tuple[str, ...], level: str, http: str, dicom: str) -> None:
    with running(with_flags(tmp_path, *flags)) as server:
        levels = {
            category: server.client.get(f"/tools/log-level-{category}").text
            for category in ("generic", "http", "dicom")
        }
        assert levels == {"generic": level, "http": http, "dicom": dicom}
        logged = "(http) GET /tools/log-level-generic" in server.log()
    assert logged is (http != "default")
