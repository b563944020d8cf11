"""The same on PostgreSQL, as far as the index is concerned."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dicomweb.support import get, json_of, store
from tests.support.postgres import Cluster
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running


@pytest.fixture(scope="module")
def server(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with postgres.database() as name:
        section = {
            "EnableIndex": True,
            "Host": postgres.host,
            "Port": postgres.port,
            "Database": name,
            "Username": postgres.user,
        }
        with running(orthanclite(tmp_path_factory.mktemp("server"), {"PostgreSQL": section})) as started:
            yield started


def test_search_and_retrieve(server: Server) -> None:
    for number in range(3):
        stored = store(
            server, dicom_file("p", "3.1", "3.2", f"3.3.{number}", side=4, PatientName="Ärger^Ida")
        )
    assert len(json_of(get(server, f"{stored.series}/metadata"))) == 3
    assert len(json_of(get(server, "/dicom-web/studies?PatientName=ARG&fuzzymatching=true"))) == 1
    page = get(server, "/dicom-web/studies/3.1/instances?limit=2")
    assert [one["00280010"]["Value"] for one in page.json()] == [[4], [4]]
    assert "There are 1 additional" in page.headers["warning"]
    assert get(server, f"{stored.instance}/frames/1").status_code == 200
    (series,) = server.get("/series")
    server.client.delete(f"/series/{series}").raise_for_status()
    assert get(server, f"{stored.series}/metadata").status_code == 404
    assert json_of(get(server, "/dicom-web/studies")) == []
