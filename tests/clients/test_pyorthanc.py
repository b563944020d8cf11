"""PyOrthanc (PyPI) against this server."""

from __future__ import annotations

from collections.abc import Iterator

import pyorthanc
import pytest
from pydicom.data import get_testdata_file
from pyorthanc.jobs import State

from tests.support.server import Server


@pytest.fixture
def client(pair: tuple[Server, Server]) -> Iterator[pyorthanc.Orthanc]:
    with pyorthanc.Orthanc(pair[0].url) as client:
        yield client
        for patient in client.get_patients():
            client.delete_patients_id(patient)


@pytest.fixture
def study(client: pyorthanc.Orthanc) -> pyorthanc.Study:
    (instance,) = pyorthanc.upload(client, get_testdata_file("CT_small.dcm"))
    return instance.parent_study


def test_resources_are_read(client: pyorthanc.Orthanc, study: pyorthanc.Study) -> None:
    (found,) = pyorthanc.find_studies(client, {"StudyInstanceUID": study.uid})
    assert found.id_ == study.id_
    assert (study.description, study.date.year) == ("e+1", 2004)
    patient = study.parent_patient
    assert (patient.patient_id, patient.name) == ("1CT1", "CompressedSamples^CT1")
    patient.protected = True
    assert patient.protected is True
    patient.protected = False
    (series,) = study.series
    assert (series.modality, series.manufacturer) == ("CT", "GE MEDICAL SYSTEMS")
    (instance,) = series.instances
    assert instance.get_pydicom().pixel_array.shape == (128, 128)
    assert instance.get_content_by_tag("PatientName") == "CompressedSamples^CT1"
    assert study.get_zip().startswith(b"PK")
    study.add_label("seen")
    assert study.labels == ["seen"]
    study.remove_label("seen")


def test_resources_are_edited(client: pyorthanc.Orthanc, study: pyorthanc.Study) -> None:
    anonymous = study.anonymize(replace={"PatientName": "Nobody"})
    assert anonymous.patient_information["PatientName"] == "Nobody"
    job = study.modify_as_job(replace={"StudyDescription": "new"})
    job.wait_until_completion()
    assert job.state is State.success
    assert pyorthanc.Study(job.content["ID"], client).description == "new"


def test_modalities_and_peers(
    client: pyorthanc.Orthanc, pair: tuple[Server, Server], study: pyorthanc.Study
) -> None:
    modality = pyorthanc.Modality(client, "other")
    assert modality.echo()
    modality.store(study.id_)
    answers = modality.find({"Level": "Study", "Query": {"StudyInstanceUID": study.uid}})
    assert len(answers["answers"]) == 1
    client.delete_studies_id(study.id_)
    modality.move(answers["ID"], {"TargetAet": "SITE"})
    assert study.id_ in client.get_studies()
    client.post_peers_id_store("other", json=[study.id_])
    assert study.id_ in pair[1].get("/studies")
