"""All routes with whatever clients may send: an answer that says what is wrong, never an internal error."""

from __future__ import annotations

import random
import string

import pytest

from tests.dicomweb.support import Stored, store, store_sample
from tests.support.records import dicom_file
from tests.support.server import Server

ROUNDS = 60
"""Requests to each route."""

ACCEPTS = (
    "*/*",
    "application/dicom+json",
    'multipart/related; type="application/dicom+xml"',
    'multipart/related; type="application/dicom"; transfer-syntax=*',
    'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.4.90',
    "image/jpeg;q=0.5, image/png",
    "application/zip",
    'multipart/related; type="',
    ";;,,q=",
    "\xff\xfe",
)
NAMES = (
    "limit",
    "offset",
    "includefield",
    "fuzzymatching",
    "PatientName",
    "StudyDate",
    "00081030",
    "viewport",
    "window",
    "quality",
    "accept",
    "frameNumber",
    "objectUID",
    "requestType",
    "ModalitiesInStudy",
    "00400275.00401001",
)
VALUES = (
    "",
    "1",
    "-1",
    "*",
    "?",
    "true",
    "all",
    "20200101-",
    "a\\b",
    "1,2",
    "1e5,1",
    "%00",
    "%ff%fe",
    "1" * 300,
    "WADO",
)


@pytest.fixture(scope="module")
def stored(server: Server) -> list[Stored]:
    names = ("CT_small.dcm", "SC_rgb_rle_2frame.dcm", "rtplan.dcm", "JPEG2000.dcm")
    found = [store_sample(server, name) for name in names]
    return [*found, store(server, dicom_file(study="1.2.3", series="1.2.4", instance="1.2.5"))]


def test_no_request_is_an_internal_error(server: Server, stored: list[Stored]) -> None:
    chance = random.Random(5)
    ends = (
        "/metadata",
        "/rendered",
        "/thumbnail",
        "/frames",
        "/frames/1",
        "/frames/1,2",
        "/frames/1/rendered",
        "/bulk/7fe00010",
        "/bulk/300a00b0/1/300a00c2",
        "",
        "/bulk",
        "/instances",
        "/series",
    )
    before = server.descriptors()
    for end in ends:
        for _ in range(ROUNDS // 4):
            one = chance.choice(stored)
            path = chance.choice((one.study, one.series, one.instance, "/dicom-web/studies", "/wado")) + end
            if chance.random() < 0.2:
                at = chance.randrange(len(path))
                path = (
                    path[:at]
                    + chance.choice(string.printable[:90]).replace("#", "%23").replace("?", "%3f")
                    + path[at:]
                )
            query = "&".join(
                f"{chance.choice(NAMES)}={chance.choice(VALUES)}" for _ in range(chance.randrange(3))
            )
            headers = {"accept": chance.choice(ACCEPTS).encode("latin-1")}
            if chance.random() < 0.2:
                headers["range"] = chance.choice((b"bytes=0-5", b"bytes=-", b"x", b"bytes=99999999-"))
            answer = server.client.get(f"{path}?{query}", headers=headers)
            assert answer.status_code < 500, (path, query, headers, answer.text)
    assert server.client.get("/system").status_code == 200
    assert server.descriptors() <= before + 20


def test_no_body_is_an_internal_error(server: Server) -> None:
    chance = random.Random(6)
    whole = (
        b"--B\r\nContent-Type: application/dicom\r\n\r\n"
        + dicom_file(study="3.1", series="3.2", instance="3.3")
        + b"\r\n--B\r\nContent-Type: application/dicom+json\r\n\r\n"
        + b'[{"00080018":{"vr":"UI","Value":["3.4"]},"00100010":{"vr":"PN","Value":[{"Alphabetic":"A"}]}}]'
        + b"\r\n--B--\r\n"
    )
    for number in range(ROUNDS * 2):
        body = bytearray(whole)
        for _ in range(chance.randrange(8)):
            at = chance.randrange(len(body))
            if chance.random() < 0.5:
                body[at] = chance.randrange(256)
            else:
                del body[at : at + chance.randrange(200)]
        kind = chance.choice(("application/dicom", "application/dicom+json", "application/dicom+xml", "x"))
        media_type = f'multipart/related; type="{kind}"; boundary=B' if number % 3 else kind
        answer = server.client.post(
            "/dicom-web/studies", content=bytes(body), headers={"content-type": media_type}
        )
        assert answer.status_code in (200, 202, 400, 409, 415), (media_type, answer.text, bytes(body))
        assert answer.content
