"""STOW-RS."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.uid import RLELossless

from tests.dicomweb.support import ROOT, get, json_of, parts, sample
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

SERVER_CONFIG = {"OverwriteInstances": True}
DICOM = "application/dicom"
OCTETS = "application/octet-stream"


def body(
    contents: list[tuple[str, bytes]], kind: str = DICOM, boundary: str = "bound", quoted: bool = True
) -> tuple[bytes, str]:
    """A body of parts, each with its headers, and its type."""
    whole = b""
    for headers, content in contents:
        head = f"{headers}\r\n" if headers else ""
        whole += f"--{boundary}\r\n{head}\r\n".encode() + content + b"\r\n"
    name = f'"{boundary}"' if quoted else boundary
    return whole + f"--{boundary}--\r\n".encode(), f'multipart/related; type="{kind}"; boundary={name}'


def send(
    server: Server, contents: list[tuple[str, bytes]], path: str = "/studies", **options: Any
) -> httpx.Response:
    content, media_type = body(contents, **options)
    return server.client.post(ROOT + path, content=content, headers={"content-type": media_type})


def files(*data: bytes) -> list[tuple[str, bytes]]:
    return [(f"Content-Type: {DICOM}", one) for one in data]


def is_stored(server: Server, uid: str) -> bool:
    return bool(json_of(get(server, f"{ROOT}/instances?SOPInstanceUID={uid}")))


def test_files_are_stored(server: Server) -> None:
    data = [dicom_file(study="1.1", series="1.2", instance=f"1.3.{n}", side=8) for n in range(100)]
    answer = send(server, files(*data))
    assert answer.status_code == 200, answer.text
    found = json_of(answer)
    assert found["00081190"]["Value"] == [f"{server.url}{ROOT}/studies/1.1"]
    assert "00081198" not in found
    assert [item["00081155"]["Value"][0] for item in found["00081199"]["Value"]] == [
        f"1.3.{n}" for n in range(100)
    ]
    assert found["00081199"]["Value"][0] == {
        "00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
        "00081155": {"vr": "UI", "Value": ["1.3.0"]},
        "00081190": {
            "vr": "UR",
            "Value": [f"{server.url}{ROOT}/studies/1.1/series/1.2/instances/1.3.0"],
        },
    }
    sent = {part.content for part in parts(get(server, f"{ROOT}/studies/1.1"))}
    assert sent == set(data)


@pytest.mark.parametrize("boundary", ["a", "x y", "0" * 70, "----=_(1.2/3,4:5?6)"])
@pytest.mark.parametrize(
    "headers", [f"Content-Type: {DICOM}; transfer-syntax=1.2.840.10008.1.2.1", "X: y", ""]
)
def test_clients_write_it_in_many_ways(server: Server, boundary: str, headers: str) -> None:
    data = dicom_file(study="2.1", series="2.2", instance="2.3")
    assert send(server, [(headers, data)], boundary=boundary).status_code == 200


def test_a_body_in_chunks(server: Server) -> None:
    """Large instances go to the disk as they arrive, from a client that tells no length."""
    data = [dicom_file(study="3.1", series="3.2", instance=f"3.3.{n}", side=1600 + n) for n in range(2)]
    content, media_type = body(files(*data))

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(content), 100_003):
            yield content[start : start + 100_003]

    answer = server.client.post(f"{ROOT}/studies", content=chunks(), headers={"content-type": media_type})
    assert answer.status_code == 200, answer.text
    assert {part.content for part in parts(get(server, f"{ROOT}/studies/3.1"))} == set(data)


def test_a_single_file(server: Server) -> None:
    data = dicom_file(study="4.1", series="4.2", instance="4.3")
    answer = server.client.post(f"{ROOT}/studies", content=data, headers={"content-type": DICOM})
    assert answer.status_code == 200
    assert answer.json()["00081199"]["Value"][0]["00081155"]["Value"] == ["4.3"]


def test_the_answer_in_xml(server: Server) -> None:
    data = dicom_file(study="4.1", series="4.2", instance="4.3")
    answer = server.client.post(
        f"{ROOT}/studies", content=data, headers={"content-type": DICOM, "accept": "application/dicom+xml"}
    )
    assert answer.headers["content-type"] == "application/dicom+xml"
    assert b'tag="00081199"' in answer.content


def test_some_are_not_stored(server: Server) -> None:
    good = dicom_file(study="5.1", series="5.2", instance="5.3.1")
    other = dicom_file(study="5.9", series="5.2", instance="5.3.2")
    answer = send(server, files(good, b"not DICOM at all", other), "/studies/5.1")
    assert answer.status_code == 202
    found = answer.json()
    assert [item["00081155"]["Value"] for item in found["00081199"]["Value"]] == [["5.3.1"]]
    (failed,) = found["00081198"]["Value"]
    assert (failed["00081155"]["Value"], failed["00081197"]["Value"]) == (["5.3.2"], [0xA901])
    assert found["0008119A"]["Value"] == [{"00081197": {"vr": "US", "Value": [0xC000]}}]
    assert is_stored(server, "5.3.1")
    assert not is_stored(server, "5.3.2")


def test_none_is_stored(server: Server) -> None:
    other = dicom_file(study="5.9", series="5.2", instance="5.3.2")
    answer = send(server, files(other), "/studies/5.1")
    assert answer.status_code == 409
    assert "00081199" not in answer.json()
    broken = send(server, files(b"not DICOM", other[:200]))
    assert broken.status_code == 400
    assert broken.json()["0008119A"]["Value"]
    without = dcmread(BytesIO(other))
    del without.StudyInstanceUID
    buffer = BytesIO()
    without.save_as(buffer)
    missing = send(server, files(buffer.getvalue()))
    assert missing.status_code == 409
    assert missing.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xA900]


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", DICOM, 400),
        (b"", 'multipart/related; type="application/dicom"; boundary=b', 400),
        (b"--b--\r\n", 'multipart/related; type="application/dicom"; boundary=b', 400),
        (b"--b\r\nContent-Type: application/dicom\r\n\r\ncut", "multipart/related; boundary=b", 400),
        (b"x", 'multipart/related; type="application/dicom"', 400),
        (b"x", "text/plain", 415),
        (b"x", "", 415),
        (b"x", 'multipart/related; type="image/jpeg"; boundary=b', 415),
        (b"--b\r\nContent-Type: text/html\r\n\r\nx\r\n--b--", "multipart/related; boundary=b", 415),
        (b"{", "application/dicom+json", 400),
        (b"[1]", "application/dicom+json", 400),
        (b"<x/>", "application/dicom+xml", 400),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "application/dicom+xml", 400),
        (b'[{"00080018":{"vr":"UI","Value":5}}]', "application/dicom+json", 400),
    ],
)
def test_bad_bodies_are_refused_with_a_body(
    server: Server, content: bytes, media_type: str, status: int
) -> None:
    answer = server.client.post(f"{ROOT}/studies", content=content, headers={"content-type": media_type})
    assert answer.status_code == status, answer.text
    assert answer.json()


def test_what_was_stored_before_a_bad_part_stays(server: Server) -> None:
    data = dicom_file(study="6.1", series="6.2", instance="6.3")
    content, media_type = body(files(data))
    whole = content.removesuffix(b"--bound--\r\n")
    cut = whole + b"--bound\r\nContent-Type: application/dicom\r\n\r\nhalf"
    answer = server.client.post(f"{ROOT}/studies", content=cut, headers={"content-type": media_type})
    assert answer.status_code == 400
    assert is_stored(server, "6.3")


# -- metadata and bulk data ----------------------------------------------------------------------


def model_of(data: bytes, uid: str, location: str) -> tuple[dict[str, Any], Dataset]:
    dataset = dcmread(BytesIO(data))
    dataset.SOPInstanceUID = uid
    model = json.loads(dataset.to_json(bulk_data_threshold=1, bulk_data_element_handler=lambda e: location))
    model = {tag: value for tag, value in model.items() if tag in ("7FE00010",) or "BulkDataURI" not in value}
    return model, dataset


def test_metadata_in_json_with_bulk_data(server: Server) -> None:
    model, dataset = model_of(sample("CT_small.dcm"), "7.1", "http://somewhere/pixels")
    answer = send(
        server,
        [
            ("Content-Type: application/dicom+json", json.dumps([model]).encode()),
            (
                "Content-Type: application/octet-stream\r\nContent-Location: http://somewhere/pixels",
                dataset.PixelData,
            ),
        ],
        kind="application/dicom+json",
    )
    assert answer.status_code == 200, answer.text
    (part,) = parts(get(server, f"{ROOT}/studies/{dataset.StudyInstanceUID}", "*/*"))
    found = dcmread(BytesIO(part.content))
    assert (found.pixel_array == dataset.pixel_array).all()
    assert found.PatientName == dataset.PatientName
    assert found.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"


def test_compressed_frames_each_in_a_part(server: Server) -> None:
    model, dataset = model_of(sample("SC_rgb_rle_2frame.dcm"), "7.2", "frames")
    frames = list(generate_frames(dataset.PixelData, number_of_frames=2))
    answer = send(
        server,
        [
            ("Content-Type: application/dicom+json", json.dumps(model).encode()),
            *(("Content-Type: image/dicom-rle\r\nContent-Location: frames", frame) for frame in frames),
        ],
        kind="application/dicom+json",
    )
    assert answer.status_code == 200, answer.text
    (item,) = answer.json()["00081199"]["Value"]
    stored = get(
        server, item["00081190"]["Value"][0].removeprefix(server.url), "application/dicom; transfer-syntax=*"
    )
    found = dcmread(BytesIO(stored.content))
    assert found.file_meta.TransferSyntaxUID == RLELossless
    assert np.array_equal(found.pixel_array, dataset.pixel_array)


def test_metadata_in_xml(server: Server) -> None:
    stored = dicom_file(
        study="7.11", series="7.12", instance="7.13", PatientName="Ärger^Ida", PatientWeight="5.5"
    )
    assert send(server, files(stored)).status_code == 200
    path = f"{ROOT}/studies/7.11/series/7.12/instances/7.13"
    document = get(server, f"{path}/metadata", "application/dicom+xml").content
    again = document.replace(b"7.13", b"7.14")
    answer = send(server, [("Content-Type: application/dicom+xml", again)], kind="application/dicom+xml")
    assert answer.status_code == 200, answer.text
    first, second = (
        json_of(get(server, f"{ROOT}/studies/7.11/series/7.12/instances/{uid}/metadata"))[0]
        for uid in ("7.13", "7.14")
    )
    assert {**second, "00080018": first["00080018"]} == {**first, "00080005": second["00080005"]}


def test_inline_binary_needs_no_part(server: Server) -> None:
    model, dataset = model_of(sample("CT_small.dcm"), "7.3", "x")
    model["7FE00010"] = {"vr": "OW", "InlineBinary": base64.b64encode(dataset.PixelData).decode()}
    answer = server.client.post(
        f"{ROOT}/studies", json=[model], headers={"content-type": "application/dicom+json"}
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("tag", ["0k080018", "8", "", "Modality", "\u0663\u0663080018"])
def test_what_is_no_tag(server: Server, tag: str) -> None:
    model = [{"00080018": {"vr": "UI", "Value": ["7.5"]}, tag: {"vr": "LO", "Value": ["x"]}}]
    answer = server.client.post(
        f"{ROOT}/studies", content=json.dumps(model), headers={"content-type": "application/dicom+json"}
    )
    assert answer.status_code in (400, 409), answer.text
    assert answer.content


def test_missing_bulk_data(server: Server) -> None:
    model, _ = model_of(sample("CT_small.dcm"), "7.4", "nowhere")
    answer = send(
        server,
        [("Content-Type: application/dicom+json", json.dumps([model]).encode())],
        kind="application/dicom+json",
    )
    assert answer.status_code == 400
    assert answer.json()["00081198"]["Value"][0]["00081155"]["Value"] == ["7.4"]
    assert not is_stored(server, "7.4")


def test_a_full_server(tmp_path_factory: pytest.TempPathFactory) -> None:
    config = {"MaximumPatientCount": 1, "MaximumStorageMode": "Reject"}
    with running(orthanclite(tmp_path_factory.mktemp("full"), config)) as full:
        first, second = (dicom_file(f"p{n}", f"8.{n}", f"8.{n}.1", f"8.{n}.1.1") for n in range(2))
        assert send(full, files(first)).status_code == 200
        both = send(full, files(first, second))
        assert both.status_code == 202
        assert both.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xA700]
        assert send(full, files(second)).status_code == 503


def test_a_server_that_may_not_write(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("read-only")
    with running(orthanclite(folder)) as server:
        assert send(server, files(dicom_file())).status_code == 200
    with running(orthanclite(folder, {"ReadOnly": True})) as server:
        assert send(server, files(dicom_file())).status_code == 405
        assert json_of(get(server, f"{ROOT}/studies/1.2/series/1.2.3/metadata"))
        (series,) = server.get("/series")
        assert server.get(f"/series/{series}/attachments") == []
