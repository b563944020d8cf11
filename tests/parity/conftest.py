"""This server and the installed Orthanc side by side.

``pair``
    Both servers with the whole corpus in them, shared by all tests of the session and only read. Comes twice,
    with our index on SQLite and on PostgreSQL. ``pair.compare("/studies?expand", ...)`` sends requests to
    both, and fails with a list of all differences that ``differences.py`` does not name as intended.
    ``pair.uploads`` holds both answers to each upload, by the name of the sample.
``blank_pair``
    The same without anything stored, shared by the tests of a module, which may write; ``empty_pair`` empties
    it before each test. A module may define ``SERVER_CONFIG``, keys for both servers.
``samples``
    The corpus (see ``corpus.py``): ``samples["dcmtk/rle/grey16"].data``.

Where the reference is not installed, whatever uses a pair is skipped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ENGINES
from tests.parity.compare import Difference, differences, report
from tests.parity.corpus import Sample, corpus
from tests.parity.differences import unexpected
from tests.parity.made import PRIVATE_CREATOR
from tests.support.postgres import Cluster
from tests.support.server import REFERENCE, Server, orthanclite, reference, running

CONFIG: dict[str, Any] = {
    "StableAge": 1,
    "OverwriteInstances": False,
    "UserMetadata": {"parity-note": 4321},
    "UserContentType": {"parity-blob": 4322},
    "DicomModalities": {"sample": ["SAMPLE", "127.0.0.1", 2001]},
    "OrthancPeers": {"other": ["http://127.0.0.1:2002/", "user", "secret"]},
    "Dictionary": {
        "0009,1001": ["LO", "Parity Text", 1, 1, PRIVATE_CREATOR],
        "0009,1002": ["DS", "Parity Number", 1, 1, PRIVATE_CREATOR],
    },
    "HttpCompressionEnabled": False,
    # Metadata that are made ahead for DICOMweb are attachments, and count in the statistics.
    "DicomWeb": {"Enable": False},
}
"""What both servers are told."""


@dataclass
class Pair:
    """Two running servers."""

    ours: Server
    reference: Server
    uploads: dict[str, tuple[httpx.Response, httpx.Response]] = field(default_factory=dict)

    def both(self, method: str, path: str, **request: Any) -> tuple[httpx.Response, httpx.Response]:
        """The answers of ours and of the reference to one request."""
        answers = [server.client.request(method, path, **request) for server in (self.ours, self.reference)]
        return answers[0], answers[1]

    def differences(self, method: str, path: str, **request: Any) -> list[Difference]:
        """How the answers to one request differ, intended differences left out."""
        ours, theirs = self.both(method, path, **request)
        return unexpected(differences(f"{method} {path}", ours, theirs))

    def compare(self, *paths: str, method: str = "GET", **request: Any) -> None:
        """Fail with a list of all differences in the answers to these requests."""
        found = [difference for path in paths for difference in self.differences(method, path, **request)]
        assert not found, report(found)

    def upload(self, sample: Sample) -> None:
        """Give both the same file."""
        self.uploads[sample.name] = self.both("POST", "/instances", content=sample.data)

    def ids(self, level: str) -> list[str]:
        """The identifiers of all resources of a level, which must be the same."""
        ours, theirs = (server.get(f"/{level}") for server in (self.ours, self.reference))
        assert ours == sorted(theirs)
        return list(ours)

    def wait_until_stable(self) -> None:
        """Let the stable age pass: the last events of the uploads are then in the changes."""
        deadline = time.monotonic() + 120
        while any(
            not patient["IsStable"]
            for server in (self.ours, self.reference)
            for level in ("patients", "studies", "series")
            for patient in server.get(f"/{level}?expand")
        ):
            assert time.monotonic() < deadline, "The resources do not become stable"
            time.sleep(0.2)


@pytest.fixture(scope="session")
def samples() -> dict[str, Sample]:
    """The corpus, by name."""
    return {sample.name: sample for sample in corpus()}


@contextmanager
def ours_running(
    engine: str, folder: Path, config: Mapping[str, Any], request: pytest.FixtureRequest
) -> Iterator[Server]:
    """This server, on the index of ``engine``."""
    if engine == "sqlite":
        with running(orthanclite(folder, config)) as server:
            yield server
        return
    postgres: Cluster = request.getfixturevalue("postgres")
    with postgres.database() as name:
        index = {
            "EnableIndex": True,
            "Host": postgres.host,
            "Port": postgres.port,
            "Database": name,
            "Username": postgres.user,
        }
        with running(orthanclite(folder, {**config, "PostgreSQL": index})) as server:
            yield server


@contextmanager
def reference_running(folder: Path, config: Mapping[str, Any]) -> Iterator[Server]:
    """The installed Orthanc."""
    if REFERENCE is None:
        pytest.skip("The reference server (Orthanc) is not installed")
    with running(reference(folder, config)) as server:
        yield server


@pytest.fixture(scope="session")
def loaded_reference(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Server, dict[str, httpx.Response]]]:
    """The installed Orthanc with the corpus in it, and its answers to the uploads."""
    with reference_running(tmp_path_factory.mktemp("reference"), CONFIG) as server:
        yield server, load(server)


@pytest.fixture(scope="session", params=ENGINES)
def pair(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    loaded_reference: tuple[Server, dict[str, httpx.Response]],
) -> Iterator[Pair]:
    """Both servers with the corpus in them; only to be read."""
    theirs, answers = loaded_reference
    with ours_running(request.param, tmp_path_factory.mktemp("ours"), CONFIG, request) as server:
        pair = Pair(server, theirs)
        pair.uploads = {name: (answer, answers[name]) for name, answer in load(server).items()}
        pair.wait_until_stable()
        yield pair


def load(server: Server) -> dict[str, httpx.Response]:
    """Give a server the corpus, one file after the other."""
    return {sample.name: server.client.post("/instances", content=sample.data) for sample in corpus()}


@pytest.fixture(scope="module", params=ENGINES)
def blank_pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both servers without any resource, for the tests of a module to write to."""
    config = {**CONFIG, **getattr(request.module, "SERVER_CONFIG", {})}
    with (
        reference_running(tmp_path_factory.mktemp("reference"), config) as theirs,
        ours_running(request.param, tmp_path_factory.mktemp("ours"), config, request) as server,
    ):
        yield Pair(server, theirs)


@pytest.fixture
def empty_pair(blank_pair: Pair) -> Pair:
    """The module's pair, emptied."""
    for server in (blank_pair.ours, blank_pair.reference):
        for patient in server.get("/patients"):
            server.client.delete(f"/patients/{patient}").raise_for_status()
        server.client.delete("/changes").raise_for_status()
        server.client.delete("/exports").raise_for_status()
    blank_pair.uploads.clear()
    return blank_pair
