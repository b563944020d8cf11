"""Modification and anonymisation of patients, studies and series over REST, in jobs."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest

from tests.dicom.dicom_builder import element, file_of, minimal
from tests.support.server import Server, orthanclite, running

KEEP_ALL = {"Keep": ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"], "Force": True}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("site")
    options = {"OverwriteInstances": True, "JobsEngineThreadsCount": {"ResourceModification": 2}}
    with running(orthanclite(folder, {**options, "JobsHistorySize": 100})) as started:
        yield started


def dicom(study: str, series: str, instance: str, patient: str = "ID", **more: bytes) -> bytes:
    """A small file; its UIDs are those of its parents with more components."""
    uids = {
        0x00080018: f"{study}.{series}.{instance}",
        0x0020000D: study,
        0x0020000E: f"{study}.{series}",
        0x00100020: patient,
    }
    made = {}
    for tag, text in uids.items():
        vr, pad = ("LO", b" ") if tag == 0x00100020 else ("UI", b"\0")
        made[tag] = element(tag, vr, text.encode() + pad * (len(text) % 2))
    made |= {int(tag[1:], 16): content for tag, content in more.items()}
    return file_of(minimal(extra=made))


def reference(uid: str) -> bytes:
    """ReferencedImageSequence with one item."""
    text = uid.encode() + b"\0" * (len(uid) % 2)
    inner = element(0x00081155, "UI", text)
    item = b"\xfe\xff\x00\xe0" + len(inner).to_bytes(4, "little") + inner
    return element(0x00081140, "SQ", item)


def store(site: Server, *files: bytes) -> list[dict[str, Any]]:
    return [site.client.post("/instances", content=file).json() for file in files]


def content(site: Server, id: str) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(site.client.get(f"/instances/{id}/file").content))


def below(site: Server, study: str) -> list[pydicom.Dataset]:
    found = [content(site, one["ID"]) for one in site.get(f"/studies/{study}/instances")]
    return sorted(found, key=lambda one: int(one.get("InstanceNumber") or 0))


def edit(site: Server, path: str, **body: Any) -> dict[str, Any]:
    answer = site.client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def ended(site: Server, job: str) -> dict[str, Any]:
    """A job once it has ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found: dict[str, Any] = site.get(f"/jobs/{job}")
        if found["State"] in ("Success", "Failure"):
            return found
        time.sleep(0.02)
    raise AssertionError(f"The job has not ended: {found}")


def blob(site: Server, instance: str) -> Path:
    """Where the file of an instance is kept."""
    uuid = site.get(f"/instances/{instance}/attachments/dicom/info")["Uuid"]
    return site.folder / "storage" / uuid[:2] / uuid[2:4] / uuid


def refused(site: Server, path: str, **body: Any) -> tuple[int, int]:
    answer = site.client.post(path, json=body)
    return answer.status_code, answer.json()["OrthancStatus"]


@pytest.mark.parametrize("verb", ["modify", "anonymize"])
def test_relations_within_a_study_are_kept(site: Server, verb: str) -> None:
    study = f"1.2.1{len(verb)}"
    outside = dicom(study, "2", "2", t00081140=reference("1.2.99.1"))
    stored = store(
        site,
        dicom(study, "1", "1"),
        dicom(study, "2", "1", t00081140=reference(f"{study}.1.1")),
        outside,
    )
    done = edit(site, f"/studies/{stored[0]['ParentStudy']}/{verb}")
    made = below(site, done["ID"])
    assert len({one.StudyInstanceUID for one in made}) == 1
    assert len({one.SeriesInstanceUID for one in made}) == 2
    originals = {f"{study}.1.1", f"{study}.2.1", f"{study}.2.2"}
    assert not originals & {one.SOPInstanceUID for one in made}
    referring = [one for one in made if "ReferencedImageSequence" in one]
    targets = {one.ReferencedImageSequence[0].ReferencedSOPInstanceUID for one in referring}
    kept = {one.SOPInstanceUID for one in made} - {one.SOPInstanceUID for one in referring}
    assert kept < targets
    left = targets - kept
    assert (left == {"1.2.99.1"}) is (verb == "modify")


def test_sources_go_only_where_all_is_well(site: Server) -> None:
    stored = store(site, dicom("1.2.21", "1", "1"), dicom("1.2.21", "1", "2"))
    study = stored[0]["ParentStudy"]
    path = blob(site, stored[1]["ID"])
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    answer = site.client.post(f"/studies/{study}/modify", json={"KeepSource": False})
    assert answer.status_code >= 400
    assert len(site.get(f"/studies/{study}/instances")) == 2
    done = edit(site, f"/studies/{study}/modify", KeepSource=False, Permissive=True)
    assert done["FailedInstancesCount"] == 1
    assert [one["ID"] for one in done["FailedInstances"]] == [stored[1]["ID"]]
    assert len(site.get(f"/studies/{study}/instances")) == 2  # not everything is in the result
    path.write_bytes(whole)
    done = edit(site, f"/studies/{study}/modify", KeepSource=False)
    assert site.client.get(f"/studies/{study}").status_code == 404
    assert len(site.get(f"/studies/{done['ID']}/instances")) == 2


def test_a_job_that_is_submitted_again_makes_nothing_twice(site: Server) -> None:
    stored = store(site, dicom("1.2.22", "1", "1"), dicom("1.2.22", "1", "2"))
    study, before = stored[0]["ParentStudy"], site.get("/statistics")["CountInstances"]
    path = blob(site, max(one["ID"] for one in stored))
    whole = path.read_bytes()
    path.write_bytes(b"")
    job = edit(site, f"/studies/{study}/anonymize", Asynchronous=True)["ID"]
    assert ended(site, job)["State"] == "Failure"
    path.write_bytes(whole)
    site.client.post(f"/jobs/{job}/resubmit")
    again = ended(site, job)
    assert (again["State"], again["Content"]["FailedInstancesCount"]) == ("Success", 0)
    assert site.get("/statistics")["CountInstances"] == before + 2


def test_what_was_edited_in_place_is_not_edited_again_when_the_job_is(site: Server) -> None:
    """Twice, its dates would be shifted by another number of days than those of the others."""
    day = element(0x00080020, "DA", b"20200229")
    files = [dicom("1.2.26", "1", str(number), x00080020=day) for number in range(40)]
    stored = store(site, *files)
    study, last = stored[0]["ParentStudy"], max(one["ID"] for one in stored)
    path = blob(site, last)
    whole = path.read_bytes()
    path.write_bytes(b"")
    options = {**KEEP_ALL, "Keep": [*KEEP_ALL["Keep"], "PatientID"]}
    options["Profile"] = ["Basic", "RetainLongitudinalModifiedDates"]
    job = edit(site, f"/studies/{study}/anonymize", Asynchronous=True, **options)["ID"]
    assert ended(site, job)["State"] == "Failure"
    shifted = {content(site, one["ID"]).StudyDate for one in stored if one["ID"] != last}
    assert shifted > {"20200229"} or "20200229" not in shifted
    path.write_bytes(whole)
    site.client.post(f"/jobs/{job}/resubmit").raise_for_status()
    again = ended(site, job)
    assert (again["State"], again["Content"]["InstancesCount"]) == ("Success", 40)
    dates = {one.StudyDate for one in below(site, study)}
    assert len(dates) == 1
    assert dates <= shifted


def test_modified_in_place(site: Server) -> None:
    stored = store(site, dicom("1.2.23", "1", "1"), dicom("1.2.23", "1", "2"))
    study = stored[0]["ParentStudy"]
    for level, id in (("studies", study), ("instances", stored[0]["ID"])):
        site.client.put(f"/{level}/{id}/labels/kept", content="")
    done = edit(
        site, f"/studies/{study}/modify", Replace={"StudyDescription": "new"}, KeepLabels=True, **KEEP_ALL
    )
    assert done["ID"] == study
    shown = site.get(f"/studies/{study}")
    assert shown["MainDicomTags"]["StudyDescription"] == "new"
    assert "ModifiedFrom" not in shown
    assert shown["Labels"] == ["kept"]
    instance = site.get(f"/instances/{stored[0]['ID']}")
    assert (instance["ModifiedFrom"], instance["Labels"]) == (stored[0]["ID"], ["kept"])
    assert refused(site, f"/studies/{study}/modify", KeepSource=False, **KEEP_ALL) == (400, 8)


def test_labels_are_carried_where_that_is_wanted(site: Server) -> None:
    (stored,) = store(site, dicom("1.2.24", "1", "1"))
    for level, id in (("patients", "ParentPatient"), ("studies", "ParentStudy"), ("series", "ParentSeries")):
        site.client.put(f"/{level}/{stored[id]}/labels/of-{level}", content="")
    plain = edit(site, f"/studies/{stored['ParentStudy']}/anonymize")
    assert site.get(f"/studies/{plain['ID']}/labels") == []
    done = edit(site, f"/studies/{stored['ParentStudy']}/anonymize", KeepLabels=True)
    assert site.get(f"/studies/{done['ID']}/labels") == ["of-studies"]
    assert site.get(f"/patients/{done['PatientID']}/labels") == ["of-patients"]
    (series,) = site.get(f"/studies/{done['ID']}/series")
    assert series["Labels"] == ["of-series"]


def test_what_would_become_one_instance_is_refused(site: Server) -> None:
    stored = store(site, dicom("1.2.25", "1", "1"), dicom("1.2.25", "1", "2"))
    body = {"Replace": {"SOPInstanceUID": "1.2.3.4.5"}, "Force": True}
    assert refused(site, f"/studies/{stored[0]['ParentStudy']}/modify", **body) == (400, 8)
    assert edit(site, "/tools/bulk-modify", Resources=[stored[0]["ID"]], **body)["InstancesCount"] == 1


def test_patients_that_are_anonymised_together_stay_apart(site: Server) -> None:
    stored = store(
        site,
        dicom("1.2.26", "1", "1", "P1"),
        dicom("1.2.27", "1", "1", "P2"),
        dicom("1.2.28", "1", "1", "P2"),
    )
    done = edit(site, "/tools/bulk-anonymize", Resources=[one["ID"] for one in stored])
    patients = [one["ID"] for one in done["Resources"] if one["Type"] == "Patient"]
    assert sorted(len(site.get(f"/patients/{id}")["Studies"]) for id in patients) == [1, 2]


def test_large_files_are_edited_in_pieces(site: Server) -> None:
    pixels = element(0x7FE00010, "OW", b"\1\2" * (3 << 19))
    (stored,) = store(site, dicom("1.2.29", "1", "1", t7fe00010=pixels))
    done = edit(site, f"/series/{stored['ParentSeries']}/modify", Replace={"SeriesDescription": "x"})
    (made,) = site.get(f"/series/{done['ID']}/instances")
    assert made["ModifiedFrom"] == stored["ID"]
    assert content(site, made["ID"]).PixelData == b"\1\2" * (3 << 19)


def test_wrong_requests_leave_nothing_behind(site: Server) -> None:
    (stored,) = store(site, dicom("1.2.30", "1", "1"))
    path, before = f"/studies/{stored['ParentStudy']}/modify", site.get("/instances")
    jobs = site.get("/jobs")
    assert refused(site, "/studies/nope/modify") == (400, 3)
    assert refused(site, path, Replace={"PatientID": "X"}) == (400, 8)
    assert refused(site, path, Replace={"NoSuchTag": "X"}) == (400, 27)
    many = [f"0011{number:04x}" for number in range(10_001)]
    assert refused(site, path, Keep=many) == (400, 8)
    split = path.replace("modify", "split")
    assert refused(site, split, Series=[stored["ParentSeries"]], Remove=many) == (400, 8)
    assert refused(site, path, Remove=["RequestAttributesSequence[0]." * 65 + "PatientID"]) == (400, 3)
    assert refused(site, path, Transcode="1.2.3") == (400, 15)
    assert refused(site, path, KeepSource="yes") == (400, 15)
    assert refused(site, path, Priority="high") == (400, 15)
    assert refused(site, path, Priority=-(2**40)) == (400, 3)
    assert refused(site, "/tools/bulk-modify", Resources=5) == (400, 15)
    large = site.client.post(path, content=b'{"Replace": {"PatientComments": "' + b"x" * (17 << 20) + b'"}}')
    assert large.status_code == 413
    assert site.get("/instances") == before
    assert site.get("/jobs") == jobs


def test_the_key_of_new_uids_is_in_no_answer(site: Server) -> None:
    (stored,) = store(site, dicom("1.2.31", "1", "1"))
    job = edit(site, f"/studies/{stored['ParentStudy']}/anonymize", Asynchronous=True)["ID"]
    assert set(ended(site, job)["Content"]) == {
        "Description",
        "FailedInstancesCount",
        "ID",
        "InstancesCount",
        "IsAnonymization",
        "ParentResources",
        "Path",
        "PatientID",
        "Resources",
        "Type",
    }


def test_a_study_is_split_and_merged_again(site: Server) -> None:
    files = [dicom("1.2.32", "1", "1"), dicom("1.2.32", "2", "1", t00081140=reference("1.2.32.2.2"))]
    stored = store(site, *files, dicom("1.2.32", "2", "2"))
    study, series = stored[0]["ParentStudy"], stored[1]["ParentSeries"]
    site.client.put(f"/series/{series}/labels/kept", content="")
    path = f"/studies/{study}/split"
    done = edit(site, path, Series=[series], Replace={"StudyDescription": "split off"}, KeepLabels=True)
    assert site.client.get(f"/series/{series}").status_code == 404
    assert len(site.get(f"/studies/{study}/instances")) == 1
    made = below(site, done["TargetStudy"])
    assert {one.StudyInstanceUID for one in made} == {done["TargetStudyUID"]}
    assert {one.StudyDescription for one in made} == {"split off"}
    (new,) = site.get(f"/studies/{done['TargetStudy']}/series")
    assert new["Labels"] == ["kept"]
    assert "ModifiedFrom" not in new
    # A part of a study was given away: references may mean either part, and stay.
    assert [one.ReferencedImageSequence[0].ReferencedSOPInstanceUID for one in made if len(one) > 6] == [
        "1.2.32.2.2"
    ]
    merged = edit(site, f"/studies/{study}/merge", Resources=[done["TargetStudy"]])
    assert merged["TargetStudy"] == study
    assert site.client.get(f"/studies/{done['TargetStudy']}").status_code == 404
    whole = below(site, study)
    assert len(whole) == 3
    assert {one.StudyInstanceUID for one in whole} == {"1.2.32"}
    assert not any("StudyDescription" in one for one in whole)  # the target has none


def test_references_follow_into_the_study_that_all_is_merged_into(site: Server) -> None:
    target = store(site, dicom("1.2.33", "1", "1", "TARGET"))[0]["ParentStudy"]
    more = {"t00081140": reference("1.2.34.2.1")}
    source = store(site, dicom("1.2.34", "1", "1", **more), dicom("1.2.34", "2", "1"))[0]["ParentStudy"]
    edit(site, f"/studies/{target}/merge", Resources=[source], KeepSource=True)
    made = below(site, target)
    assert {one.PatientID for one in made} == {"TARGET"}
    (uid,) = {
        one.ReferencedImageSequence[0].ReferencedSOPInstanceUID
        for one in made
        if "ReferencedImageSequence" in one
    }
    assert uid in {one.SOPInstanceUID for one in made}
    assert len(site.get(f"/studies/{source}/instances")) == 2


def test_a_read_only_server_lets_edits_wait_and_its_jobs_be_cancelled(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, {"ConcurrentJobs": 1})) as server:
        stored = store(server, *(dicom("1.2.40", "1", str(number)) for number in range(40)))
        study = stored[0]["ParentStudy"]
        edit(server, f"/studies/{study}/anonymize", Asynchronous=True)  # the only worker is busy
        job = edit(server, f"/studies/{study}/modify", KeepSource=False, Asynchronous=True)["ID"]
        server.client.post(f"/jobs/{job}/pause").raise_for_status()
        assert server.get(f"/jobs/{job}")["State"] == "Paused"
        server.stop()
        server.config["ReadOnly"] = True
        server.start()
        assert server.client.post(f"/studies/{study}/modify", json={}).status_code in (404, 405)
        archive = edit(server, f"/studies/{study}/archive", Asynchronous=True)["ID"]
        assert ended(server, archive)["State"] == "Success"
        assert server.client.delete(f"/jobs/{archive}/archive").status_code == 200
        assert server.client.post(f"/jobs/{job}/resume").status_code == 200
        time.sleep(0.3)
        assert server.get(f"/jobs/{job}")["State"] == "Pending"
        assert server.client.post(f"/jobs/{job}/cancel").status_code == 200
        assert ended(server, job)["ErrorCode"] == 37
        assert len(server.get(f"/studies/{study}/instances")) == 40
