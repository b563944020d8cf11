"""The routes of archives, through the real HTTP adapter."""

from __future__ import annotations

import io
import mmap
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orthanclite.rest.resources.archives import archive_routes
from orthanclite.services.archive.service import ArchiveService
from orthanclite.services.ingest.arrival import StoreResult
from orthanclite.web.application import Application
from orthanclite.web.policy import HttpPolicy
from tests.support.http import serving
from tests.support.jobs import archive_kinds, job_engine
from tests.support.lab import Lab, lab
from tests.support.records import InMemory, dicom_file

J2K = "1.2.840.10008.1.2.4.90"


class Marker:
    """Puts the wanted quality behind the file."""

    def transcode(
        self, dicom: bytes | mmap.mmap, transfer_syntax: str, lossy_quality: int | None
    ) -> InMemory:
        return InMemory(bytes(dicom) + f"<{transfer_syntax} {lossy_quality}>".encode())


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab")) as opened:
        yield opened


@pytest.fixture(scope="module")
def stored(bench: Lab) -> list[StoreResult]:
    """Two patients, the first with two images."""
    return bench.store(
        dicom_file(
            "A", "1.1", "1.1.1", "1.1.1.1", InstanceNumber=1, SeriesDescription="text", PatientSex="M"
        ),
        dicom_file("A", "1.1", "1.1.1", "1.1.1.2", InstanceNumber=2, side=64),
        dicom_file("É", "1.2", "1.2.1", "1.2.1.1", SpecificCharacterSet="ISO_IR 100"),
    )


def _client(bench: Lab, stream: bool) -> Iterator[httpx.Client]:
    archives = ArchiveService(
        bench.resources, bench.reader, Marker(), bench.dictionary, bench.runtime, threads=2
    )
    engine, kinds = job_engine(bench), archive_kinds(archives, bench)
    application = Application([archive_routes(archives, engine, kinds, stream)], HttpPolicy())
    with serving(application) as client:
        yield client
    application.close()
    archives.close()


@pytest.fixture(scope="module")
def client(bench: Lab) -> Iterator[httpx.Client]:
    yield from _client(bench, stream=True)


@pytest.fixture(scope="module")
def spooling(bench: Lab) -> Iterator[httpx.Client]:
    yield from _client(bench, stream=False)


def members(response: Any) -> dict[str, bytes]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


FULL = ["A - Name^A/Unknown Study/CT - text/CT000001.dcm", "A - Name^A/Unknown Study/CT - text/CT000002.dcm"]


@pytest.mark.parametrize("level", ["patient", "study", "series"])
def test_archive_of_a_resource(client: httpx.Client, stored: list[StoreResult], level: str) -> None:
    id = getattr(stored[0].ids, level)
    uri = f"/{'studies' if level == 'study' else level.rstrip('s') + 's'}/{id}/archive".replace(
        "serie/", "series/"
    )
    response = client.get(uri)
    assert list(members(response)) == FULL
    assert response.headers["content-disposition"] == f'filename="{id}.zip"'
    assert response.headers["connection"] == "close"
    assert "content-length" not in response.headers
    assert response.headers["x-content-type-options"] == "nosniff"
    posted = list(members(client.post(uri, json={})))
    assert posted == ([name.split("/", 2)[2] for name in FULL] if level == "series" else FULL)


def test_media(client: httpx.Client, stored: list[StoreResult]) -> None:
    uri = f"/series/{stored[0].ids.series}/media"
    for response, extended in (
        (client.get(uri), False),
        (client.get(uri + "?extended"), True),
        (client.post(uri, json={}), False),
        (client.post(uri, json={"Extended": True}), True),
    ):
        found = members(response)
        assert list(found) == ["IMAGES/IM0", "IMAGES/IM1", "DICOMDIR"]
        assert (b"text" in found["DICOMDIR"]) is extended


def test_tools(client: httpx.Client, stored: list[StoreResult]) -> None:
    ids = [stored[0].ids.instance, stored[2].ids.patient]
    expected = {FULL[0], "- Name^/Unknown Study/CT/CT000001.dcm"}
    for response in (
        client.post("/tools/create-archive", json=ids),
        client.post("/tools/create-archive", json={"Resources": [*ids, ids[0]], "Synchronous": True}),
        client.get(f"/tools/create-archive?resources={','.join(ids)}"),
    ):
        assert set(members(response)) == expected
        assert response.headers["content-disposition"] == 'filename="Archive.zip"'
    utf8 = client.post("/tools/create-archive", json={"Resources": ids, "Utf8": True})
    assert "É - Name^É/Unknown Study/CT/CT000001.dcm" in members(utf8)
    for path, body, extended in (
        ("create-media", {}, False),
        ("create-media", {"Extended": True}, True),
        ("create-media-extended", {}, True),
        ("create-media-extended", {"Extended": False}, False),
    ):
        found = members(client.post(f"/tools/{path}", json={"Resources": ids, **body}))
        assert list(found) == ["IMAGES/IM0", "IMAGES/IM1", "DICOMDIR"]
        assert (b"text" in found["DICOMDIR"]) is extended
    assert b"text" in members(client.get(f"/tools/create-media-extended?resources={ids[0]}"))["DICOMDIR"]
    assert members(client.post("/tools/create-archive", json=[])) == {}
    assert list(members(client.post("/tools/create-media", json=[]))) == ["DICOMDIR"]


def test_file_name(client: httpx.Client, stored: list[StoreResult]) -> None:
    uri = f"/studies/{stored[0].ids.study}/archive"
    for response in (
        client.get(uri + '?filename=my%20"file".zip'),
        client.post(uri, json={"Filename": 'my "file".zip'}),
    ):
        assert response.headers["content-disposition"] == 'filename="my file.zip"'


def test_transcoding(client: httpx.Client, stored: list[StoreResult]) -> None:
    uri = f"/series/{stored[2].ids.series}/archive"
    for response, quality in (
        (client.get(f"{uri}?transcode={J2K}"), None),
        (client.get(f"{uri}?transcode={J2K}&lossy-quality=7"), 7),
        (client.post(uri, json={"Transcode": J2K, "LossyQuality": 8}), 8),
    ):
        [content] = members(response).values()
        assert content.endswith(f"<{J2K} {quality}>".encode())


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{}", 400, 15),
        ("zz", 400, 15),
        ("", 400, 15),
        ("3", 400, 15),
        ('{"Resources": 3}', 400, 15),
        ("[3]", 400, 15),
        ('["unknown"]', 404, 17),
        ('{"Resources": ["unknown"], "Synchronous": false}', 404, 17),
        ('{"Resources": [], "Asynchronous": true, "Transcode": "1.2.3"}', 400, 3),
        ('{"Resources": [], "Asynchronous": true, "Priority": 9223372036854775808}', 400, 3),
        ('{"Resources": [], "Asynchronous": true, "Priority": 1.5}', 400, 15),
        ('{"Resources": [], "Permissive": "a"}', 400, 15),
        ('{"Resources": [], "Synchronous": "a"}', 400, 15),
        ('{"Resources": [], "Transcode": 3}', 400, 15),
        ('{"Resources": [], "Transcode": "1.2.3"}', 400, 3),
        ('{"Resources": [], "LossyQuality": 0}', 400, 3),
        ('{"Resources": [], "Priority": "high"}', 400, 15),
        ('{"Resources": [], "Utf8": 1}', 400, 15),
        ('{"Resources": [], "Filename": 1}', 400, 15),
    ],
)
def test_bad_bodies(client: httpx.Client, body: str, status: int, code: int) -> None:
    response = client.post("/tools/create-archive", content=body)
    assert (response.status_code, response.json()["OrthancStatus"]) == (status, code)


def test_synchronous_wins(client: httpx.Client) -> None:
    body = {"Resources": [], "Synchronous": True, "Asynchronous": True}
    assert members(client.post("/tools/create-archive", json=body)) == {}
    job = client.post("/tools/create-archive", json={**body, "Synchronous": False}).json()
    assert job["Path"] == f"/jobs/{job['ID']}"


def test_unknown_resources(client: httpx.Client, stored: list[StoreResult]) -> None:
    for id in ("unknown", stored[0].ids.series):
        for response in (client.get(f"/studies/{id}/archive"), client.post(f"/studies/{id}/media", json={})):
            assert response.status_code == 404
            assert response.json()["OrthancStatus"] == 7
            assert response.json()["Details"] == f"Missing resource while creating an archive: {id}"
    missing = client.get("/tools/create-archive")
    assert (missing.status_code, missing.json()["OrthancStatus"]) == (400, 8)
    assert missing.json()["Details"] == "Missing resources argument"
    assert client.get("/tools/create-media?resources=unknown").status_code == 404
    assert client.post(f"/studies/{stored[0].ids.study}/archive", content=b"[1").status_code == 400


def test_range_is_ignored_while_streaming(client: httpx.Client, stored: list[StoreResult]) -> None:
    response = client.get(f"/studies/{stored[0].ids.study}/archive", headers={"Range": "bytes=10-"})
    assert list(members(response)) == FULL
    assert response.headers["accept-ranges"] == "none"


def test_spooled_archive_can_be_resumed(spooling: httpx.Client, stored: list[StoreResult]) -> None:
    uri = f"/patients/{stored[0].ids.patient}/media"
    whole = spooling.get(uri)
    assert list(members(whole)) == ["IMAGES/IM0", "IMAGES/IM1", "DICOMDIR"]
    assert int(whole.headers["content-length"]) == len(whole.content)
    tag = whole.headers["etag"]
    part = spooling.get(uri, headers={"Range": "bytes=100-", "If-Range": tag})
    assert part.status_code == 206
    assert part.content == whole.content[100:]
    assert part.headers["content-range"] == f"bytes 100-{len(whole.content) - 1}/{len(whole.content)}"
    middle = spooling.get(uri, headers={"Range": "bytes=5-9"})
    assert middle.content == whole.content[5:10]
    changed = spooling.get(uri, headers={"Range": "bytes=100-", "If-Range": '"other"'})
    assert (changed.status_code, changed.content) == (200, whole.content)
    outside = spooling.get(uri, headers={"Range": f"bytes={len(whole.content)}-"})
    assert (outside.status_code, outside.json()["OrthancStatus"]) == (416, 41)


def test_spooled_transcoding_cannot_be_resumed(spooling: httpx.Client, stored: list[StoreResult]) -> None:
    uri = f"/studies/{stored[0].ids.study}/archive?transcode={J2K}"
    response = spooling.get(uri, headers={"Range": "bytes=5-9"})
    assert list(members(response)) == FULL
    assert "etag" not in response.headers


def test_spooled_errors_have_a_status(spooling: httpx.Client, tmp_path: Path) -> None:
    assert spooling.get("/studies/unknown/archive").status_code == 404
