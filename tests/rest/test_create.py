"""``/tools/create-dicom`` of a running server."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from typing import Any

import numpy as np
import png
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset

from tests.support.records import dicom_file
from tests.support.server import Server

GRAY = (np.arange(35).reshape(5, 7) * 7).astype("u1")
COLOUR = np.dstack([GRAY, GRAY + 1, GRAY + 2])
DEEP = (np.arange(35).reshape(5, 7) * 1000).astype("u2")


def uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def picture(samples: np.ndarray[Any, Any], format: str = "PNG") -> bytes:
    output = BytesIO()
    Image.fromarray(samples).save(output, format)
    return output.getvalue()


def deep_colour() -> tuple[bytes, np.ndarray[Any, Any]]:
    samples = np.dstack([DEEP, DEEP + 1, DEEP + 2, DEEP])
    output = BytesIO()
    png.Writer(7, 5, greyscale=False, alpha=True, bitdepth=16).write(output, samples.reshape(5, -1).tolist())
    return output.getvalue(), samples[:, :, :3]


def create(server: Server, **body: Any) -> Dataset:
    answer = server.client.post("/tools/create-dicom", json=body)
    answer.raise_for_status()
    content = server.client.get(answer.json()["Path"] + "/file").content
    return pydicom.dcmread(BytesIO(content))


def refusal(server: Server, body: object) -> tuple[int, int]:
    answer = server.client.post("/tools/create-dicom", json=body)
    return answer.status_code, answer.json()["OrthancStatus"]


def test_tags_become_an_instance_with_dates_and_identifiers(server: Server) -> None:
    dataset = create(server, Tags={"PatientName": "Noël", "Modality": "CT", "Rows": "17"})
    assert (dataset.PatientName, dataset.Modality, dataset.Rows) == ("Noël", "CT", 17)
    assert dataset.SpecificCharacterSet == "ISO_IR 100"
    assert len(dataset.StudyDate) == 8
    assert dataset.StudyDate == dataset.InstanceCreationDate
    assert dataset.StudyInstanceUID != dataset.SeriesInstanceUID != dataset.SOPInstanceUID
    assert "SOPClassUID" not in dataset


def test_the_old_form_has_tags_at_the_root(server: Server) -> None:
    dataset = create(server, PatientName="A", PixelData=uri(picture(GRAY), "image/png"))
    assert (dataset.pixel_array == GRAY).all()
    assert "StudyDate" not in dataset
    assert refusal(server, {"PatientName": 5}) == (400, 2019)


@pytest.mark.parametrize(
    ("content", "media_type", "expected"),
    [
        (picture(GRAY), "image/png", GRAY),
        (picture(COLOUR), "image/png", COLOUR),
        (picture(np.dstack([COLOUR, GRAY])), "image/png", COLOUR),
        (picture(DEEP), "image/png", DEEP),
        (*deep_colour()[:1], "image/png", deep_colour()[1]),
        (
            b"P7\nWIDTH 7\nHEIGHT 5\nDEPTH 1\nMAXVAL 65535\nTUPLTYPE GRAYSCALE\nENDHDR\n"
            + DEEP.astype(">u2").tobytes(),
            "image/x-portable-arbitrarymap",
            DEEP,
        ),
    ],
    ids=["gray", "colour", "alpha", "gray 16", "colour 16", "pam"],
)
def test_pictures_become_pixel_data(
    server: Server, content: bytes, media_type: str, expected: np.ndarray[Any, Any]
) -> None:
    dataset = create(server, Tags={}, Content=uri(content, media_type))
    assert (dataset.pixel_array == expected).all()
    assert dataset.PhotometricInterpretation == ("RGB" if expected.ndim == 3 else "MONOCHROME2")


def test_jpeg_is_decoded_or_kept_as_it_is(server: Server) -> None:
    jpeg = picture(GRAY, "JPEG")
    native = create(server, Tags={}, Content=uri(jpeg, "image/jpeg"))
    kept = create(server, Tags={}, Content=uri(jpeg, "image/jpeg"), Encapsulate=True)
    assert kept.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50"
    assert jpeg in kept.PixelData
    assert (abs(native.pixel_array.astype(int) - kept.pixel_array) <= 1).all()


@pytest.mark.parametrize(
    ("content", "media_type", "sop_class", "modality"),
    [
        (b"%PDF-1.3 x", "application/pdf", "1.2.840.10008.5.1.4.1.1.104.1", "OT"),
        (b"solid x", "model/stl", "1.2.840.10008.5.1.4.1.1.104.3", "M3D"),
        (b"o x", "model/obj", "1.2.840.10008.5.1.4.1.1.104.4", "M3D"),
        (b"newmtl", "model/mtl", "1.2.840.10008.5.1.4.1.1.104.5", "M3D"),
    ],
)
def test_documents_are_encapsulated(
    server: Server, content: bytes, media_type: str, sop_class: str, modality: str
) -> None:
    dataset = create(server, Tags={}, Content=uri(content, media_type))
    assert dataset.file_meta.MediaStorageSOPClassUID == dataset.SOPClassUID == sop_class
    assert (dataset.Modality, dataset.MIMETypeOfEncapsulatedDocument) == (modality, media_type)
    assert dataset.EncapsulatedDocument.rstrip(b"\0") == content
    assert dataset.EncapsulatedDocumentLength == len(content)


@pytest.mark.parametrize(
    "content", [b"%PDF-1.3 odd", b"%PDF-1.3 even", b"%PDF-1.3 x\0", b"%PDF-1.3 xy\0\0\0"]
)
def test_a_document_comes_back_as_it_was(server: Server, content: bytes) -> None:
    body = {"Tags": {}, "Content": uri(content, "application/pdf")}
    created = server.client.post("/tools/create-dicom", json=body).json()
    assert server.client.get(created["Path"] + "/pdf").content == content


@pytest.mark.parametrize(
    ("stored", "length", "document"),
    [
        (b"%PDF-1 ", None, b"%PDF-1 "),
        (b"%PDF-1.\0", None, b"%PDF-1."),
        (b"%PDF-1.\0", 7, b"%PDF-1."),
        (b"%PDF-1.\0", 8, b"%PDF-1.\0"),
        (b"%PDF-1\0\0", 6, b"%PDF-1"),
        (b"%PDF-1.\0", 3, b"%PDF-1."),  # which cannot be
        (b"%PDF-1.\0", 900, b"%PDF-1."),
        (b"", None, b""),
    ],
)
def test_padding_is_no_part_of_a_document(
    server: Server, stored: bytes, length: int | None, document: bytes
) -> None:
    attributes: dict[str, object] = {"EncapsulatedDocument": stored}
    if length is not None:
        attributes["EncapsulatedDocumentLength"] = length
    attributes["SOPClassUID"] = "1.2.840.10008.5.1.4.1.1.104.1"
    data = dicom_file("documents", "1.77", "1.77.1", pydicom.uid.generate_uid(), **attributes)
    assert server.client.get(server.upload(data)["Path"] + "/pdf").content == document


def test_several_contents_make_a_series(server: Server) -> None:
    one = uri(picture(GRAY), "image/png")
    body = {"Tags": {"Modality": "OT"}, "Content": [{"Content": one, "Tags": {"ImageComments": "x"}}, one]}
    answer = server.client.post("/tools/create-dicom", json=body).json()
    assert answer["Path"] == f"/series/{answer['ID']}"
    instances = server.get(answer["Path"] + "/instances")
    tags = sorted((i["MainDicomTags"] for i in instances), key=lambda t: t["InstanceNumber"])
    assert [t["InstanceNumber"] for t in tags] == [t["ImageIndex"] for t in tags] == ["1", "2"]
    assert tags[0]["ImageComments"] == "x"
    series = server.get(answer["Path"])
    assert (series["Status"], series["ExpectedNumberOfInstances"]) == ("Complete", 2)
    shown = server.get(f"/instances/{instances[0]['ID']}/simplified-tags")
    assert (shown["ImagesInAcquisition"], shown["NumberOfTemporalPositions"]) == ("2", "1")
    assert refusal(server, {"Tags": {}, "Content": [5]}) == (400, 2022)


def test_what_is_nested_too_deep_is_refused(server: Server) -> None:
    before = server.get("/statistics")
    for depth in (65, 70, 400):
        tags: dict[str, Any] = {}
        for _ in range(depth):
            tags = {"ReferencedStudySequence": [tags]}
        assert refusal(server, {"Tags": tags}) == (400, 15)
    assert server.get("/statistics") == before


def test_a_parent_hands_down_its_attributes(server: Server) -> None:
    stored = server.upload(dicom_file(PatientName="Père", StudyDescription="d", SeriesDescription="s"))
    parent = pydicom.dcmread(BytesIO(server.client.get(stored["Path"] + "/file").content))
    for level, same, other in (
        ("ParentPatient", "PatientName", "StudyInstanceUID"),
        ("ParentStudy", "StudyInstanceUID", "SeriesInstanceUID"),
        ("ParentSeries", "SeriesInstanceUID", "SOPInstanceUID"),
    ):
        dataset = create(server, Tags={"ImageComments": "x"}, Parent=stored[level])
        assert dataset[same].value == parent[same].value
        assert dataset[other].value != parent[other].value
    tags = {"PatientName": "x"}
    assert refusal(server, {"Tags": tags, "Parent": stored["ParentPatient"]}) == (400, 2020)
    assert create(server, Tags=tags, Parent=stored["ParentPatient"], Force=True).PatientName == "x"
    assert refusal(server, {"Tags": {}, "Parent": stored["ID"]}) == (400, 2025)
    assert refusal(server, {"Tags": {}, "Parent": "nope"}) == (400, 2024)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"Tags": []}, 400, 8),
        ([], 400, 8),
        ({"Tags": {}, "Force": "x"}, 400, 8),
        ({"Tags": {"StudyInstanceUID": "1.2"}}, 400, 2020),
        ({"Tags": {"PixelData": "x"}}, 400, 2021),
        ({"Tags": {"SOPInstanceUID": ""}, "Force": True}, 400, 15),
        ({"StudyInstanceUID": " "}, 400, 15),
        ({"Tags": {"SpecificCharacterSet": "FOO"}}, 400, 3),
        ({"Tags": {}, "Content": "hello"}, 400, 15),
        ({"Tags": {}, "Content": 5}, 400, 2023),
        ({"Tags": {}, "Content": uri(b"GIF89a", "image/gif")}, 500, 2),
        ({"Tags": {}, "Content": uri(b"nope", "image/png")}, 400, 15),
        ({"Tags": {}, "Content": uri(b"PDF", "application/pdf")}, 400, 15),
        ({"Tags": {}, "Content": uri(picture(GRAY), "image/png"), "Encapsulate": True}, 500, 2),
        ({"Tags": {}, "Content": [uri(picture(GRAY, "JPEG"), "image/jpeg")], "Encapsulate": True}, 500, 2),
    ],
)
def test_bad_requests_store_nothing(empty_server: Server, body: object, status: int, code: int) -> None:
    assert refusal(empty_server, body) == (status, code)
    assert empty_server.get("/instances") == []


def test_a_bomb_is_refused(server: Server) -> None:
    bomb = b"P7\nWIDTH 65000\nHEIGHT 65000\nDEPTH 3\nMAXVAL 65535\nENDHDR\n"
    assert refusal(server, {"Tags": {}, "Content": uri(bomb, "image/x-portable-arbitrarymap")}) == (400, 15)
    output = BytesIO()
    Image.new("L", (30000, 30000)).save(output, "PNG")
    assert refusal(server, {"Tags": {}, "Content": uri(output.getvalue(), "image/png")}) == (400, 15)


NAMES = st.sampled_from(
    [
        *("PatientName", "0010,0020", "Rows", "OverlayData", "ReferencedStudySequence", "0009,1010"),
        *("7fe0,0010", "StudyInstanceUID", "SpecificCharacterSet", "0002,0010", "fffe,e000", "Nope"),
        "SelectorFDValue",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
TAGS = st.dictionaries(NAMES | st.text(max_size=9), VALUES, max_size=4)
OTHER = st.sampled_from(
    ["Content", "Parent", "Force", "PrivateCreator", "InterpretBinaryTags", "Encapsulate"]
)
BODIES = st.builds(
    lambda tags, other: {**other, **({} if tags is None else {"Tags": tags})},
    st.none() | VALUES | TAGS,
    st.dictionaries(OTHER | NAMES, VALUES, max_size=3),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(BODIES)
def test_any_body_is_stored_or_refused(server: Server, body: dict[str, Any]) -> None:
    """Stored or refused; unsupported content and unknown tags are answered by 500, as in the reference."""
    answer = server.client.post("/tools/create-dicom", content=json.dumps(body, allow_nan=False))
    if answer.status_code == 200:
        content = server.client.get(answer.json()["Path"] + "/file").content
        assert pydicom.dcmread(BytesIO(content)).SOPInstanceUID
    else:
        assert answer.status_code == 400 or answer.json()["OrthancStatus"] in (2, 27), answer.text
