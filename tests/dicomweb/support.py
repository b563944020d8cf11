"""What tests of DICOMweb share: files in a server, and the parts of answers."""

from __future__ import annotations

from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

from tests.support.server import Server

ROOT = "/dicom-web"
EXPLICIT = "1.2.840.10008.1.2.1"


@lru_cache(maxsize=64)
def sample(name: str) -> bytes:
    """A file that comes with pydicom."""
    path = get_testdata_file(name, download=False)
    assert path is not None, name
    return Path(str(path)).read_bytes()


@dataclass(frozen=True)
class Stored:
    """An instance in a server."""

    dataset: Dataset
    data: bytes

    @property
    def study(self) -> str:
        return f"{ROOT}/studies/{self.dataset.StudyInstanceUID}"

    @property
    def series(self) -> str:
        return f"{self.study}/series/{self.dataset.SeriesInstanceUID}"

    @property
    def instance(self) -> str:
        return f"{self.series}/instances/{self.dataset.SOPInstanceUID}"


def store(server: Server, data: bytes) -> Stored:
    server.upload(data)
    return Stored(dcmread(BytesIO(data), force=True), data)


def store_sample(server: Server, name: str) -> Stored:
    return store(server, sample(name))


@dataclass(frozen=True)
class ReceivedPart:
    headers: dict[str, str]
    content: bytes


def parts(answer: httpx.Response) -> list[ReceivedPart]:
    """The parts of an answer, taken apart strictly."""
    assert answer.headers["content-type"].startswith("multipart/related; type="), answer.headers
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + answer.headers["content-type"].encode() + b"\r\n\r\n", headersonly=True
    )
    boundary = message.get_boundary()
    assert boundary is not None
    body = b"\r\n" + answer.content
    first, *found, last = body.split(b"\r\n--" + boundary.encode())
    assert (first, last) == (b"", b"--\r\n")
    received = []
    for one in found:
        assert one.startswith(b"\r\n")
        head, _, content = one[2:].partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        headers = {name.lower(): value for name, value in headers.items()}
        assert int(headers["content-length"]) == len(content)
        received.append(ReceivedPart(headers, content))
    return received


def get(server: Server, path: str, accept: str | None = None, **headers: str) -> httpx.Response:
    """A GET with this ``Accept``, and none if it is None."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    request = server.client.build_request("GET", path, headers=sent)
    if accept is None:
        del request.headers["accept"]
    else:
        request.headers["accept"] = accept
    return server.client.send(request)


def json_of(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/dicom+json"
    return answer.json()
