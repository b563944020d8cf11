"""Two servers that know each other, for the libraries that people use to talk to an Orthanc."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port
from tests.support.server import Server, orthanclite, running


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """The server of the client, and another one that it knows as ``other``."""
    folder: Path = tmp_path_factory.mktemp("clients")
    ports = {name: (free_port(), free_port()) for name in ("SITE", "OTHER")}

    def server(name: str, peer: str) -> Server:
        (http, dicom), (peer_http, peer_dicom) = ports[name], ports[peer]
        url = f"http://127.0.0.1:{peer_http}"
        config: dict[str, Any] = {
            "HttpPort": http,
            "DicomPort": dicom,
            "DicomAet": name,
            "DicomModalities": {"other": [peer, "127.0.0.1", peer_dicom]},
            "OrthancPeers": {"other": [url]},
            "DicomWeb": {"Servers": {"other": [f"{url}/dicom-web/"]}},
            "OverwriteInstances": True,
            "ExecuteLuaEnabled": True,
            "Worklists": {"Enable": True, "SaveInOrthancDatabase": True},
        }
        return orthanclite(folder / name.lower(), config)

    with running(server("SITE", "OTHER")) as site, running(server("OTHER", "SITE")) as other:
        yield site, other
