"""C-FIND of a running server: models, levels, what is answered, bad queries, and peers that lose interest."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND

from tests.dimse.support import exchange, needs_dcmtk
from tests.support.records import dicom_file
from tests.support.scu import Client
from tests.support.server import Server

SERVER_CONFIG = {
    "DicomAet": "FINDER",
    "DicomModalities": {
        "tester": ["TESTER", "127.0.0.1", 104],
        "limited": {"AET": "LIMITED", "Host": "127.0.0.1", "Port": 104, "AllowFind": False},
    },
}
PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1.1"
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
PATIENT_STUDY_ONLY = "1.2.840.10008.5.1.4.1.2.3.1"
MODELS = [PATIENT_ROOT, STUDY_ROOT, PATIENT_STUDY_ONLY]
MANY = 300


def code(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodeMeaning = value, f"meaning of {value}"
    return item


@pytest.fixture(scope="module")
def filled(server: Server) -> Server:
    """The server with one patient of two studies."""
    for study in range(2):
        for instance in range(3):
            server.upload(
                dicom_file(
                    "P1",
                    f"1.2.{study}",
                    f"1.2.{study}.{instance // 2}",
                    f"1.2.{study}.{instance}.1",
                    SpecificCharacterSet="ISO_IR 192",
                    PatientName="Ünal^山",
                    Modality=("CT", "MR")[instance // 2],
                    PatientComments="kept in files only",
                    ProcedureCodeSequence=Sequence([code("A"), code("B")]),
                    Rows=7,
                )
            )
    return server


@contextmanager
def associate(
    server: Server, model: str, aet: str = "TESTER", syntax: str = ExplicitVRLittleEndian, **arguments: Any
) -> Iterator[Association]:
    client = Client(aet)
    client.dimse_timeout = 60
    client.add_requested_context(model, [syntax])
    association = client.associate("127.0.0.1", server.dicom_port, **arguments)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def ask(
    server: Server, model: str = STUDY_ROOT, level: str | None = "STUDY", aet: str = "TESTER", **keys: Any
) -> tuple[list[Dataset], int]:
    """The answers and the final status; -1 where the association was aborted."""
    identifier = Dataset()
    if level is not None:
        identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    with associate(server, model, aet) as association:
        answers = list(association.send_c_find(identifier, model))
    return [found for _, found in answers if found is not None], answers[-1][0].get("Status", -1)


@pytest.mark.parametrize("model", MODELS)
def test_all_models(filled: Server, model: str) -> None:
    (patient,), status = ask(filled, model, "PATIENT", PatientID="P1", NumberOfPatientRelatedStudies="")
    assert status == 0x0000
    assert patient.NumberOfPatientRelatedStudies == 2
    studies, _ = ask(filled, model, "STUDY", PatientID="P1", StudyInstanceUID="")
    assert sorted(study.StudyInstanceUID for study in studies) == ["1.2.0", "1.2.1"]


@pytest.mark.parametrize(
    ("level", "count"), [("PATIENT", 1), ("STUDY", 2), ("SERIES", 4), ("IMAGE", 6), ("IMAGES", 6)]
)
def test_levels(filled: Server, level: str, count: int) -> None:
    answers, status = ask(filled, level=level, PatientID="P1")
    assert (len(answers), status) == (count, 0x0000)
    for answer in answers:
        assert answer.QueryRetrieveLevel == level
        assert answer.RetrieveAETitle == "FINDER"
        assert answer.SpecificCharacterSet == "ISO_IR 100"
        assert len(answer) == 4


def test_what_is_asked_for_is_answered(filled: Server) -> None:
    (study,), _ = ask(
        filled,
        StudyInstanceUID="1.2.1",
        PatientName="",
        ModalitiesInStudy="",
        NumberOfStudyRelatedInstances="",
        NumberOfStudyRelatedSeries="",
        PatientComments="",
        EthnicGroup="",
        Rows=None,
        ProcedureCodeSequence=Sequence([]),
        ReferencedStudySequence=Sequence([]),
    )
    assert study.PatientName == "Ünal^"
    assert list(study.ModalitiesInStudy) == ["CT", "MR"]
    assert (study.NumberOfStudyRelatedSeries, study.NumberOfStudyRelatedInstances) == (2, 3)
    assert study.PatientComments == "kept in files only"
    assert (study.EthnicGroup, study.Rows) == ("", 7)
    assert [item.CodeValue for item in study.ProcedureCodeSequence] == ["A", "B"]
    assert study.ProcedureCodeSequence[1].CodeMeaning == "meaning of B"
    assert len(study.ReferencedStudySequence) == 0


def test_sequences_are_matched(filled: Server) -> None:
    item = Dataset()
    item.CodeValue = "B"
    (study,), _ = ask(filled, StudyInstanceUID="1.2.1", ProcedureCodeSequence=Sequence([item]))
    assert study.ProcedureCodeSequence == Sequence([item])
    item.CodeValue = "C"
    assert ask(filled, StudyInstanceUID="1.2.1", ProcedureCodeSequence=Sequence([item])) == ([], 0)


def test_answers_follow_the_default_encoding(filled: Server) -> None:
    filled.client.put("/tools/default-encoding", content="Utf8").raise_for_status()
    try:
        (study,), _ = ask(filled, StudyInstanceUID="1.2.1", PatientName="")
    finally:
        filled.client.put("/tools/default-encoding", content="Latin1").raise_for_status()
    assert (study.PatientName, study.SpecificCharacterSet) == ("Ünal^山", "ISO_IR 192")


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_transfer_syntaxes(filled: Server, syntax: str) -> None:
    identifier = Dataset()
    identifier.QueryRetrieveLevel, identifier.StudyInstanceUID, identifier.Rows = "STUDY", "1.2.0", None
    identifier.ProcedureCodeSequence = Sequence([])
    with associate(filled, STUDY_ROOT, syntax=syntax) as association:
        (_, study), (final, _) = association.send_c_find(identifier, STUDY_ROOT)
    assert final.Status == 0x0000
    assert study.Rows == 7
    assert study.ProcedureCodeSequence[0].CodeValue == "A"


def test_small_pdus(filled: Server) -> None:
    identifier = Dataset()
    identifier.QueryRetrieveLevel, identifier.PatientID, identifier.PatientComments = "IMAGE", "P1", ""
    with associate(filled, STUDY_ROOT, max_pdu=64) as association:
        answers = list(association.send_c_find(identifier, STUDY_ROOT))
    assert len(answers) == 7
    assert answers[0][1].PatientComments == "kept in files only"


@pytest.mark.parametrize("keys", [{"level": None}, {"level": ""}, {"level": "FOO"}])
def test_bad_levels(filled: Server, keys: dict[str, Any]) -> None:
    assert ask(filled, PatientID="P1", **keys) == ([], 0xC000)


def test_bad_values(filled: Server) -> None:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.add(DataElement(0x0020000D, "UI", "1.*", validation_mode=config.IGNORE))
    with associate(filled, STUDY_ROOT) as association:
        ((status, _),) = association.send_c_find(identifier, STUDY_ROOT)
        assert status.Status == 0xC000
        assert "0020,000d" in status.ErrorComment
        # The association lives on.
        del identifier.StudyInstanceUID
        assert len(list(association.send_c_find(identifier, STUDY_ROOT))) >= 3


@pytest.mark.parametrize("data", [None, b"garbage!", b"\x08\x00\x52\x00CS\xff\xff", bytes(100)])
def test_identifiers_that_are_none(filled: Server, data: bytes | None) -> None:
    request = C_FIND()
    request.MessageID, request.AffectedSOPClassUID, request.Priority = 1, STUDY_ROOT, 2
    request.Identifier = None if data is None else BytesIO(data)
    with associate(filled, STUDY_ROOT) as association:
        assert exchange(association, request) == 0xC000
    assert filled.get("/system")


def test_who_may_ask(filled: Server) -> None:
    assert ask(filled, aet="STRANGER", PatientID="") == ([], -1)
    assert ask(filled, aet="LIMITED", PatientID="") == ([], -1)
    assert len(ask(filled, aet="tester", PatientID="")[0]) >= 2


@pytest.fixture(scope="module")
def crowded(server: Server) -> Server:
    """The server with many instances of one study."""
    for number in range(MANY):
        server.upload(dicom_file("CROWD", "1.3", "1.3.1", f"1.3.1.{number}", InstanceNumber=number))
    return server


def test_a_query_can_be_cancelled(crowded: Server) -> None:
    identifier = Dataset()
    identifier.QueryRetrieveLevel, identifier.PatientID, identifier.PatientComments = "IMAGE", "CROWD", ""
    received = []

    def cancel(event: Any) -> None:
        received.append(event)
        if len(received) == 1:
            event.assoc.send_c_cancel(1, context_id=1)

    with associate(crowded, STUDY_ROOT) as association:
        association.bind(evt.EVT_DIMSE_RECV, cancel)
        answers = list(association.send_c_find(identifier, STUDY_ROOT, msg_id=1))
        assert answers[-1][0].Status == 0xFE00
        assert len(answers) < MANY
        # A cancelled query leaves no trace.
        assert len(list(association.send_c_find(identifier, STUDY_ROOT, msg_id=1))) == MANY + 1


def test_a_peer_that_leaves_amid_answers_harms_nobody(crowded: Server) -> None:
    identifier = Dataset()
    identifier.QueryRetrieveLevel, identifier.PatientID, identifier.PatientComments = "IMAGE", "CROWD", ""
    for _ in range(6):  # more than there are operations at the same time
        with associate(crowded, STUDY_ROOT) as association:
            next(association.send_c_find(identifier, STUDY_ROOT))
            association.abort()
    answers, status = ask(crowded, level="IMAGE", PatientID="CROWD")
    assert (len(answers), status) == (MANY, 0x0000)


@needs_dcmtk
@pytest.mark.parametrize("model", ["-P", "-S", "-O"])
def test_findscu(filled: Server, model: str) -> None:
    command = ["findscu", "-v", model, "-aet", "TESTER", "-k", "0008,0052=STUDY", "-k", "0020,000d=1.2.0"]
    found = subprocess.run(
        [*command, "127.0.0.1", str(filled.dicom_port)], capture_output=True, timeout=60, check=True
    )
    text = (found.stdout + found.stderr).decode("latin_1")
    assert text.count("Find Response: ") == 1
    assert "Received Final Find Response (Success)" in text
