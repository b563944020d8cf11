"""``/tools/create-dicom`` as the reference answers it, and the instances that come of it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.records import dicom_file
from tests.support.server import REFERENCE, Server, reference, running

pytestmark = pytest.mark.skipif(REFERENCE is None, reason="the reference server (Orthanc) is not installed")

GRAY = (np.arange(35).reshape(5, 7) * 7).astype("u1")


def _uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _picture(samples: np.ndarray[Any, Any], format: str) -> str:
    output = BytesIO()
    Image.fromarray(samples).save(output, format)
    return _uri(output.getvalue(), f"image/{format.lower()}")


PARENT = dicom_file(
    patient="parent", PatientName="Parent", StudyDescription="d", SeriesDescription="s", AccessionNumber=""
)
BINARY = _uri(b"ABCD", "application/octet-stream")

BODIES: list[Any] = [
    {"PatientName": "A^B", "0010,0020": "x"},
    {"PatientName": "A^B", "PixelData": _picture(GRAY, "PNG")},
    {"PatientName": 5},
    {},
    [],
    {"Tags": []},
    {"Tags": {"PatientName": "Jöd", "Modality": "CT", "Rows": "17", "SelectorFDValue": "1.5"}},
    {"Tags": {"0009,1010": "private", "OverlayData": BINARY}},
    {"Tags": {"SpecificCharacterSet": "ISO_IR 192", "ReferencedStudySequence": [{"PatientName": "é"}, {}]}},
    {"Tags": {"StudyDescription": BINARY, "EncapsulatedDocument": BINARY}, "InterpretBinaryTags": False},
    *({"Tags": {"PatientName": value}} for value in (None, 5, 5.5, True, ["a"], {})),
    {"Tags": {"ReferencedStudySequence": "x"}},
    {"Tags": {"ReferencedStudySequence": ["x"]}},
    {"Tags": {"Rows": "abc"}},
    {"Tags": {"Rows": "70000"}},
    {"Tags": {"OverlayData": "data:x;base64,@@"}},
    {"Tags": {"Nope": "1"}},
    {"Tags": {"0011,1012": "odd"}},
    {"Tags": {"StudyInstanceUID": "1.2"}},
    {"Tags": {"StudyInstanceUID": "1.2", "PatientID": "p"}, "Force": True},
    {"Tags": {"PixelData": "x"}},
    {"Tags": {"SpecificCharacterSet": "FOO"}},
    {"Tags": {"SpecificCharacterSet": "ISO_IR 100\\ISO 2022 IR 87"}},
    {"Tags": {"0002,0010": "1.2", "0010,0000": "5"}},
    {"Tags": {}, "Content": _picture(GRAY, "PNG")},
    {"Tags": {}, "Content": _picture(np.dstack([GRAY, GRAY + 1, GRAY + 2]), "PNG")},
    {"Tags": {}, "Content": _picture((GRAY * 250).astype("u2"), "PNG")},
    {"Tags": {}, "Content": _picture(np.dstack([GRAY] * 4), "PNG")},
    {"Tags": {}, "Content": _picture(GRAY > 100, "PNG")},
    {"Tags": {}, "Content": _picture(GRAY, "JPEG")},
    {"Tags": {}, "Content": _uri(b"%PDF-1.3 x", "application/pdf")},
    {"Tags": {}, "Content": _uri(b"x", "application/pdf")},
    {"Tags": {}, "Content": _uri(b"GIF89a", "image/gif")},
    {"Tags": {}, "Content": _uri(b"x", "image/png")},
    {"Tags": {}, "Content": BINARY},
    {"Tags": {}, "Content": "hello"},
    {"Tags": {}, "Content": 5},
    {"Tags": {}, "Content": []},
    {"Tags": {"Modality": "OT"}, "Parent": "ParentPatient"},
    {"Tags": {"Modality": "OT"}, "Parent": "ParentStudy"},
    {"Tags": {"ImageComments": "x"}, "Parent": "ParentSeries"},
    {"Tags": {}, "Parent": "ID"},
    {"Tags": {}, "Parent": "nope"},
    {"Tags": {}, "Parent": 5},
    {"Tags": {"PatientName": "x"}, "Parent": "ParentPatient"},
    {"Tags": {"PatientName": "x", "StudyDate": "20200101"}, "Parent": "ParentStudy", "Force": True},
    {"Tags": {}, "Force": "x"},
]

_GENERATED = re.compile(r"^(2\.25\.|1\.2\.276\.0\.7230010\.3\.1\.[234]\.)|^\d{6}\.0{6}$|^[0-9a-f-]{36}$")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(reference(tmp_path_factory.mktemp("reference"))) as started:
        yield started


def test_the_same_requests_give_the_same_instances(server: Server, theirs: Server) -> None:
    for id in theirs.get("/patients"):  # of the run on the other engine
        theirs.client.delete(f"/patients/{id}").raise_for_status()
    parents = [one.upload(PARENT) for one in (server, theirs)]
    differences = []
    for body in BODIES:
        ours, expected = (
            _outcome(one, _with_parent(body, parent))
            for one, parent in zip((server, theirs), parents, strict=True)
        )
        if ours != expected:
            differences.append(f"{body}\n  ours:      {ours}\n  reference: {expected}")
    assert not differences, "\n".join(differences)


def _with_parent(body: Any, parent: dict[str, str]) -> Any:
    if isinstance(body, dict) and body.get("Parent") in parent:
        return {**body, "Parent": parent[body["Parent"]]}
    return body


def _outcome(server: Server, body: Any) -> Any:
    """The error, or the tags of the instance without what is generated, and its pixels.

    An unknown tag (27) has another status: it is the client's mistake here.
    """
    answer = server.client.post("/tools/create-dicom", json=body)
    parsed = answer.json()
    if answer.status_code != 200:
        code = parsed["OrthancStatus"]
        return code if code == 27 else (answer.status_code, code)
    tags = server.get(parsed["Path"] + "/tags")
    shown = {key: tag["Value"] for key, tag in tags.items()}
    shown = {key: "generated" if _GENERATED.match(str(value)) else value for key, value in shown.items()}
    shown.pop("0042,0015", None)  # EncapsulatedDocumentLength, which 1.10.1 does not write
    pixels = server.client.get(parsed["Path"] + "/content/7fe0-0010")
    return sorted(parsed), parsed["Status"], shown, pixels.content if pixels.status_code == 200 else None
