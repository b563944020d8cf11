"""WADO-RS: metadata."""

from __future__ import annotations

import time
from io import BytesIO
from xml.etree import ElementTree

import pytest
from pydicom import Dataset, dcmread

from tests.dicomweb.support import get, json_of, parts, store, store_sample
from tests.support.records import dicom_file
from tests.support.server import Server

SERVER_CONFIG = {"OverwriteInstances": True}

JSON = "application/dicom+json"
XML = 'multipart/related; type="application/dicom+xml"'


def test_metadata_of_an_instance(server: Server) -> None:
    stored = store_sample(server, "CT_small.dcm")
    (found,) = json_of(get(server, f"{stored.instance}/metadata", JSON))
    assert found["00100020"] == {"vr": "LO", "Value": ["1CT1"]}
    assert found["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]} or "00080005" not in found
    assert found["00180050"]["Value"] == [5]  # a DS is a number
    assert found["7FE00010"] == {
        "vr": "OW",
        "BulkDataURI": f"{server.url}{stored.instance}/bulk/7fe00010",
    }
    known = Dataset.from_json(found, bulk_data_uri_handler=lambda tag, vr, uri: None)
    original = dcmread(BytesIO(stored.data))
    for element in original:
        if element.tag not in (0x00080005, 0x7FE00010, 0xFFFCFFFC):
            assert element.tag in known, element
            if element.VR not in ("OB", "OW", "UN", "SQ", "DS", "IS"):
                assert known[element.tag].value == element.value, element


@pytest.mark.parametrize("level", ["series", "study"])
def test_metadata_of_many(server: Server, level: str) -> None:
    uids = {f"9.3.{n}" for n in range(5)}
    for uid in uids:
        stored = store(server, dicom_file(study="9.1", series="9.2", instance=uid, side=4))
    path = f"{getattr(stored, level)}/metadata"
    for accept in (None, JSON, "application/json", "*/*", f"{XML};q=0.5, {JSON}", f"{JSON}, {XML}"):
        answer = get(server, path, accept)
        assert {one["00080018"]["Value"][0] for one in answer.json()} == uids
    single = [json_of(get(server, f"{stored.series}/instances/{uid}/metadata"))[0] for uid in sorted(uids)]
    assert sorted(get(server, path).json(), key=lambda one: str(one["00080018"])) == single


def test_metadata_in_xml(server: Server) -> None:
    stored = store_sample(server, "CT_small.dcm")
    answer = get(server, f"{stored.instance}/metadata", f"{JSON};q=0.1, {XML}")
    (part,) = parts(answer)
    assert part.headers["content-type"] == "application/dicom+xml"
    root = ElementTree.fromstring(part.content)
    space = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
    pixels = root.find(f"{space}DicomAttribute[@tag='7FE00010']/{space}BulkData")
    assert pixels is not None
    assert pixels.get("uri") == f"{server.url}{stored.instance}/bulk/7fe00010"
    assert get(server, f"{stored.instance}/metadata", "application/dicom+xml").content == part.content


def test_metadata_follow_what_happens(server: Server) -> None:
    """New, removed and again: what is kept is never out of date."""

    def found() -> set[str]:
        return {one["00080018"]["Value"][0] for one in get(server, f"{stored.series}/metadata").json()}

    stored = store(server, dicom_file(study="9.11", series="9.12", instance="9.13.1"))
    assert found() == {"9.13.1"}
    answer = server.upload(dicom_file(study="9.11", series="9.12", instance="9.13.2"))
    assert found() == {"9.13.1", "9.13.2"}
    attachments = server.get(f"/series/{answer['ParentSeries']}/attachments")
    assert attachments == ["4301"]  # of the same type as those of Orthanc's plugin
    server.client.delete(f"/instances/{answer['ID']}").raise_for_status()
    assert found() == {"9.13.1"}
    changes = server.get("/changes", params={"limit": 10000})["Changes"]
    assert not [one for one in changes if one["ChangeType"] == "UpdatedAttachment"]


def test_the_cache_is_made_anew_on_request(server: Server) -> None:
    stored = store(server, dicom_file(study="9.21", series="9.22", instance="9.23.1"))
    before = get(server, f"{stored.series}/metadata").content
    (study,) = server.client.post(
        "/tools/find", json={"Level": "Study", "Query": {"StudyInstanceUID": "9.21"}}
    ).json()
    answer = server.client.post(f"/studies/{study}/update-dicomweb-cache")
    assert (answer.status_code, answer.json()) == (200, {})
    assert get(server, f"{stored.series}/metadata").content == before


def test_gzip_and_entity_tags(server: Server) -> None:
    stored = store(server, dicom_file(study="9.31", series="9.32", instance="9.33.1"))
    path = f"{stored.series}/metadata"
    plain = get(server, path, accept_encoding="identity")
    zipped = get(server, path, accept_encoding="gzip")
    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.content == plain.content  # the client has inflated it
    tag = plain.headers["etag"]
    again = get(server, path, if_none_match=f'"x", {tag}')
    assert (again.status_code, again.headers["etag"]) == (304, tag)
    server.upload(dicom_file(study="9.31", series="9.32", instance="9.33.2"))
    assert get(server, path, if_none_match=tag).status_code == 200


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"x_forwarded_host": "pacs.example.com", "x_forwarded_proto": "https"}, "https://pacs.example.com"),
        (
            {"x_forwarded_host": "a:8443, b", "x_forwarded_proto": "https", "x_forwarded_prefix": "/pacs/"},
            "https://a:8443/pacs",
        ),
        ({"x_forwarded_host": "a", "x_forwarded_port": "81", "x_forwarded_proto": "http"}, "http://a:81"),
        ({"forwarded": 'for=1.2.3.4;host="h.example:99";proto=https, host=z'}, "https://h.example:99"),
        ({"x_forwarded_host": 'evil"/><script>', "x_forwarded_proto": "javascript"}, None),
        ({"host": "other.localhost:1"}, "http://other.localhost:1"),
    ],
)
def test_addresses_are_those_that_the_client_knows(
    server: Server, headers: dict[str, str], base: str | None
) -> None:
    stored = store_sample(server, "CT_small.dcm")
    for _ in range(2):  # kept, too
        (found,) = json_of(get(server, f"{stored.series}/metadata", JSON, **headers))
        uri = found["7FE00010"]["BulkDataURI"]
        assert uri == f"{base or server.url}{stored.instance}/bulk/7fe00010"


def test_only_some_attributes(server: Server) -> None:
    stored = store_sample(server, "CT_small.dcm")
    path = f"{stored.series}/metadata?includefield=PatientID,00080060&includefield=PixelData"
    (found,) = json_of(get(server, path))
    assert list(found) == ["00080060", "00100020", "7FE00010"]
    assert found["7FE00010"]["BulkDataURI"].startswith(server.url)
    assert get(server, f"{stored.series}/metadata?includefield=nonsense").status_code == 400


def test_every_bulk_data_uri_leads_somewhere(server: Server) -> None:
    names = [
        "CT_small.dcm",
        "MR_small_bigendian.dcm",
        "rtplan.dcm",
        "JPEG2000.dcm",
        "ExplVR_BigEnd.dcm",
        "image_dfl.dcm",
    ]
    for name in names:
        stored = store_sample(server, name)
        (found,) = json_of(get(server, f"{stored.instance}/metadata"))
        for uri in uris(found):
            answer = get(server, uri, "application/octet-stream")
            assert answer.status_code == 200, (name, uri)
            assert answer.content, (name, uri)


def uris(item: dict[str, dict[str, object]]) -> list[str]:
    found = []
    for attribute in item.values():
        if "BulkDataURI" in attribute:
            found.append(str(attribute["BulkDataURI"]))
        if attribute["vr"] == "SQ":
            for one in attribute.get("Value", []):  # type: ignore[attr-defined]
                found += uris(one)
    return found


def test_what_looks_like_an_address_in_a_text_stays_text(server: Server) -> None:
    text = '\\u0001/studies/ "BulkDataURI":"\\u0001'
    stored = store(server, dicom_file(study="9.41", series="9.42", instance="9.43", StudyDescription=text))
    (found,) = json_of(get(server, f"{stored.instance}/metadata"))
    assert found["00081030"]["Value"] == [None, *text.split("\\")[1:]]


def test_the_metadata_of_a_stable_series_are_made_before_they_are_asked_for(server: Server) -> None:
    answer = server.upload(dicom_file(study="9.51", series="9.52", instance="9.53"))
    deadline = time.monotonic() + 60
    while "4301" not in server.get(f"/series/{answer['ParentSeries']}/attachments"):
        assert time.monotonic() < deadline, "The metadata are not made"
        time.sleep(0.2)


def test_blanks_around_a_uid_mean_nothing(server: Server) -> None:
    """As the reference has it: UIDs are padded, and some clients do not take the padding away."""
    stored = store_sample(server, "CT_small.dcm")
    whole = get(server, f"{stored.instance}/metadata").json()
    for path in (stored.instance, stored.series):
        (found,) = get(server, f"{path}%20/metadata").json()
        assert found["00080018"] == whole[0]["00080018"]
