"""The name under which a server uses a database."""

from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path

import pytest

from orthanclite.app.database_settings import server_identifier, server_name
from orthanclite.config import Settings, load

DIGEST = hashlib.sha1(f"{socket.gethostname()}|WARD|4343|8043".encode()).hexdigest()
DASHED = f"{DIGEST[:8]}-{DIGEST[8:16]}-{DIGEST[16:24]}-{DIGEST[24:32]}-{DIGEST[32:]}"


def settings(folder: Path, **configured: str) -> Settings:
    path = folder / "orthanc.json"
    path.write_text(json.dumps({"DicomAet": "WARD", "DicomPort": 4343, "HttpPort": 8043, **configured}))
    return load([path]).settings


def test_the_identifier_is_spelled_as_the_reference_spells_it(tmp_path: Path) -> None:
    assert server_identifier(settings(tmp_path)) == DASHED


@pytest.mark.parametrize("configured", [{}, {"DatabaseServerIdentifier": DASHED}])
def test_a_database_knows_the_server_by_the_same_name_as_ever(
    tmp_path: Path, configured: dict[str, str]
) -> None:
    """Without dashes, also where the identifier was copied from /system into the configuration."""
    chosen = settings(tmp_path, **configured)
    assert (server_identifier(chosen), server_name(chosen)) == (DASHED, DIGEST)


@pytest.mark.parametrize("name", ["Orthanc1", "a-b", DASHED.upper() + "!", DASHED + "-0"])
def test_other_names_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    chosen = settings(tmp_path, DatabaseServerIdentifier=name)
    assert server_identifier(chosen) == server_name(chosen) == name
