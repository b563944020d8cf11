"""Every route of Orthanc 1.13, from the table ``routes.tsv``: none is missing, no argument is ignored."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID, EncapsulatedPDFStorage

from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

LATER = re.compile(
    r"/jobs|/queries|/storage-commitment|/plugins/explorer.js|/(anonymize|modify|merge|split)$|/tools/bulk-(anonymize|modify)$"
    r"|/modalities/\{id\}/(?!configuration)|/peers/\{id\}/(?!configuration)|/tools/dicom-echo$"
)
"""What comes with jobs, with the DICOM client, and with modification."""

LONG_TEXTS = (
    "PatientComments",
    "StudyDescription",
    "CommentsOnThePerformedProcedureStep",
    "SOPAuthorizationComment",
)
LEVELS = ("patients", "studies", "series", "instances")
PARENTS = {"patients": "ParentPatient", "studies": "ParentStudy", "series": "ParentSeries", "instances": "ID"}


class Route(NamedTuple):
    """A line of the table."""

    method: str
    path: str
    arguments: tuple[str, ...]
    headers: tuple[str, ...]

    @property
    def level(self) -> str:
        """The level of the resource below which the route is, or an empty string."""
        return next((level for level in LEVELS if self.path.startswith(f"/{level}/{{id}}")), "")


def table() -> Iterator[Route]:
    """The routes that there must be."""
    for line in Path(__file__).with_name("routes.tsv").read_text().splitlines()[1:]:
        method, path, arguments, headers = line.split("\t")
        if not LATER.search(path):
            yield Route(method, path, tuple(arguments.split()), tuple(headers.split()))


ROUTES = tuple(table())


class Stored(NamedTuple):
    """What the server holds."""

    server: Server
    ids: dict[str, str]
    """A CT slice and its parents, by level. Another slice is in the series."""
    pdf: str
    """An instance without a picture."""
    volume: str
    """A series of two slices of one size."""


def slice_with_long_texts(number: int) -> bytes:
    """A slice of 8 bits with a text too long to be shown at each level, and an element after its pixels."""
    dataset = dcmread(str(get_testdata_file("CT_small.dcm")))
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.3.{number}")
    dataset.InstanceNumber = number
    dataset.ImagePositionPatient = [0, 0, number]
    for name in LONG_TEXTS:
        dataset.add(DataElement(Tag(name), "LT", "long " * 100))
    dataset.PixelData = bytes(value >> 4 & 0xFF for value in dataset.pixel_array.ravel().tolist())
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset["PixelData"].VR = "OB"
    dataset.RescaleIntercept = 10
    dataset.add_new(0x7FE10010, "LO", "orthanclite")
    dataset.add_new(0x7FE11001, "LO", "after the pixels")
    return written(dataset)


def written(dataset: Dataset) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def document() -> bytes:
    dataset = dcmread(BytesIO(dicom_file("pdf", "1.9", "1.9.1", "1.9.1.1")))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage
    dataset.EncapsulatedDocument = b"%PDF-1.4 "
    return written(dataset)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    config = {
        "DicomModalities": {"sample": ["SAMPLE", "127.0.0.1", 2001]},
        "OrthancPeers": {"other": ["http://127.0.0.1:2002/"]},
        "ExecuteLuaEnabled": True,
        "RestApiWriteToFileSystemEnabled": True,
        "MetricsEnabled": True,
    }
    with running(orthanclite(tmp_path_factory.mktemp("site"), config)) as server:
        answer = server.upload(slice_with_long_texts(1))
        server.upload(slice_with_long_texts(2))
        ids = {level: answer[key] for level, key in PARENTS.items()}
        for level, ref in ids.items():
            server.client.put(
                f"/{level}/{ref}/attachments/1025", content=b"attached " * 100
            ).raise_for_status()
            server.client.put(f"/{level}/{ref}/metadata/1025", content=b"described").raise_for_status()
            server.client.put(f"/{level}/{ref}/labels/seen").raise_for_status()
        yield Stored(server, ids, server.upload(document())["ID"], ids["series"])


FILLED = {
    "{frame}": "0",
    "{label}": "seen",
    "attachments/{name}": "attachments/1025",
    "metadata/{name}": "metadata/1025",
    "content/{path}": "content/PatientID",
    "modalities/{id}": "modalities/sample",
    "peers/{id}": "peers/other",
    "plugins/{id}": "plugins/gdcm",
}
BODIES: dict[str, Any] = {
    "/attachments/{name}": b"other",
    "/metadata/{name}": b"other",
    "/protected": b"1",
    "/export": b"exported.dcm",
    "/archive": b"{}",
    "/media": b"{}",
    "/reconstruct": b"{}",
    "/tools/accepted-transfer-syntaxes": b"*",
    "/tools/unknown-sop-class-accepted": b"1",
    "/tools/default-encoding": b"Latin1",
    "/tools/metrics": b"1",
    "/tools/execute-script": b"print(1)",
    "/tools/lookup": b"1CT1",
    "/tools/find": b'{"Level": "Study", "Query": {}}',
    "/tools/count-resources": b'{"Level": "Study", "Query": {}}',
    "/tools/bulk-content": b'{"Resources": []}',
    "/tools/bulk-delete": b'{"Resources": []}',
    "/tools/create-dicom": b'{"Tags": {"PatientName": "New"}}',
    "/tools/create-archive": b"[]",
    "/tools/create-media": b"[]",
    "/tools/create-media-extended": b"[]",
    "/modalities/{id}": b'["SAMPLE", "127.0.0.1", 2001]',
    "/peers/{id}": b'["http://127.0.0.1:2002/"]',
}


def path_of(route: Route, ids: dict[str, str]) -> str:
    """The path of a route with a resource in it."""
    path = route.path
    for template, value in FILLED.items():
        path = path.replace(template, value)
    return path.replace("{id}", ids.get(route.level, ""))


def body_of(route: Route) -> Any:
    if route.path == "/instances":
        return dicom_file()
    if route.path.startswith("/tools/log-level"):
        return b"default"
    return next((body for end, body in BODIES.items() if route.path.endswith(end)), b"")


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.method == "GET"], ids=lambda route: route.path
)
def test_every_route_is_read(stored: Stored, route: Route) -> None:
    ids = {**stored.ids, "instances": stored.pdf} if route.path.endswith("/pdf") else stored.ids
    query = "?resources=" + ids["studies"] if "resources" in route.arguments else ""
    query = "?level=study" if "level" in route.arguments else query
    answer = stored.server.client.get(path_of(route, ids) + query)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "route",
    [
        route
        for route in ROUTES
        if route.method != "GET" and not re.search("shutdown|reset|changes", route.path)
    ],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_every_route_is_written(stored: Stored, route: Route) -> None:
    answer = stored.server.upload(dicom_file("w", "1.7", "1.7.1", "1.7.1.1"))
    ids = {level: answer[key] for level, key in PARENTS.items()}
    for level, ref in ids.items():
        for kind in ("attachments", "metadata"):
            path = f"/{level}/{ref}/{kind}/1025"
            revision = {
                "If-Match": stored.server.client.get(path + "/data" * (kind == "attachments")).headers.get(
                    "etag", ""
                )
            }
            stored.server.client.put(
                path, content=b"before", headers=revision if revision["If-Match"] else {}
            )
    path = path_of(route, ids)
    done = stored.server.client.request(route.method, path, content=body_of(route))
    assert done.status_code == 200, done.text


JPEG = "1.2.840.10008.1.2.4.50"
ARGUMENTS: dict[str, tuple[str, str]] = {
    "compress": ("", "compress"),
    "expand": ("", "expand"),
    "extended": ("", "extended"),
    "filename": ("", "filename=wanted"),
    "full": ("", "full"),
    "height": ("", "height=20"),
    "ignore-length": ("", "ignore-length=" + ",".join(LONG_TEXTS)),
    "last": ("", "last"),
    "level": ("level=patient", "level=study"),
    "limit": ("limit=1&since=0", "limit=2&since=0"),
    "lossy-quality": (f"transcode={JPEG}&lossy-quality=10", f"transcode={JPEG}&lossy-quality=90"),
    "numeric": ("", "numeric"),
    "quality": ("quality=10", "quality=90"),
    "requested-tags": ("", "requested-tags=PatientName"),
    "rescale": ("rescale=0", "rescale=1"),
    "returnUnsupportedImage": ("", "returnUnsupportedImage"),
    "short": ("", "short"),
    "simplify": ("", "simplify"),
    "since": ("since=0&limit=1", "since=1&limit=1"),
    "smooth": ("width=20&smooth=0", "width=20&smooth=1"),
    "to": ("", "to=2"),
    "transcode": ("", f"transcode={JPEG}"),
    "type": ("", "type=NewPatient"),
    "whole": ("", "whole"),
    "width": ("", "width=20"),
    "window-center": ("window-width=100", "window-width=100&window-center=1000"),
    "window-width": ("window-center=100", "window-center=100&window-width=1000"),
}
"""Two queries that must be answered differently, by argument."""


@pytest.mark.parametrize(
    ("route", "argument"),
    [
        (route, argument)
        for route in ROUTES
        for argument in route.arguments
        # The logs of an idle server have nothing to cut; `resources` is not optional.
        if route.path != "/exports"
        and argument != "resources"
        # JPEG has 8 bits.
        and not (argument == "quality" and route.path.endswith("16"))
    ],
    ids=lambda value: value.path if isinstance(value, Route) else value,
)
def test_every_argument_has_an_effect(stored: Stored, route: Route, argument: str) -> None:
    ids = {**stored.ids, "instances": stored.pdf} if argument == "returnUnsupportedImage" else stored.ids
    path = path_of(route, ids)
    queries = ARGUMENTS[argument]
    if argument == "expand" and route.level and "metadata" not in path:
        queries = ("", "expand=false")  # below a resource, lists are expanded unless it is forbidden
    elif "expand" in route.arguments and argument in ("full", "short", "requested-tags"):
        queries = ("expand", f"expand&{queries[1]}")
    headers = {"Accept": "image/jpeg"} if argument == "quality" else {}
    fixed = "resources=" + ids["studies"] + "&" if "resources" in route.arguments else ""
    seen = []
    for query in queries:
        answer = stored.server.client.get(f"{path}?{fixed}{query}", headers=headers)
        assert answer.status_code in (200, 302, 307, 415), answer.text
        seen.append((answer.status_code, answer.headers.get("content-disposition"), answer.content))
    assert seen[0] != seen[1]


def test_shutdown_and_clearing_of_the_log(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path)) as server:
        server.upload(dicom_file())
        assert server.client.delete("/changes").status_code == 200
        assert server.get("/changes")["Changes"] == []
        assert server.client.post("/tools/shutdown").status_code == 200
        assert server.process is not None
        assert server.process.wait(timeout=60) == 0


def test_a_signal_ends_a_server_also_while_it_restarts(tmp_path: Path) -> None:
    server = orthanclite(tmp_path)
    server.start()
    assert server.client.post("/tools/reset").status_code == 200
    # 0 where the signal came in time for an orderly end, its number where no server was up to take it.
    assert server.stop() in (0, -signal.SIGTERM)
    server.client.close()
