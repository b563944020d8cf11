"""orthanc-api-client (PyPI), the library of the Orthanc team, against this server."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from orthanc_api_client import InstancesSet, LabelsConstraint, OrthancApiClient
from orthanc_api_client.exceptions import ResourceNotFound
from orthanc_api_client.retrieve_method import RetrieveMethod
from pydicom.data import get_testdata_file

from tests.support.server import Server

FILES = [str(get_testdata_file(name)) for name in ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm")]


@pytest.fixture
def clients(pair: tuple[Server, Server]) -> Iterator[tuple[OrthancApiClient, OrthancApiClient]]:
    """For a server that has the files, and for an empty one."""
    site, other = (OrthancApiClient(server.url) for server in pair)
    for path in FILES:
        site.upload_file(path)
    yield site, other
    for client in (site, other):
        client.delete_all_content()
        client.close()


@pytest.fixture
def site(clients: tuple[OrthancApiClient, OrthancApiClient]) -> OrthancApiClient:
    return clients[0]


@pytest.fixture
def ct(site: OrthancApiClient) -> str:
    """The study of the CT slice."""
    return str(site.studies.find({"ModalitiesInStudy": "CT"})[0].orthanc_id)


def test_the_server_is_what_the_library_expects(site: OrthancApiClient) -> None:
    assert site.is_alive()
    assert site.is_orthanc_version_at_least(1, 13, 0)
    assert site.has_loaded_plugin("dicom-web")
    assert site.get_statistics().studies_count == 3
    assert site.get_metrics().get("orthanc_count_studies") == "3"
    assert site.execute_lua_script(b"print(6 * 7)") == b"42\n"
    changes, last, done = site.get_changes(since=0, limit=1000)
    assert (changes[-1].sequence_id, done) == (last, True)


def test_resources_are_read(site: OrthancApiClient, ct: str, tmp_path: Path) -> None:
    study = site.studies.get(ct)
    assert study.main_dicom_tags["StudyInstanceUID"] == study.dicom_id
    assert site.studies.lookup(study.dicom_id) == ct
    assert site.studies.get_modalities(ct) == {"CT"}
    (instance,) = site.studies.get_instances(ct)
    assert instance.tags["PatientName"] == "CompressedSamples^CT1"
    assert site.instances.get_parent_study_id(instance.orthanc_id) == ct
    (series,) = site.studies.get_series_ids(ct)
    assert site.series.get_middle_instance_id(series) == instance.orthanc_id
    assert site.series.get_preview_file(series).startswith(b"\x89PNG")
    site.studies.download_archive(ct, str(tmp_path / "archive.zip"))
    site.studies.download_media(ct, str(tmp_path / "media.zip"))
    assert (tmp_path / "archive.zip").read_bytes().startswith(b"PK")
    assert (tmp_path / "media.zip").read_bytes().startswith(b"PK")
    assert len(site.studies.download_instances(ct, str(tmp_path))) == 1


def test_labels_metadata_and_attachments(site: OrthancApiClient, ct: str) -> None:
    site.studies.add_labels(ct, ["research", "checked"])
    assert [one.orthanc_id for one in site.studies.find({}, labels=["research", "none"])] == [ct]
    found = site.studies.find({}, labels=["research"], labels_constraint=LabelsConstraint.NONE)
    assert len(found) == 2
    assert site.get_all_labels() == ["checked", "research"]
    site.studies.set_string_metadata(ct, "4321", "hello")
    value, revision = site.studies.get_string_metadata_with_revision(ct, "4321")
    site.studies.set_string_metadata(ct, "4321", "again", match_revision=revision)
    assert (value, site.studies.get_string_metadata(ct, "4321")) == ("hello", "again")
    site.studies.set_attachment(ct, "1025", content="text", content_type="text/plain")
    assert site.studies.get_attachment(ct, "1025") == b"text"


def test_resources_are_edited(site: OrthancApiClient, ct: str, tmp_path: Path) -> None:
    modified = site.studies.modify(
        ct,
        replace_tags={"PatientID": "NEW", "StudyInstanceUID": "1.2.3.9"},
        delete_original=False,
        force=True,
    )
    assert site.studies.get(modified).patient_main_dicom_tags["PatientID"] == "NEW"
    anonymous = site.studies.anonymize(ct, replace_tags={"PatientName": "Nobody"}, delete_original=False)
    assert site.studies.get_tags(anonymous)["PatientName"] == "Nobody"
    job = site.studies.anonymize_bulk_async([ct], delete_original=False)
    assert job.wait_completed(timeout=60, polling_interval=0.1)
    assert job.info.status == "Success"
    copy = InstancesSet.from_study(site, ct).modify(
        replace_tags={"PatientID": "SET"}, keep_source=True, force=True
    )
    assert copy is not None
    assert len(copy.instances_ids) == 1
    report = tmp_path / "report.pdf"
    report.write_bytes(b"%PDF-1.4\n%%EOF")
    instance = site.studies.attach_pdf(ct, str(report), "Report", datetime.datetime(2026, 1, 2, 3, 4))
    assert site.studies.get_pdf_instances(ct) == [instance]
    site.instances.download_pdf(instance, str(tmp_path / "back.pdf"))
    assert (tmp_path / "back.pdf").read_bytes() == report.read_bytes()
    site.studies.merge(ct, site.studies.get_series_ids(anonymous), keep_source=False)
    assert len(site.studies.get_series_ids(ct)) == 3
    site.studies.delete(ct)
    with pytest.raises(ResourceNotFound):
        site.studies.get_json(ct)


@pytest.mark.parametrize("way", ["modality", "peer", "dicomweb"])
def test_a_study_is_sent(clients: tuple[OrthancApiClient, OrthancApiClient], ct: str, way: str) -> None:
    site, other = clients
    remotes: Any = {
        "modality": site.modalities,
        "peer": site.peers,
        "dicomweb": site.dicomweb_servers,
    }[way]
    remotes.send("other", [ct])
    assert other.studies.get_all_ids() == [ct]
    other.delete_all_content()
    job = remotes.send_async("other", [ct])
    assert job.wait_completed(timeout=60, polling_interval=0.1)
    assert (job.info.status, other.studies.get_all_ids()) == ("Success", [ct])


@pytest.mark.parametrize("way", [RetrieveMethod.MOVE, RetrieveMethod.GET, "dicomweb"])
def test_a_study_is_fetched(
    clients: tuple[OrthancApiClient, OrthancApiClient], ct: str, way: RetrieveMethod | str
) -> None:
    uid = clients[0].studies.get(ct).dicom_id
    other = clients[1]
    (found,) = other.modalities.query_studies("other", {"StudyInstanceUID": uid, "StudyDescription": ""})
    assert found.dicom_id == uid
    if isinstance(way, RetrieveMethod):
        assert other.modalities.retrieve_study("other", uid, retrieve_method=way) == ct
    else:
        assert other.dicomweb_servers.retrieve_study("other", uid) == 1
    assert other.studies.get_all_ids() == [ct]


def test_worklists(clients: tuple[OrthancApiClient, OrthancApiClient]) -> None:
    site, other = clients
    step = {
        "Modality": "CT",
        "ScheduledStationAETitle": "OTHER",
        "ScheduledProcedureStepStartDate": "20260102",
    }
    id = site.worklists.create(
        {"PatientID": "W1", "PatientName": "Wait^Long", "ScheduledProcedureStepSequence": [step]}
    )
    assert site.worklists.get_all_ids() == [id]
    assert site.worklists.get_tags(id)["PatientID"] == "W1"
    (entry,) = other.modalities.find_worklist("other", {"PatientID": "", "PatientName": "Wait*"})
    assert entry["PatientID"] == "W1"
    site.worklists.delete(id)
    assert site.worklists.get_all_ids() == []
