"""A real orthanclite process, and the installed Orthanc, each on ports of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.support.forked import ForkedProcess
from tests.support.ports import free_port

REFERENCE = shutil.which("Orthanc")
"""The program of the reference server; None where it is not installed."""

FORKED = "orthanclite"
"""In place of a program: the command line in a fork of a process that has it imported."""

PATIENCE = 120.0
"""Seconds for a start or an end, which take one second or two where nothing else runs."""


class Server:
    """A DICOM server process with its REST API.

    :param command: the program (or ``FORKED``) and its arguments; the path of the configuration is appended
    :param folder: where the storage, the configuration and the log are kept; it survives a restart
    """

    def __init__(self, command: list[str], folder: Path, config: Mapping[str, Any]) -> None:
        self.command = command
        self.folder = folder
        self.http_port = int(config.get("HttpPort") or free_port())
        self.dicom_port = int(config.get("DicomPort") or free_port())
        self.config: dict[str, Any] = {
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "StableAge": 2,
            **config,
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
        }
        scheme = "https" if config.get("SslEnabled") else "http"
        self.url = f"{scheme}://127.0.0.1:{self.http_port}"
        # The server closes what is idle for a second: no request may go out on a connection in that moment.
        limits = httpx.Limits(keepalive_expiry=0.5)
        self.client = httpx.Client(base_url=self.url, timeout=60, verify=False, limits=limits)
        self.process: subprocess.Popen[bytes] | ForkedProcess | None = None

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "config.json"
        path.write_text(json.dumps(self.config))
        self.process = self._run(path, {**os.environ, **(environment or {})})
        self._wait()

    def _run(self, config: Path, environment: dict[str, str]) -> subprocess.Popen[bytes] | ForkedProcess:
        log = self.folder / "log"
        if self.command[0] == FORKED:
            return ForkedProcess([*self.command[1:], str(config)], self.folder, log, environment)
        with log.open("ab") as output:
            return subprocess.Popen(
                [*self.command, str(config)],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=environment,
            )

    def _wait(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"The server ended at once:\n{self.log()}")
            try:
                # Any answer will do: a server with authentication refuses this one.
                self.client.get("/system")
                return
            except httpx.TransportError:
                time.sleep(0.02)
        raise RuntimeError(f"The server did not answer in time:\n{self.log()}")

    def stop(self) -> int:
        """Ask the process to end; its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def _end(self, with_signal: signal.Signals) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        status = self.process.wait(timeout=PATIENCE)
        self.process = None
        return status

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def children(self) -> set[int]:
        """Identifiers of the processes that the server has started, and that have not ended."""
        assert self.process is not None
        found: set[int] = set()
        for path in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
                found.update(map(int, path.read_text().split()))
        return found

    def work(self) -> float:
        """Seconds of a processor that the server has used so far, without the processes that it has started.

        Whatever takes long takes many of them; where the machine is busy, only the clock goes on.
        """
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # user and system: proc(5)

    def descriptors(self) -> int:
        """Open files and sockets, without those that are made as they are needed.

        These are connections to an SQLite index, and one socket to each worker process.
        """
        found = -len(self.children())
        assert self.process is not None
        for path in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed in the meantime
                found += "/index-orthanclite" not in os.readlink(path)
        return found

    def upload(self, data: bytes) -> Any:
        """Store a file; the parsed answer."""
        answer = self.client.post("/instances", content=data)
        answer.raise_for_status()
        return answer.json()

    def get(self, path: str, **arguments: Any) -> Any:
        """The parsed JSON of a GET."""
        answer = self.client.get(path, **arguments)
        answer.raise_for_status()
        return answer.json()


def orthanclite(folder: Path, config: Mapping[str, Any] | None = None) -> Server:
    """Our server, not yet started."""
    return Server([FORKED], folder, config or {})


def orthanclite_command(folder: Path, config: Mapping[str, Any] | None = None) -> Server:
    """Our server, to be started by its command: for tests of the start itself, and of memory."""
    return Server([sys.executable, "-m", "orthanclite"], folder, config or {})


def reference(folder: Path, config: Mapping[str, Any] | None = None) -> Server:
    """The installed Orthanc, not yet started."""
    assert REFERENCE is not None
    return Server([REFERENCE], folder, config or {})


@contextmanager
def running(server: Server, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server for the length of a block."""
    try:
        server.start(environment)
        yield server
    finally:
        server.client.close()
        if server.process is not None:
            server.stop()
