"""Storage commitment: what is asked for is looked up, and who has asked is told over another association."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from orthanclite.core.jobs import Job, State
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.remotes.registry import Modality
from orthanclite.dimse.modalities import KnownModalities
from orthanclite.dimse.options import DicomClientOptions, DicomServerOptions
from orthanclite.dimse.outgoing import CallDefaults
from orthanclite.dimse.scp.commitment import CommitmentReporter
from orthanclite.dimse.scp.table import Commitment
from orthanclite.dimse.status import SUCCESS
from orthanclite.dimse.upper.requested.requestor import AssociationRequestor
from orthanclite.jobs.engine import JobEngine
from orthanclite.jobs.kinds.commitment import CommitmentKind
from orthanclite.services.remotes.client import SopReference
from orthanclite.services.remotes.commitment import CommitmentService, FailureReason
from tests.dimse.conftest import StartServer
from tests.dimse.support import CT, Site, ct, eventually
from tests.dimse.upper.accepted.test_conversation import request
from tests.support.jobs import job_engine
from tests.support.lab import Lab
from tests.support.scu import paused

COMMITMENT = str(StorageCommitmentPushModel)
INSTANCE = "1.2.840.10008.1.20.1.1"
MR = "1.2.840.10008.5.1.4.1.1.4"
Reference = tuple[str, str]


@dataclass
class Requester:
    """A modality that asks for commitment, and listens for reports."""

    status: int = SUCCESS
    reports: list[tuple[int, Dataset]] = field(default_factory=list)
    associations: list[tuple[str, str]] = field(default_factory=list)
    """Calling and called AE title of those who report."""
    port: int = 0
    server: Any = None

    def listen(self, sop_class: str = COMMITMENT) -> None:
        application = AE("MODALITY")
        application.add_supported_context(sop_class, scu_role=True, scp_role=True)
        server = application.start_server(
            ("127.0.0.1", self.port),
            block=False,
            evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._take), (evt.EVT_ACCEPTED, self._accept)],
        )
        assert server is not None
        self.server, self.port = server, server.socket.getsockname()[1]

    def leave(self) -> None:
        """Listen no more."""
        self.server.shutdown()
        self.server.server_close()

    def _take(self, event: Any) -> tuple[int, None]:
        self.reports.append((event.event_type, event.event_information))
        return self.status, None

    def _accept(self, event: Any) -> None:
        asked = event.assoc.requestor.primitive
        self.associations.append((asked.calling_ae_title.strip(), asked.called_ae_title.strip()))

    @property
    def modality(self) -> Modality:
        return Modality("MODALITY", "127.0.0.1", self.port)


@dataclass
class Hospital:
    """A server that commits, and the modality that asks it."""

    site: Site
    engine: JobEngine
    requestor: AssociationRequestor
    requester: Requester

    def ask(
        self,
        *references: Reference,
        transaction: str = "1.2.99",
        action: int = 1,
        sop_class: str = COMMITMENT,
        instance: str = INSTANCE,
        aet: str = "MODALITY",
    ) -> tuple[int | None, str]:
        """Status and comment of the answer to an N-ACTION."""
        asked = Dataset()
        asked.TransactionUID = transaction
        asked.ReferencedSOPSequence = [reference(*one) for one in references]
        return self.send(asked, action, sop_class, instance, aet)

    def send(
        self,
        asked: Dataset,
        action: int = 1,
        sop_class: str = COMMITMENT,
        instance: str = INSTANCE,
        aet: str = "MODALITY",
    ) -> tuple[int | None, str]:
        with self.site.associate(COMMITMENT, aet=aet) as association:
            status, _ = association.send_n_action(asked, action, sop_class, instance, meta_uid=COMMITMENT)
            return status.get("Status"), status.get("ErrorComment", "")

    def jobs(self) -> list[Job]:
        """Those that have ended, once all have."""
        found: list[Job] = []

        def ended() -> bool:
            found[:] = [job for id in self.engine.ids() if (job := self.engine.get(id)) is not None]
            return all(job.state.is_final for job in found)

        assert eventually(ended)
        return found


def reference(sop_class: str | None, uid: str | None) -> Dataset:
    item = Dataset()
    if sop_class is not None:
        item.ReferencedSOPClassUID = sop_class
    if uid is not None:
        item.ReferencedSOPInstanceUID = uid
    return item


@pytest.fixture
def service(laboratory: Lab) -> CommitmentService:
    search = laboratory.index.search(MainTags.build())
    return CommitmentService(search, laboratory.resources, laboratory.reader)


@pytest.fixture
def hospital(start: StartServer, laboratory: Lab, service: CommitmentService) -> Iterator[Hospital]:
    for number in (1, 2):
        file = pydicom.filebase.DicomBytesIO()
        ct(SOPInstanceUID=f"1.2.{number}").save_as(file)
        laboratory.store(file.getvalue())
    requester = Requester()
    requester.listen()
    requestor = AssociationRequestor(DicomClientOptions())
    kind = CommitmentKind(service, CommitmentReporter(requestor, CallDefaults("ORTHANC", 5)))
    engine = job_engine(laboratory)
    engine.register(kind)
    engine.start()
    modalities = [requester.modality]
    known = KnownModalities(DicomServerOptions(), lambda: modalities)
    site = start(modalities=modalities, commitment=Commitment(kind, engine.submit, known.caller))
    yield Hospital(site, engine, requestor, requester)
    requestor.close()
    engine.stop()
    requester.leave()


def uids(items: Sequence[Dataset]) -> list[tuple[str, str]]:
    return [(item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) for item in items]


def test_what_is_stored_is_committed_to(hospital: Hospital) -> None:
    assert hospital.ask((CT, "1.2.1"), (CT, "1.2.2")) == (SUCCESS, "")
    [job] = hospital.jobs()
    assert (job.kind, job.state, job.progress) == ("StorageCommitmentScp", State.SUCCESS, 1)
    assert job.content == {
        "CalledAet": "ORTHANC",
        "Description": "",
        "RemoteAet": "MODALITY",
        "RemoteIp": "127.0.0.1",
        "TransactionUid": "1.2.99",
    }
    [(event, report)] = hospital.requester.reports
    assert (event, report.TransactionUID) == (1, "1.2.99")
    assert uids(report.ReferencedSOPSequence) == [(CT, "1.2.1"), (CT, "1.2.2")]
    assert "FailedSOPSequence" not in report
    assert hospital.requester.associations == [("ORTHANC", "MODALITY")]


def test_what_is_not_is_told_with_its_reason(hospital: Hospital) -> None:
    [instance] = [
        one
        for one in hospital.site.instances()
        if pydicom.dcmread(pydicom.filebase.DicomBytesIO(hospital.site.file(one))).SOPInstanceUID == "1.2.2"
    ]
    uuid = hospital.site.lab.index.annotations.attachments(Level.INSTANCE, instance)[1].uuid
    path = hospital.site.lab.blobs.path(uuid)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.truncate(1000)
    assert hospital.ask((CT, "1.2.1"), (CT, "9.9"), (MR, "1.2.1"), (CT, "1.2.2")) == (SUCCESS, "")
    hospital.jobs()
    [(event, report)] = hospital.requester.reports
    assert event == 2
    assert uids(report.ReferencedSOPSequence) == [(CT, "1.2.1")]
    assert uids(report.FailedSOPSequence) == [(CT, "9.9"), (MR, "1.2.1"), (CT, "1.2.2")]
    assert [item.FailureReason for item in report.FailedSOPSequence] == [0x0112, 0x0119, 0x0110]


@pytest.mark.parametrize("references", [(), ((CT, "9.9"),)])
def test_the_sequence_of_what_is_committed_to_may_be_empty(
    hospital: Hospital, references: tuple[Reference, ...]
) -> None:
    assert hospital.ask(*references) == (SUCCESS, "")
    hospital.jobs()
    [(event, report)] = hospital.requester.reports
    assert event == (2 if references else 1)
    assert list(report.ReferencedSOPSequence) == []


def test_many_instances_are_looked_up_in_steps(hospital: Hospital) -> None:
    references = [(CT, "1.2.1" if number % 3 else f"9.{number}") for number in range(1300)]
    assert hospital.ask(*references)[0] == SUCCESS
    hospital.jobs()
    [(event, report)] = hospital.requester.reports
    assert event == 2
    assert uids(report.ReferencedSOPSequence) == [one for one in references if one[1] == "1.2.1"]
    assert uids(report.FailedSOPSequence) == [one for one in references if one[1] != "1.2.1"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"action": 2}, 0x0123),
        ({"instance": "1.2.3"}, 0x0112),
        ({"sop_class": CT}, 0x0118),
        ({"transaction": ""}, 0x0120),
    ],
)
def test_what_is_asked_for_wrongly_is_refused(
    hospital: Hospital, changes: dict[str, Any], status: int
) -> None:
    answered, comment = hospital.ask((CT, "1.2.1"), **changes)
    assert answered == status
    assert comment
    assert not hospital.jobs()


@pytest.mark.parametrize(
    ("transaction", "items"),
    [
        (None, [reference(CT, "1.2.1")]),
        ("1.2.99", None),
        ("1.2.99", [reference(None, "1.2.1")]),
        ("1.2.99", [reference(CT, None)]),
        ("1.2.99", [reference(CT, "")]),
    ],
)
def test_what_is_missing_is_told(
    hospital: Hospital, transaction: str | None, items: list[Dataset] | None
) -> None:
    asked = Dataset()
    asked.PatientID = "X"
    if transaction is not None:
        asked.TransactionUID = transaction
    if items is not None:
        asked.ReferencedSOPSequence = items
    answered, comment = hospital.send(asked)
    assert answered == 0x0120
    assert comment
    assert not hospital.jobs()


def test_what_is_no_data_set_is_refused(hospital: Hospital) -> None:
    for data in (b"", b"\xff" * 20):
        command: dict[int, int | str] = {
            0x0003: COMMITMENT,
            0x0100: 0x0130,
            0x0110: 7,
            0x0800: 1,
            0x1001: INSTANCE,
            0x1008: 1,
        }
        with hospital.site.associate(COMMITMENT, aet="MODALITY") as association, paused(association):
            request(association, command, data, COMMITMENT)
            _, answer = association.dimse.get_msg(block=True)
            assert answer is not None
            assert answer.Status == 0x0115
    assert not hospital.jobs()


def test_a_stranger_is_aborted(hospital: Hospital) -> None:
    with hospital.site.associate(COMMITMENT, aet="STRANGER") as association:
        association.send_n_action(Dataset(), 1, COMMITMENT, INSTANCE)
        assert eventually(lambda: association.is_aborted)
    assert not hospital.jobs()


def failure_of(hospital: Hospital) -> tuple[int, str]:
    [job] = hospital.jobs()
    assert job.state is State.FAILURE
    assert job.failure is not None
    return job.failure.code, job.failure.details


def test_a_report_that_is_refused_fails_the_job(hospital: Hospital) -> None:
    hospital.requester.status = 0x0110
    assert hospital.ask((CT, "1.2.1"))[0] == SUCCESS
    code, details = failure_of(hospital)
    assert code == 9
    assert details.startswith(
        "Storage commitment - The request cannot be handled by remote AET: MODALITY (status 0x0110"
    )


def test_a_report_that_nobody_takes_fails_the_job_which_can_be_done_again(hospital: Hospital) -> None:
    hospital.requester.leave()
    assert hospital.ask((CT, "1.2.1"))[0] == SUCCESS
    code, details = failure_of(hospital)
    assert code == 9
    assert details.startswith('DicomAssociation - connecting to AET "MODALITY"')
    hospital.requester.listen()
    [job] = hospital.jobs()
    assert hospital.engine.resubmit(job.id)
    [job] = hospital.jobs()
    assert job.state is State.SUCCESS
    assert len(hospital.requester.reports) == 1


def test_a_modality_that_takes_no_reports_fails_the_job(hospital: Hospital) -> None:
    hospital.requester.leave()
    hospital.requester.listen(str(Verification))
    assert hospital.ask((CT, "1.2.1"))[0] == SUCCESS
    code, _ = failure_of(hospital)
    assert code == 2015
    assert hospital.requestor.active_associations == 0


def test_instances_of_the_same_uid_count_where_one_is_of_the_class(
    laboratory: Lab, service: CommitmentService
) -> None:
    for patient, sop_class in (("A", CT), ("B", MR)):
        dataset = ct(PatientID=patient, SOPClassUID=sop_class, SOPInstanceUID="1.2.5")
        dataset.file_meta.MediaStorageSOPClassUID = sop_class
        file = pydicom.filebase.DicomBytesIO()
        dataset.save_as(file)
        laboratory.store(file.getvalue())
    references = [SopReference(CT, "1.2.5"), SopReference(MR, "1.2.5"), SopReference("1.2", "1.2.5")]
    assert service.check(references) == [None, None, FailureReason.CLASS_INSTANCE_CONFLICT]
    assert service.check([SopReference(CT, "1.2.5*")]) == [FailureReason.NO_SUCH_OBJECT_INSTANCE]
