"""Anonymisation beyond Orthanc's API on a real server: PS3.15's options, pseudonyms, masks, drops."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from tests.dicom.dicom_builder import EXPLICIT_LE, element, file_of, minimal
from tests.dicom.pixels.test_masking import image
from tests.rest.test_edit_jobs import ended
from tests.support.server import Server, orthanclite, running

SECRET = "a secret of the project"
KEYS = {"DeidentificationKeys": {"trial": SECRET, "other": "another secret, of others"}}
BASIC = {"Profile": "Basic"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Server]:
    with running(orthanclite(folder, {**KEYS, "JobsHistorySize": 100})) as started:
        yield started


def dicom(uid: str, patient: str = "4711", **more: tuple[str, bytes]) -> dict[int, bytes]:
    """The elements of a small file; its UIDs begin with ``uid``."""
    texts = {
        0x00080018: ("UI", f"{uid}.1.1"),
        0x00080020: ("DA", "20040119"),
        0x0008103E: ("LO", "CT THORAX of Smith"),
        0x00100010: ("PN", "Smith^John"),
        0x00100020: ("LO", patient),
        0x00101010: ("AS", "044Y"),
        0x0020000D: ("UI", uid),
        0x0020000E: ("UI", f"{uid}.1"),
    }
    found = {}
    for tag, (vr, text) in texts.items():
        found[tag] = element(tag, vr, text.encode() + (b"\0" if vr == "UI" else b" ") * (len(text) % 2))
    for name, (vr, value) in more.items():
        found[int(name[1:], 16)] = element(int(name[1:], 16), vr, value)
    return found


def small(uid: str, patient: str = "4711", **more: tuple[str, bytes]) -> bytes:
    return file_of(minimal(extra=dicom(uid, patient, **more)))


def picture(uid: str, **more: tuple[str, bytes]) -> bytes:
    """An image of 7x5 pixels with the value 9."""
    return image(EXPLICIT_LE, b"\t" * 35, 5, 7, extra=dicom(uid, **more))


def store(site: Server, content: bytes) -> dict[str, Any]:
    answer = site.client.post("/instances", content=content)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def post(site: Server, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = site.client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def edited(site: Server, id: str, body: dict[str, Any], verb: str = "anonymize") -> pydicom.Dataset:
    answer = site.client.post(f"/instances/{id}/{verb}", json=body)
    assert answer.status_code == 200, answer.text
    return pydicom.dcmread(io.BytesIO(answer.content))


def refused(site: Server, path: str, body: dict[str, Any]) -> str:
    answer = site.client.post(path, json=body)
    assert answer.status_code == 400, answer.text
    return str(answer.json().get("Details", ""))


def instances(site: Server, study: str) -> list[pydicom.Dataset]:
    ids = [one["ID"] for one in site.get(f"/studies/{study}/instances")]
    contents = [site.client.get(f"/instances/{id}/file").content for id in ids]
    found = [pydicom.dcmread(io.BytesIO(content)) for content in contents]
    return sorted(found, key=lambda one: str(one.SOPInstanceUID))


def codes(dataset: pydicom.Dataset) -> list[str]:
    return [one.CodeValue for one in dataset.get("DeidentificationMethodCodeSequence", [])]


# -- profiles --------------------------------------------------------------------------------------------


def test_the_basic_profile(site: Server) -> None:
    id = store(site, small("1.2.1"))["ID"]
    found = edited(site, id, BASIC)
    assert codes(found) == ["113100"]
    assert found.DeidentificationMethodCodeSequence[0].CodingSchemeDesignator == "DCM"
    assert found.DeidentificationMethod.endswith("PS 3.15-2024b Table E.1-1 Basic Profile")
    assert found.PatientIdentityRemoved == "YES"
    assert found.LongitudinalTemporalInformationModified == "REMOVED"
    assert "SeriesDescription" not in found
    assert "PatientAge" not in found
    assert found.StudyDate == ""
    assert found.StudyInstanceUID.startswith("2.25.")


def test_options(site: Server) -> None:
    id = store(site, small("1.2.1"))["ID"]
    options = ["Basic", "RetainUIDs", "RetainPatientCharacteristics", "RetainLongitudinalFullDates"]
    found = edited(site, id, {"Profile": [*options, "CleanDescriptors"], "CleanWords": ["ct thorax"]})
    assert codes(found) == ["113100", "113105", "113106", "113108", "113110"]
    assert found.LongitudinalTemporalInformationModified == "UNMODIFIED"
    assert found.SOPInstanceUID == "1.2.1.1.1"
    assert found.file_meta.MediaStorageSOPInstanceUID == "1.2.1.1.1"
    assert found.StudyInstanceUID == "1.2.1"
    assert found.PatientAge == "044Y"
    assert found.StudyDate == "20040119"
    assert found.SeriesDescription == "CT THORAX"
    assert found.PatientID != "4711"


def test_words_are_for_what_devices_and_patients_are_called_too(site: Server) -> None:
    id = store(site, small("1.2.10", x00080055=("AE", b"CT1 ")))["ID"]
    found = edited(site, id, {"Profile": ["Basic", "RetainDeviceIdentity"], "CleanWords": ["CT1"]})
    assert found.StationAETitle == "CT1"


def test_what_keeps_more_than_the_profile_claims_nothing(site: Server) -> None:
    id = store(site, small("1.2.1"))["ID"]
    found = edited(site, id, {**BASIC, "Keep": ["SeriesDescription"]})
    assert codes(found) == []
    assert "Basic" not in found.DeidentificationMethod
    assert found.SeriesDescription == "CT THORAX of Smith"


def test_dates_of_a_study_are_moved_together(site: Server) -> None:
    first = store(site, small("1.2.2", x00080022=("DA", b"20040121")))
    result = post(
        site,
        f"/studies/{first['ParentStudy']}/anonymize",
        {"Profile": ["Basic", "RetainLongitudinalModifiedDates"]},
    )
    (found,) = instances(site, result["ID"])
    study, acquired = pydicom.valuerep.DA(found.StudyDate), pydicom.valuerep.DA(found.AcquisitionDate)
    assert study is not None
    assert acquired is not None
    assert study.year < 2004
    assert (acquired - study).days == 2
    assert found.LongitudinalTemporalInformationModified == "MODIFIED"


@pytest.mark.parametrize(
    "body",
    [
        {"Profile": "Nope"},
        {"Profile": 5},
        {"Profile": ["Basic", 5]},
        {"Profile": ["RetainUIDs"]},
        {"Profile": []},
        {"Profile": ["Basic", "RetainLongitudinalFullDates", "RetainLongitudinalModifiedDates"]},
        {"Profile": ["Basic", "CleanPixelData"]},
        {**BASIC, "DicomVersion": "2023b"},
        {"DicomVersion": "2024b"},
        {**BASIC, "KeepPrivateTags": True},
        {**BASIC, "CleanWords": ["a"]},
        {"CleanWords": ["a"]},
        {"Profile": ["Basic", "CleanDescriptors"], "CleanWords": "a"},
        {"DeidentificationKey": "nope"},
        {"DeidentificationKey": 5},
    ],
)
@pytest.mark.parametrize("level", ["instances", "studies"])
def test_wrong_requests_are_refused(site: Server, body: dict[str, Any], level: str) -> None:
    stored = store(site, small("1.2.1"))
    id = stored["ID"] if level == "instances" else stored["ParentStudy"]
    refused(site, f"/{level}/{id}/anonymize", body)


@pytest.mark.parametrize("body", [BASIC, {"CleanWords": []}, {"DeidentificationKey": "trial"}])
def test_modification_knows_no_profiles(site: Server, body: dict[str, Any]) -> None:
    id = store(site, small("1.2.1"))["ID"]
    assert "anonymization only" in refused(site, f"/instances/{id}/modify", body)


# -- keys of projects ------------------------------------------------------------------------------------


def test_a_key_gives_always_the_same(site: Server, tmp_path: Path) -> None:
    body = {"Profile": ["Basic", "RetainLongitudinalModifiedDates"], "DeidentificationKey": "trial"}
    stored = store(site, small("1.2.3"))
    result = post(site, f"/studies/{stored['ParentStudy']}/anonymize", body)
    (first,) = instances(site, result["ID"])
    alone = edited(site, stored["ID"], body)
    with running(orthanclite(tmp_path, KEYS)) as other:
        elsewhere = edited(other, store(other, small("1.2.3"))["ID"], body)
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        assert first[keyword].value == alone[keyword].value == elsewhere[keyword].value
    assert first.StudyDate == alone.StudyDate == elsewhere.StudyDate
    assert first.PatientID == first.PatientName
    with_other = edited(site, stored["ID"], {**body, "DeidentificationKey": "other"})
    assert with_other.PatientID != first.PatientID
    assert with_other.SOPInstanceUID != first.SOPInstanceUID


def test_a_second_study_of_the_patient_joins_the_first(site: Server) -> None:
    results = []
    for uid in ("1.2.4", "1.2.5"):
        study = store(site, small(uid, "4712"))["ParentStudy"]
        results.append(post(site, f"/studies/{study}/anonymize", {"DeidentificationKey": "trial"}))
    assert results[0]["PatientID"] == results[1]["PatientID"]
    assert results[0]["ID"] != results[1]["ID"]


def test_an_anonymisation_that_is_done_again_replaces_the_result(site: Server) -> None:
    """Same UIDs, but other content: what is stored must be what was asked for last."""
    study = store(site, small("1.2.6"))["ParentStudy"]
    body: dict[str, Any] = {
        "DeidentificationKey": "trial",
        "Profile": ["Basic", "RetainPatientCharacteristics"],
    }
    first = post(site, f"/studies/{study}/anonymize", body)
    assert instances(site, first["ID"])[0].PatientAge == "044Y"
    second = post(site, f"/studies/{study}/anonymize", {**body, **BASIC})
    assert second["ID"] == first["ID"]
    assert "PatientAge" not in instances(site, first["ID"])[0]


def test_patients_of_one_request_get_names_of_their_own(site: Server) -> None:
    ids = [store(site, small(uid, patient))["ID"] for uid, patient in (("1.2.7", "A"), ("1.2.8", "B"))]
    result = post(site, "/tools/bulk-anonymize", {"Resources": ids, "DeidentificationKey": "trial"})
    patients = [one["ID"] for one in result["Resources"] if one["Type"] == "Patient"]
    names = {site.get(f"/patients/{id}")["MainDicomTags"]["PatientName"] for id in patients}
    assert len(names) == len(patients) == 2


def test_the_key_is_told_nowhere(site: Server, folder: Path) -> None:
    study = store(site, small("1.2.9"))["ParentStudy"]
    body = {"DeidentificationKey": "trial", "Asynchronous": True}
    job = post(site, f"/studies/{study}/anonymize", body)["ID"]
    texts = [site.client.get(path).text for path in ("/system", "/jobs?expand", f"/jobs/{job}", "/changes")]
    texts.append(refused(site, f"/studies/{study}/anonymize", {"DeidentificationKey": SECRET}))
    assert not any(SECRET in text for text in texts[:-1])
    assert "another secret" not in texts[-1]
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix != ".json":
            assert SECRET.encode() not in file.read_bytes(), file


# -- masks -----------------------------------------------------------------------------------------------

MASK = {"Rectangles": [[2, 1, 3, 2]]}


def expected(value: int = 0) -> Any:
    pixels = np.full((5, 7), 9)
    pixels[1:3, 2:5] = value
    return pixels


@pytest.mark.parametrize("verb", ["modify", "anonymize"])
def test_a_masked_instance(site: Server, verb: str) -> None:
    id = store(site, picture("1.2.20"))["ID"]
    found = edited(site, id, {"MaskPixels": [{**MASK, "Value": 3}]}, verb)
    assert np.array_equal(found.pixel_array, expected(3))
    assert "BurnedInAnnotation" not in found


def test_a_mask_and_another_transfer_syntax(site: Server) -> None:
    id = store(site, picture("1.2.20"))["ID"]
    found = edited(site, id, {"MaskPixels": [MASK], "Transcode": "1.2.840.10008.1.2.5"})
    assert found.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.5"
    assert np.array_equal(found.pixel_array, expected())


def test_clean_pixels_are_a_promise(site: Server) -> None:
    id = store(site, picture("1.2.20", x00280301=("CS", b"YES ")))["ID"]
    found = edited(site, id, {"MaskPixels": [MASK], "Profile": ["Basic", "CleanPixelData"]})
    assert found.BurnedInAnnotation == "NO"
    assert codes(found) == ["113100", "113101"]


@pytest.mark.parametrize("transcode", [None, "1.2.840.10008.1.2.4.80"])
def test_a_study_is_masked_where_it_is_wanted(site: Server, transcode: str | None) -> None:
    first = store(site, picture("1.2.21"))
    other = picture("1.2.21", x00080018=("UI", b"1.2.21.2.1"), x0020000E=("UI", b"1.2.21.2"))
    store(site, other)
    store(site, small("1.2.21", x00080018=("UI", b"1.2.21.3.1"), x0020000E=("UI", b"1.2.21.3")))
    body: dict[str, Any] = {"MaskPixels": [{**MASK, "Resources": [first["ParentSeries"]]}]}
    if transcode is not None:
        body["Transcode"] = transcode
    result = post(site, f"/studies/{first['ParentStudy']}/modify", body)
    assert result["FailedInstancesCount"] == 0
    images = [one.pixel_array for one in instances(site, result["ID"]) if "PixelData" in one]
    assert sorted(int(one.min()) for one in images) == [0, 9]
    assert any(np.array_equal(one, expected()) for one in images)


def test_a_mask_that_does_not_fit_fails_the_job(site: Server) -> None:
    study = store(site, picture("1.2.22"))["ParentStudy"]
    before = site.get("/statistics")["CountInstances"]
    assert "not within the image of 7x5" in refused(
        site, f"/studies/{study}/anonymize", {"MaskPixels": [{"Rectangles": [[5, 0, 3, 1]]}]}
    )
    assert site.get("/statistics")["CountInstances"] == before


@pytest.mark.parametrize(
    "masks",
    [
        {},
        [],
        [5],
        [{}],
        [{"Rectangles": []}],
        [{"Rectangles": [[0, 0, 1]]}],
        [{"Rectangles": [[0, 0, 1, 1.5]]}],
        [{"Rectangles": [[0, 0, 1, True]]}],
        [{"Rectangles": [[0, 0, 0, 1]]}],
        [{"Rectangles": [[-1, 0, 1, 1]]}],
        [{"Rectangles": [[0, 0, 8, 1]]}],
        [{**MASK, "Frames": []}],
        [{**MASK, "Frames": [1]}],
        [{**MASK, "Frames": "0"}],
        [{**MASK, "Value": "x"}],
        [{**MASK, "Value": 256}],
        [{**MASK, "Value": [1, 2]}],
        [{**MASK, "Resources": []}],
        [{**MASK, "Resources": ["nope"]}],
        [{**MASK, "Nope": 1}],
        [{"Rectangles": [[0, 0, 1, 1]] * 1001}],
    ],
)
@pytest.mark.parametrize("level", ["instances", "studies"])
def test_wrong_masks_are_refused(site: Server, masks: Any, level: str) -> None:
    stored = store(site, picture("1.2.23"))
    id = stored["ID"] if level == "instances" else stored["ParentStudy"]
    refused(site, f"/{level}/{id}/modify", {"MaskPixels": masks})


def test_a_mask_for_others_is_refused(site: Server) -> None:
    """It would mask nothing, and nobody notice."""
    stranger = store(site, picture("1.2.24"))
    stored = store(site, picture("1.2.23"))
    body = {"MaskPixels": [{**MASK, "Resources": [stranger["ParentSeries"]]}]}
    for path in (f"/instances/{stored['ID']}/modify", f"/studies/{stored['ParentStudy']}/modify"):
        assert "MaskPixels" in refused(site, path, body)


# -- what is left out ------------------------------------------------------------------------------------


def test_overlays_go_on_request(site: Server) -> None:
    id = store(site, picture("1.2.25", x60003000=("OW", b"12")))["ID"]
    assert 0x60003000 in edited(site, id, {}, "modify")
    assert 0x60003000 not in edited(site, id, {"RemoveOverlays": True}, "modify")


def test_dropped_instances_are_told(site: Server) -> None:
    ct = ("UI", b"1.2.840.10008.5.1.4.1.1.2\0")
    first = store(site, small("1.2.26", x00080016=ct))
    captured = store(site, small("1.2.26", x00080018=("UI", b"1.2.26.1.2")))
    burned = store(
        site, small("1.2.26", x00080018=("UI", b"1.2.26.1.3"), x00080016=ct, x00280301=("CS", b"YES "))
    )
    body = {"DropSecondaryCaptures": True, "DropBurnedInAnnotation": True}
    result = post(site, f"/studies/{first['ParentStudy']}/anonymize", body)
    assert result["DroppedInstancesCount"] == 2
    assert result["FailedInstancesCount"] == 0
    told = {one["ID"]: one["Reason"] for one in result["DroppedInstances"]}
    assert told == {captured["ID"]: "It is a secondary capture", burned["ID"]: "It has burned in annotation"}
    assert len(instances(site, result["ID"])) == 1
    assert "secondary capture" in refused(site, f"/instances/{captured['ID']}/anonymize", body)
    assert "KeepSource" in refused(
        site, f"/studies/{first['ParentStudy']}/anonymize", {**body, "KeepSource": False}
    )


# -- previews and maps -----------------------------------------------------------------------------------


def paths(told: dict[str, Any]) -> dict[str, str]:
    return {one["Path"]: one["Action"] for one in told["Changes"]}


def test_a_preview_of_an_instance(site: Server) -> None:
    before = site.get("/statistics")
    report = element(0x00400275, "SQ", b"\xfe\xff\x00\xe0\x0e\0\0\0" + element(0x00100010, "PN", b"Smith "))
    content = file_of(minimal(extra={**dicom("1.2.30"), 0x00400275: report}))
    id = store(site, content)["ID"]
    told = post(site, f"/instances/{id}/anonymize", {"DryRun": True, "Keep": ["RequestAttributesSequence"]})
    assert told["ID"] == id
    found = {one["Path"]: one for one in told["Changes"]}
    assert found["0008,103e"] == {
        "Path": "0008,103e",
        "Name": "SeriesDescription",
        "Action": "Removed",
        "Before": "CT THORAX of Smith",
    }
    assert found["0012,0062"] == {
        "Path": "0012,0062",
        "Name": "PatientIdentityRemoved",
        "Action": "Added",
        "After": "YES",
    }
    assert found["0010,0010"]["After"] == "Anonymized"
    assert found["0008,0020"]["Action"] == "Emptied"
    assert not any(path.startswith("0040,0275") for path in found)
    replaced = {"RequestAttributesSequence[0].PatientName": "x"}
    told = post(site, f"/instances/{id}/modify", {"DryRun": True, "Replace": replaced})
    assert set(paths(told)) == {"0008,0018", "0040,0275[0].0010,0010"}
    assert site.get("/statistics")["CountInstances"] == before["CountInstances"] + 1


def test_a_preview_of_a_study_tells_of_each_instance(site: Server) -> None:
    first = store(site, picture("1.2.31", x00080016=("UI", b"1.2.840.10008.5.1.4.1.1.2\0")))
    captured = store(site, picture("1.2.31", x00080018=("UI", b"1.2.31.1.2")))
    body: dict[str, Any] = {"DryRun": True, "DropSecondaryCaptures": True, "MaskPixels": [MASK]}
    before = site.get("/statistics")["CountInstances"], site.get("/jobs")
    answer = site.client.post(f"/studies/{first['ParentStudy']}/anonymize", json=body)
    told = {one["ID"]: one for one in answer.json()}
    assert told[captured["ID"]] == {"ID": captured["ID"], "Dropped": "It is a secondary capture"}
    assert told[first["ID"]]["Masks"] == [{"Rectangles": [[2, 1, 3, 2]], "Frames": "All"}]
    assert "0010,0020" in paths(told[first["ID"]])
    body["MaskPixels"] = [{"Rectangles": [[6, 0, 2, 1]]}]
    answer = site.client.post(f"/studies/{first['ParentStudy']}/anonymize", json=body)
    assert "not within the image" in next(one for one in answer.json() if one["ID"] == first["ID"])["Error"]
    assert (site.get("/statistics")["CountInstances"], site.get("/jobs")) == before


def test_a_preview_takes_no_number(site: Server) -> None:
    id = store(site, small("1.2.32"))["ID"]
    numbers = []
    for body in ({}, {"DryRun": True}, {}):
        if body:
            post(site, f"/instances/{id}/anonymize", body)
        else:
            numbers.append(int(str(edited(site, id, body).PatientName).removeprefix("Anonymized")))
    assert numbers[1] == numbers[0] + 1


def test_a_preview_refuses_what_the_edit_refuses(site: Server) -> None:
    stored = store(site, small("1.2.32"))
    for path in (f"/instances/{stored['ID']}/modify", f"/studies/{stored['ParentStudy']}/modify"):
        refused(site, path, {"DryRun": True, "Replace": {"PatientID": "x"}})
        refused(site, path, {"DryRun": "yes"})


@pytest.mark.parametrize("format", ["CSV", "JSON"])
@pytest.mark.parametrize("keep_source", [True, False])
def test_a_job_tells_which_identifier_became_which(site: Server, format: str, keep_source: bool) -> None:
    stored = store(site, small("1.2.33", "=4711,x"))
    store(site, small("1.2.33", "=4711,x", x00080018=("UI", b"1.2.33.1.22\0")))
    body = {"UidMap": format, "Synchronous": False, "KeepSource": keep_source}
    job = post(site, f"/studies/{stored['ParentStudy']}/anonymize", body)["ID"]
    assert ended(site, job)["State"] == "Success"
    study = site.get(f"/jobs/{job}")["Content"]["ID"]
    answer = site.client.get(f"/jobs/{job}/uid-map")
    if format == "CSV":
        header, *rows = csv.reader(io.StringIO(answer.text))
        assert header == ["Attribute", "Original", "New"]
    else:
        rows = [[one["Attribute"], one["Original"], one["New"]] for one in answer.json()]
    assert answer.headers["content-type"].startswith({"CSV": "text/csv", "JSON": "application/json"}[format])
    new = {(attribute, original): now for attribute, original, now in rows}
    made = instances(site, study)
    assert len(rows) == 5
    assert new["PatientID", "=4711,x"] == made[0].PatientID
    assert new["StudyInstanceUID", "1.2.33"] == made[0].StudyInstanceUID
    assert new["SeriesInstanceUID", "1.2.33.1"] == made[0].SeriesInstanceUID
    originals = ("1.2.33.1.1", "1.2.33.1.22")
    assert {new["SOPInstanceUID", one] for one in originals} == {one.SOPInstanceUID for one in made}
    assert site.client.delete(f"/jobs/{job}/uid-map").status_code == 200
    assert site.client.get(f"/jobs/{job}/uid-map").status_code == 404


def test_a_map_is_made_on_request_only(site: Server) -> None:
    stored = store(site, small("1.2.34"))
    path = f"/studies/{stored['ParentStudy']}/anonymize"
    job = post(site, path, {"Asynchronous": True})["ID"]
    ended(site, job)
    assert site.client.get(f"/jobs/{job}/uid-map").status_code == 404
    for format in ("XML", 5, ""):
        refused(site, path, {"UidMap": format})
    refused(site, f"/instances/{stored['ID']}/anonymize", {"UidMap": "CSV"})


def test_a_map_leaves_out_what_was_dropped(site: Server) -> None:
    kept = store(site, small("1.2.35", x00080016=("UI", b"1.2.840.10008.5.1.4.1.1.2\0")))
    store(site, small("1.2.35", x00080018=("UI", b"1.2.35.1.2")))
    body = {"UidMap": "CSV", "Asynchronous": True, "DropSecondaryCaptures": True}
    job = post(site, f"/studies/{kept['ParentStudy']}/anonymize", body)["ID"]
    ended(site, job)
    text = site.client.get(f"/jobs/{job}/uid-map").text
    assert "1.2.35.1.1" in text
    assert "1.2.35.1.2" not in text


def test_a_preview_of_a_set_tells_what_would_fail(site: Server) -> None:
    stored = store(site, small("1.2.36"))
    body = {"Resources": [stored["ID"], "nope"], "DryRun": True, "Replace": {"SeriesDescription": "x"}}
    answer = site.client.post("/tools/bulk-modify", json=body)
    told = {one["ID"]: one for one in answer.json()}
    assert told["nope"] == {"ID": "nope", "Error": "Unknown instance: nope"}
    assert paths(told[stored["ID"]]) == {"0008,0018": "Replaced", "0008,103e": "Replaced"}
    assert site.client.post("/tools/bulk-modify", json={"Resources": [], "DryRun": True}).json() == []


def test_a_text_in_another_character_set_makes_the_same_pseudonym_everywhere(site: Server) -> None:
    """What the index has of the PatientID, and what the file has."""
    latin = ("LO", "Müller 7".encode("latin-1"))
    stored = store(site, small("1.2.37", x00080005=("CS", b"ISO_IR 100"), x00100020=latin))
    utf = ("LO", "Müller 7".encode() + b" ")
    other = store(site, small("1.2.38", x00080005=("CS", b"ISO_IR 192"), x00100020=utf))
    body = {"DeidentificationKey": "trial"}
    alone = edited(site, stored["ID"], body)
    results = [post(site, f"/studies/{one['ParentStudy']}/anonymize", body) for one in (stored, other)]
    names = {str(instances(site, one["ID"])[0].PatientID) for one in results}
    assert names == {alone.PatientID}
