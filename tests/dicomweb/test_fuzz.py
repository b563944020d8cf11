"""All routes with whatever clients may send: an answer that says what is wrong, never an internal error.

The environment variable ``FUZZ_EXAMPLES`` asks for more requests to each route than the few of a usual run,
``FUZZ_SEED`` for others.
"""

from __future__ import annotations

import os
import random
import string
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import pytest

from tests.dicomweb.support import ROOT, Stored, sample, store, store_sample
from tests.safety.judge import PATIENCE, Checkup, judge
from tests.support.records import dicom_file
from tests.support.server import Server

SERVER_CONFIG = {
    "OverwriteInstances": True,
    "StorageCompression": True,
    "DicomWeb": {"AllowDelete": True, "Servers": {"gone": ["http://127.0.0.1:1/"]}},
    "Worklists": {"Enable": True, "SaveInOrthancDatabase": True},
}
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "6"))
SEED = int(os.environ.get("FUZZ_SEED", "5"))
BODIES = 120

FILES = (
    "CT_small.dcm",
    "SC_rgb_rle_2frame.dcm",
    "rtplan.dcm",
    "JPEG2000.dcm",
    "image_dfl.dcm",
    "reportsi.dcm",
)
ACCEPTS = (
    "*/*",
    "application/dicom+json",
    'multipart/related; type="application/dicom+xml"',
    'multipart/related; type="application/dicom"; transfer-syntax=*',
    'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90',
    'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.4.90',
    'multipart/related; type="image/jpeg"',
    "image/jpeg;q=0.5, image/png",
    "image/gif",
    "application/dicom",
    "application/zip",
    'multipart/related; type="',
    ";;,,q=",
    "," * 3000,
    "\xff\xfe",
)
NAMES = (
    "limit",
    "offset",
    "includefield",
    "fuzzymatching",
    "PatientName",
    "StudyDate",
    "StudyInstanceUID",
    "00081030",
    "viewport",
    "window",
    "quality",
    "iccprofile",
    "annotation",
    "accept",
    "frameNumber",
    "region",
    "rows",
    "objectUID",
    "contentType",
    "transferSyntax",
    "requestType",
    "ModalitiesInStudy",
    "00400275.00401001",
    "ProcedureStepState",
    "workitem",
    "\xe9",
)
VALUES = (
    "",
    "1",
    "-1",
    "0",
    "*",
    "?",
    "true",
    "all",
    "20200101-",
    "a\\b",
    "1,2",
    "1e5,1",
    "4,4,0,0,2,2",
    "1,2,sigmoid",
    "%00",
    "%ff%fe",
    "%F0%9F%A9%BB",
    "1" * 300,
    "9" * 5000,
    "WADO",
    "image/png",
    "application/dicom",
    "1.2.840.10008.1.2.4.90",
)
HEADERS = (
    ("range", "bytes=0-5"),
    ("range", "bytes=-"),
    ("range", "x"),
    ("range", "bytes=99999999-"),
    ("range", "bytes=" + "9" * 5000 + "-"),
    ("if-none-match", "*"),
    ("if-none-match", '"x", W/"y'),
    ("accept-encoding", "gzip;q=0, br"),
    ("accept-encoding", "gzip"),
    ("origin", "http://a.example"),
    ("x-forwarded-host", 'a"><b'),
    ("x-forwarded-proto", "https"),
    ("forwarded", 'host="' + "\\" * 50),
    ("content-type", "application/dicom+json"),
    ("content-type", "application/dicom+xml"),
    ("content-type", "application/dicom"),
    ("content-type", 'multipart/related; type="application/dicom"; boundary=B'),
    ("content-type", "multipart/related"),
    ("content-encoding", "gzip"),
)
CONTENTS = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b"[{}]",
    b"[" * 50_000,
    b'[{"00741000":{"vr":"CS","Value":["IN PROGRESS"]},"00081195":{"vr":"UI","Value":["1.2"]}}]',
    b'[{"00741204":{"vr":"LO","Value":["x"]},"00404005":{"vr":"DT","Value":["2024"]},"00404041":{"vr":"CS",'
    b'"Value":["READY"]},"00741200":{"vr":"CS","Value":["LOW"]}}]',
    b'{"Uri":"studies","Arguments":{"a":1},"HttpHeaders":{"a":"b\\r\\nc"}}',
    b'{"Resources":[{"Study":"1.2.3"}],"Synchronous":false}',
    b'{"Resources":["x"],"Synchronous":false}',
    b'<?xml version="1.0"?><NativeDicomModel><DicomAttribute tag="00741204" vr="LO"/></NativeDicomModel>',
    b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    b"\xff\xfe\0",
    dicom_file(study="1.2.3", series="1.2.4", instance="1.2.6"),
    sample("CT_small.dcm")[:3000],
)
TRICKY = (
    "",
    ".",
    "..",
    "%00",
    "%2e%2e",
    "1.2",
    "1.2.3%20",
    "*",
    "é",
    "9" * 300,
    "1,2",
    "0",
    "-1",
    "7fe00010",
    "x",
)


@dataclass(frozen=True)
class Route:
    method: str
    path: str


def routes(server: Server) -> list[Route]:
    """All that DICOMweb says it has, and the address of WADO-URI."""
    answer = server.client.request("OPTIONS", ROOT, headers={"accept": "application/json"}).json()
    told = [
        Route(method["name"], f"{ROOT}/{resource['path']}")
        for resource in answer["application"]["resources"]["resource"]
        for method in resource["methods"]
    ]
    by_client = [
        Route("POST", f"{ROOT}/servers/gone/{name}")
        for name in ("get", "qido", "wado", "retrieve", "stow", "delete")
    ]
    others = [Route("GET", "/wado"), Route("GET", f"{ROOT}/servers"), Route("GET", f"{ROOT}/servers/gone")]
    return [*told, *others, *by_client, *(Route("OPTIONS", one.path) for one in told[:5])]


def filled(chance: random.Random, path: str, known: Stored) -> str:
    """A path with something for each of its variables: what is there, mostly."""
    values = {
        "study": str(known.dataset.StudyInstanceUID),
        "series": str(known.dataset.SeriesInstanceUID),
        "instance": str(known.dataset.SOPInstanceUID),
        "frames": chance.choice(("1", "2", "1,2", "2,1,1")),
        "path": chance.choice(
            ("7fe00010", "00420011", "300a00b0/1/300a00c2", "00100010", "7fe00010/1/7fe00010")
        ),
        "workitem": chance.choice(("1.2.3", "1.2")),
        "aet": "ME",
    }
    for name, value in values.items():
        given = chance.choice(TRICKY) if chance.random() < 0.15 else value
        path = path.replace(f"{{{name}}}", given)
    if chance.random() < 0.1:
        at = chance.randrange(1, len(path))
        path = path[:at] + quote(chance.choice(string.printable), safe="") + path[at:]
    return path


def test_no_request_is_an_internal_error(server: Server) -> None:
    chance = random.Random(SEED)
    stored = [store_sample(server, name) for name in FILES]
    stored.append(store(server, dicom_file(study="1.2.3", series="1.2.4", instance="1.2.5")))
    found = routes(server)
    assert len(found) > 40
    checkup, before = Checkup(server), server.descriptors()
    for route in found:
        for _ in range(EXAMPLES):
            known = chance.choice(stored)
            path = filled(chance, route.path, known)
            query = "&".join(
                f"{quote(chance.choice(NAMES))}={chance.choice(VALUES)}" for _ in range(chance.randrange(4))
            )
            headers = [("accept", chance.choice(ACCEPTS).encode("latin-1"))]
            headers += [
                (name, value.encode("latin-1"))
                for name, value in chance.sample(HEADERS, chance.choice((0, 0, 1, 2, 3)))
            ]
            body = chance.choice(CONTENTS) if route.method in ("POST", "PUT") else b""
            answer = server.client.request(
                route.method, f"{path}?{query}", headers=headers, content=body, timeout=PATIENCE
            )
            judge(answer.status_code, answer.content, (route.method, path, query, headers, body[:200]))
            if route.method == "DELETE" and answer.status_code == 200:
                store(server, known.data)
    checkup()
    assert server.descriptors() <= before + 20


def test_no_body_is_an_internal_error(server: Server) -> None:
    chance = random.Random(SEED + 1)
    whole = (
        b"--B\r\nContent-Type: application/dicom\r\n\r\n"
        + dicom_file(study="3.1", series="3.2", instance="3.3")
        + b"\r\n--B\r\nContent-Type: application/dicom+json\r\n\r\n"
        + b'[{"00080018":{"vr":"UI","Value":["3.4"]},"00100010":{"vr":"PN","Value":[{"Alphabetic":"A"}]}}]'
        + b"\r\n--B--\r\n"
    )
    for number in range(BODIES * EXAMPLES // 6):
        body = bytearray(whole)
        for _ in range(chance.randrange(8)):
            at = chance.randrange(max(1, len(body)))
            if body and chance.random() < 0.5:
                body[at] = chance.randrange(256)
            else:
                del body[at : at + chance.randrange(200)]
        kind = chance.choice(("application/dicom", "application/dicom+json", "application/dicom+xml", "x"))
        media_type = f'multipart/related; type="{kind}"; boundary=B' if number % 3 else kind
        answer = server.client.post(
            f"{ROOT}/studies", content=bytes(body), headers={"content-type": media_type}, timeout=PATIENCE
        )
        assert answer.status_code in (200, 202, 400, 409, 415), (media_type, answer.text, bytes(body))
        assert answer.content


@pytest.mark.parametrize("frames", [1, 3])
def test_no_pixels_are_an_internal_error(server: Server, frames: int) -> None:
    """Files whose pixels are not what their attributes say, asked for in every form."""
    chance, checkup = random.Random(SEED + frames), Checkup(server)
    for number in range(4 * EXAMPLES):
        data = bytearray(sample(chance.choice(FILES)))
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(132, len(data))
            data[at : at + 1] = bytes([chance.randrange(256)])
        uploaded = server.client.post("/instances", content=bytes(data[: len(data) - 200 * (number % 2)]))
        if uploaded.status_code != 200:
            continue
        shown = server.client.get(f"/instances/{uploaded.json()['ID']}/simplified-tags")
        tags = shown.json() if shown.status_code == 200 else {}
        uids = [str(tags.get(f"{level}InstanceUID", "")) for level in ("Study", "Series", "SOP")]
        if not all(uids):
            continue
        place = f"{ROOT}/studies/{quote(uids[0])}/series/{quote(uids[1])}/instances/{quote(uids[2])}"
        for end in ("", f"/frames/{frames}", "/rendered", "/thumbnail", "/metadata", "/bulk/7fe00010"):
            for accept in chance.sample(ACCEPTS, 2):
                try:
                    answer = server.client.get(place + end, headers={"accept": accept.encode("latin-1")})
                except (
                    httpx.RemoteProtocolError
                ):  # a frame behind the first is damaged: the answer is cut off
                    assert "multipart" in accept, (end, accept, bytes(data))
                    continue
                judge(answer.status_code, answer.content, (end, accept, bytes(data)))
    checkup()
