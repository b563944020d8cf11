"""C-GET: what DCMTK's getscu and pynetdicom receive, and what they are told of it."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)
from pynetdicom import build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import (
    MRImageStorage,
    PatientRootQueryRetrieveInformationModelGet,
    PatientStudyOnlyQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelGet,
)

from orthanclite.core.errors import DatabaseUnavailable
from orthanclite.core.levels import Level
from orthanclite.dimse.command import command_pdu, data_pdus, encode_command
from orthanclite.dimse.scp.table import Retrieval
from orthanclite.dimse.service import Service
from orthanclite.dimse.status import CANCEL, PENDING, SUCCESS, UNABLE_TO_PROCESS
from tests.dimse.conftest import StartServer
from tests.dimse.support import CT, Site, ct, eventually, needs_dcmtk
from tests.dimse.upper.accepted.test_conversation import request
from tests.dimse.upper.accepted.test_negotiation import ABSTRACT, TRANSFER, item
from tests.dimse.upper.accepted.test_negotiation import context as proposed
from tests.dimse.upper.accepted.test_negotiation import request as associate_request
from tests.support.lab import Lab
from tests.support.scu import paused

MR = str(MRImageStorage)
STUDY_ROOT, PATIENT_ROOT = (
    str(StudyRootQueryRetrieveInformationModelGet),
    str(PatientRootQueryRetrieveInformationModelGet),
)
EVERYTHING = frozenset(Service)
ROLES = [build_role(CT, scp_role=True), build_role(MR, scp_role=True)]
Answer = tuple[Dataset, Dataset | None]


def stored(laboratory: Lab, **changes: Any) -> pydicom.Dataset:
    """Store a CT image with such changes."""
    dataset = ct(**changes)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    file = pydicom.filebase.DicomBytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    laboratory.store(file.getvalue())
    return dataset


@pytest.fixture
def site(start: StartServer, laboratory: Lab, retrieval: Retrieval) -> Site:
    """Two patients: ANA has a study of two series with three and one images, and one of one; BOB has one."""
    for patient, study, series, number in (
        ("ANA", 1, 1, 1),
        ("ANA", 1, 1, 2),
        ("ANA", 1, 1, 3),
        ("ANA", 1, 2, 1),
        ("ANA", 2, 1, 1),
        ("BOB", 3, 1, 1),
    ):
        stored(
            laboratory,
            PatientID=patient,
            AccessionNumber=f"ACC{study}",
            StudyInstanceUID=f"1.2.{study}",
            SeriesInstanceUID=f"1.2.{study}.{series}",
            SOPInstanceUID=f"1.2.{study}.{series}.{number}",
            SOPClassUID=MR if series == 2 else CT,
            InstanceNumber=10 - number,
        )
    return start(always_allow=EVERYTHING, retrieval=retrieval)


class Receiver:
    """An SCU of C-GET that keeps what it gets."""

    def __init__(self, statuses: Sequence[int] = ()) -> None:
        self.files: dict[str, tuple[str, bytes]] = {}  # transfer syntax and data set, by SOP Instance UID
        self.then: Callable[[Any, int], None] = lambda event, count: None
        self._statuses = list(statuses)

    def store(self, event: Any) -> int:
        data = event.request.DataSet.getvalue()
        self.files[event.request.AffectedSOPInstanceUID] = event.context.transfer_syntax, data
        self.then(event, len(self.files))
        return self._statuses.pop(0) if self._statuses else SUCCESS

    @contextmanager
    def associate(
        self,
        site: Site,
        roles: Sequence[Any] = ROLES,
        classes: Sequence[str] = (STUDY_ROOT, PATIENT_ROOT, CT, MR),
        syntaxes: Sequence[str] = (ExplicitVRLittleEndian,),
        **more: Any,
    ) -> Iterator[Association]:
        handlers = [(evt.EVT_C_STORE, self.store)]
        with site.associate(
            *classes, syntaxes=syntaxes, ext_neg=list(roles), evt_handlers=handlers, **more
        ) as association:
            yield association

    def get(self, site: Site, identifier: Mapping[str, Any], **how: Any) -> list[Answer]:
        """The responses to one C-GET over an association of its own."""
        model = how.pop("model", STUDY_ROOT)
        with self.associate(site, **how) as association:
            return get(association, identifier, model)


def get(association: Association, identifier: Mapping[str, Any], model: str = STUDY_ROOT) -> list[Answer]:
    query = Dataset()
    with warnings.catch_warnings(action="ignore"):  # some are not as they should be
        for keyword, value in identifier.items():
            setattr(query, keyword, value)
    return list(association.send_c_get(query, model))


def counts(status: Dataset) -> tuple[int | None, ...]:
    """Remaining, completed, failed and warning sub-operations."""
    names = ("Remaining", "Completed", "Failed", "Warning")
    return tuple(status.get(f"NumberOf{name}Suboperations") for name in names)


def failed(answers: list[Answer]) -> list[str]:
    """The list of what has failed, in the final response."""
    identifier = answers[-1][1]
    if not identifier:
        return []
    found = identifier.FailedSOPInstanceUIDList
    return [str(found)] if isinstance(found, str) else [str(uid) for uid in found]


STUDY = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.1"}


@pytest.mark.parametrize(
    ("identifier", "found"),
    [
        ({"QueryRetrieveLevel": "PATIENT", "PatientID": "ANA"}, "1.1.1 1.1.2 1.1.3 1.2.1 2.1.1"),
        ({"QueryRetrieveLevel": "PATIENT", "PatientID": "ana"}, "1.1.1 1.1.2 1.1.3 1.2.1 2.1.1"),
        ({"QueryRetrieveLevel": "PATIENT", "PatientID": ["BOB", "NOBODY"]}, "3.1.1"),
        ({"QueryRetrieveLevel": "PATIENT", "PatientID": "BOB", "PatientName": "X"}, "3.1.1"),
        (STUDY, "1.1.1 1.1.2 1.1.3 1.2.1"),
        ({**STUDY, "QueryRetrieveLevel": "study"}, "1.1.1 1.1.2 1.1.3 1.2.1"),
        ({**STUDY, "PatientID": "BOB"}, "1.1.1 1.1.2 1.1.3 1.2.1"),  # keys above do not matter
        ({**STUDY, "StudyInstanceUID": ["1.2.2", "1.2.3"]}, "2.1.1 3.1.1"),
        ({**STUDY, "AccessionNumber": "ACC2"}, "2.1.1"),
        ({**STUDY, "AccessionNumber": ""}, "1.1.1 1.1.2 1.1.3 1.2.1"),
        ({"QueryRetrieveLevel": "STUDY", "AccessionNumber": ["ACC2", "ACC3"]}, "2.1.1 3.1.1"),
        ({"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": "1.2.1.2"}, "1.2.1"),
        ({"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": "9", "SeriesInstanceUID": "1.2.1.2"}, "1.2.1"),
        ({"QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": ["1.2.1.1.3", "1.2.3.1.1"]}, "1.1.3 3.1.1"),
        ({"SOPInstanceUID": "1.2.1.1.3", "PatientID": "ANA"}, "1.1.3"),
        ({"PatientID": "BOB"}, "3.1.1"),
    ],
    ids=str,
)
def test_the_key_of_the_level_tells_what_comes(site: Site, identifier: dict[str, Any], found: str) -> None:
    receiver = Receiver()
    answers = receiver.get(site, identifier)
    wanted = [f"1.2.{name}" for name in found.split()]
    assert sorted(receiver.files) == sorted(wanted)
    total = len(wanted)
    assert [status.Status for status, _ in answers] == [*[PENDING] * total, SUCCESS]
    expected: list[tuple[int | None, ...]] = [(total - done, done, 0, 0) for done in range(1, total + 1)]
    assert [counts(status) for status, _ in answers] == [*expected, (None, total, 0, 0)]
    assert not answers[-1][1]


def test_instances_come_series_by_series_in_the_order_of_their_numbers(site: Site, laboratory: Lab) -> None:
    stored(
        laboratory,
        PatientID="ANA",
        StudyInstanceUID="1.2.1",
        SeriesInstanceUID="1.2.1.1",
        SOPInstanceUID="1.2.1.1.0",
        InstanceNumber=1,
    )
    receiver = Receiver()
    receiver.get(site, STUDY)
    first = ["1.2.1.1.0", "1.2.1.1.3", "1.2.1.1.2", "1.2.1.1.1"]
    assert list(receiver.files) == [*first, "1.2.1.2.1"]


@pytest.mark.parametrize(
    "identifier",
    [
        {"QueryRetrieveLevel": "STUDY"},
        {"QueryRetrieveLevel": "STUDY", "PatientID": "ANA"},
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""},
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "9.9"},
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.*"},
        {"QueryRetrieveLevel": "PATIENT", "PatientID": "*"},
        {"QueryRetrieveLevel": "PATIENT", "AccessionNumber": "ACC1"},
        {"QueryRetrieveLevel": "SERIES", "AccessionNumber": "ACC1"},
        {"QueryRetrieveLevel": "FRAME", "StudyInstanceUID": "1.2.1"},
        {"QueryRetrieveLevel": "", "StudyInstanceUID": "1.2.1"},
        {"PatientName": "Test"},
    ],
    ids=str,
)
def test_what_names_nothing_is_refused(site: Site, identifier: dict[str, Any]) -> None:
    receiver = Receiver()
    [(status, data)] = receiver.get(site, identifier)
    assert (status.Status, counts(status)) == (UNABLE_TO_PROCESS, (None, 0, 0, 0))
    assert not data
    assert status.ErrorComment
    assert not receiver.files


def test_an_identifier_that_is_no_data_set_is_refused(site: Site) -> None:
    for data in (b"", b"\xff" * 20):
        with Receiver().associate(site) as association, paused(association):
            command: dict[int, int | str] = {0x0002: STUDY_ROOT, 0x0100: 0x0010, 0x0110: 7, 0x0800: 1}
            request(association, command, data, STUDY_ROOT)
            _, answer = association.dimse.get_msg(block=True)
            assert answer is not None
            assert answer.Status == UNABLE_TO_PROCESS


def test_two_patients_whose_identifiers_differ_in_case_only_are_two(site: Site, laboratory: Lab) -> None:
    stored(
        laboratory,
        PatientID="Ana",
        StudyInstanceUID="1.2.9",
        SeriesInstanceUID="1.2.9.1",
        SOPInstanceUID="1.2.9.1.1",
    )
    receiver = Receiver()
    receiver.get(site, {"QueryRetrieveLevel": "PATIENT", "PatientID": "Ana"})
    assert list(receiver.files) == ["1.2.9.1.1"]


@pytest.mark.parametrize("model", [STUDY_ROOT, PATIENT_ROOT])
def test_both_models_have_all_levels(site: Site, model: str) -> None:
    receiver = Receiver()
    for identifier in (STUDY, {"QueryRetrieveLevel": "PATIENT", "PatientID": "BOB"}):
        assert receiver.get(site, identifier, model=model)[-1][0].Status == SUCCESS
    assert len(receiver.files) == 5


def test_the_retired_model_is_not_offered(site: Site) -> None:
    with site.associate(str(PatientStudyOnlyQueryRetrieveInformationModelGet)) as association:
        assert not association.accepted_contexts


@pytest.mark.parametrize(
    "roles",
    [
        ROLES,
        [build_role(CT, scu_role=True, scp_role=True), build_role(MR, scu_role=True, scp_role=True)],
        [],  # as the reference: that its contexts were accepted is enough
        ROLES[:1],
    ],
    ids=["SCP", "both", "none", "of one class"],
)
def test_roles_are_granted_as_the_peer_asks(site: Site, roles: list[Any]) -> None:
    receiver = Receiver()
    with receiver.associate(site, roles) as association:
        granted = {
            uid: (item.scu_role, item.scp_role) for uid, item in association.acceptor.role_selection.items()
        }
        # Without a role, pynetdicom's client refuses what it gets.
        final = get(association, STUDY)[-1][0].Status
    assert granted == {role.sop_class_uid: (role.scu_role or False, role.scp_role) for role in roles}
    assert (final, len(receiver.files)) == {0: (0xA702, 0), 1: (0xB000, 3), 2: (SUCCESS, 4)}[len(roles)]


def test_a_class_in_which_the_peer_is_the_scu_only_fails_and_the_others_come(site: Site) -> None:
    receiver = Receiver()
    roles = [build_role(CT, scp_role=True), build_role(MR, scu_role=True)]
    answers = receiver.get(site, STUDY, roles=roles)
    status = answers[-1][0]
    assert (status.Status, counts(status)) == (0xB000, (None, 3, 1, 0))
    assert status.ErrorComment.startswith("No valid presentation context was negotiated for SOP class UID")
    assert failed(answers) == ["1.2.1.2.1"]
    assert len(receiver.files) == 3


def test_nothing_at_all_can_be_sent_without_a_context(site: Site) -> None:
    answers = Receiver().get(site, STUDY, classes=(STUDY_ROOT,), roles=())
    status = answers[-1][0]
    assert (status.Status, counts(status)) == (0xA702, (None, 0, 4, 0))
    assert sorted(failed(answers)) == ["1.2.1.1.1", "1.2.1.1.2", "1.2.1.1.3", "1.2.1.2.1"]


@pytest.mark.parametrize(
    ("statuses", "final", "numbers"),
    [
        ([0xA700] * 4, 0xA702, (0, 4, 0)),
        ([0, 0xA700], 0xB000, (3, 1, 0)),
        ([0xB000] * 4, 0xB000, (0, 0, 4)),
        ([0xB000, 0xA700, 0xC000, 0xA900], 0xB000, (0, 3, 1)),
        ([0x0111], SUCCESS, (4, 0, 0)),
    ],
)
def test_what_the_peer_says_is_counted(
    site: Site, statuses: list[int], final: int, numbers: tuple[int, ...]
) -> None:
    receiver = Receiver(statuses)
    answers = receiver.get(site, STUDY)
    status = answers[-1][0]
    assert (status.Status, counts(status)[1:]) == (final, numbers)
    assert len(receiver.files) == 4  # a failure does not end it
    refused = [code for code in statuses if code not in (0, 0x0111, 0xB000)]
    assert len(failed(answers)) == len(refused) == numbers[1]
    assert [counts(one)[0] for one, _ in answers[:-1]] == [3, 2, 1, 0]
    assert ("ErrorComment" in status) == bool(refused)


def compressed(laboratory: Lab) -> pydicom.Dataset:
    """An instance in RLE is stored; as it was before."""
    dataset = ct(StudyInstanceUID="1.2.8")
    original = ct(StudyInstanceUID="1.2.8")
    dataset.compress(RLELossless, generate_instance_uid=False)
    file = pydicom.filebase.DicomBytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    laboratory.store(file.getvalue())
    return original


def decoded(syntax: str, data: bytes) -> Dataset:
    """A data set that came, with the head of a file."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    head = pydicom.filebase.DicomBytesIO()
    pydicom.filewriter.write_file_meta_info(head, meta, enforce_standard=False)
    whole = bytes(128) + b"DICM" + head.getvalue() + data
    return pydicom.dcmread(pydicom.filebase.DicomBytesIO(whole))


@pytest.mark.parametrize(
    ("proposed", "received"),
    [
        ([RLELossless], RLELossless),
        ([ExplicitVRLittleEndian], ExplicitVRLittleEndian),
        ([ImplicitVRLittleEndian], ImplicitVRLittleEndian),
        ([JPEGLosslessSV1], JPEGLosslessSV1),
    ],
)
def test_what_the_peer_does_not_take_is_transcoded_without_loss(
    site: Site, laboratory: Lab, proposed: list[str], received: str
) -> None:
    original = compressed(laboratory)
    receiver = Receiver()
    identifier = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.8"}
    with site.associate(
        ext_neg=ROLES,
        evt_handlers=[(evt.EVT_C_STORE, receiver.store)],
        contexts=[build_context(STUDY_ROOT, [ExplicitVRLittleEndian]), build_context(CT, proposed)],
    ) as association:
        assert get(association, identifier)[-1][0].Status == SUCCESS
    [(uid, (syntax, data))] = receiver.files.items()
    dataset = decoded(syntax, data)
    assert (uid, syntax) == (original.SOPInstanceUID, received)
    assert dataset.SOPInstanceUID == uid
    assert (dataset.pixel_array == original.pixel_array).all()


def test_nothing_is_sent_with_losses(site: Site, laboratory: Lab) -> None:
    compressed(laboratory)
    contexts = [
        build_context(STUDY_ROOT, [ExplicitVRLittleEndian]),
        build_context(CT, [JPEGBaseline8Bit]),
    ]
    receiver = Receiver()
    with site.associate(
        ext_neg=ROLES, evt_handlers=[(evt.EVT_C_STORE, receiver.store)], contexts=contexts
    ) as association:
        identifier = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.8"}
        assert get(association, identifier)[-1][0].Status == 0xA702
    assert not receiver.files


def test_it_is_cancelled_between_two_instances(site: Site, laboratory: Lab) -> None:
    for number in range(40):
        stored(
            laboratory,
            StudyInstanceUID="1.2.7",
            SeriesInstanceUID="1.2.7.1",
            SOPInstanceUID=f"1.2.7.{number}",
        )
    receiver = Receiver([0xA700])

    def cancel(event: Any, count: int) -> None:
        if count == 3:
            event.assoc.send_c_cancel(1, query_model=STUDY_ROOT)

    receiver.then = cancel
    answers = receiver.get(site, {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.7"})
    status = answers[-1][0]
    remaining, completed, failures, warnings = counts(status)
    assert status.Status == CANCEL
    assert remaining
    assert completed
    assert (remaining + completed, failures, warnings) == (39, 1, 0)
    assert len(failed(answers)) == 1
    assert len(receiver.files) == completed + 1 < 40


def test_several_are_served_over_one_association(site: Site) -> None:
    receiver = Receiver()
    with receiver.associate(site) as association:
        for identifier in (STUDY, {"QueryRetrieveLevel": "PATIENT", "PatientID": "BOB"}, STUDY):
            assert get(association, identifier)[-1][0].Status == SUCCESS
        assert association.is_established
    assert len(receiver.files) == 5


def test_an_instance_whose_file_is_gone_is_told(site: Site) -> None:
    [instance] = [
        one
        for one in site.instances()
        if ".1.1.2" in str(pydicom.dcmread(pydicom.filebase.DicomBytesIO(site.file(one))).SOPInstanceUID)
    ]
    uuid = site.lab.index.annotations.attachments(Level.INSTANCE, instance)[1].uuid
    site.lab.blobs.path(uuid).unlink()
    receiver = Receiver()
    answers = receiver.get(site, STUDY)
    assert (answers[-1][0].Status, failed(answers)) == (0xB000, ["1.2.1.1.2"])
    assert len(receiver.files) == 3


def test_who_may_not_is_aborted(start: StartServer, retrieval: Retrieval, laboratory: Lab) -> None:
    stored(laboratory, StudyInstanceUID="1.2.1")
    site = start(retrieval=retrieval)
    receiver = Receiver()
    with receiver.associate(site) as association:
        get(association, STUDY)
        assert eventually(lambda: association.is_aborted)
    assert not receiver.files


@pytest.mark.parametrize("ending", ["abort", "release", "close"])
def test_a_peer_that_leaves_in_between_leaves_nothing_behind(
    site: Site, laboratory: Lab, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    threads = threading.active_count()
    receiver = Receiver()

    def leave(event: Any, count: int) -> None:
        if count == 2:
            association = event.assoc
            if ending == "abort":
                association.abort()
            elif ending == "release":
                association.dul.socket.send(bytes((5, 0, 0, 0, 0, 4, 0, 0, 0, 0)))
            else:
                association.dul.socket.close()

    receiver.then = leave
    with receiver.associate(site) as association:
        association.dimse_timeout = 2  # pynetdicom's client waits, though it has aborted itself
        get(association, STUDY)
        if association.is_established:
            association.abort()
    assert eventually(lambda: site.server.active_associations == 0)
    assert eventually(lambda: threading.active_count() <= threads)
    assert not [record for record in caplog.records if record.exc_info]
    assert site.is_alive()


def test_an_answer_to_another_message_is_not_taken_for_one(site: Site) -> None:
    """A wrong message ID: the peer does not know what it is doing, and is not waited for."""
    receiver = Receiver()
    with receiver.associate(site) as association, paused(association):
        command: dict[int, int | str] = {0x0002: STUDY_ROOT, 0x0100: 0x0010, 0x0110: 7, 0x0800: 1}
        query = Dataset()
        query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", "1.2.1"
        encoded = encode(query, False, True)
        assert encoded
        request(association, command, encoded, STUDY_ROOT)
        _, asked = association.dimse.get_msg(block=True)
        assert asked is not None
        wrong: dict[int, int | str] = {0x0002: CT, 0x0100: 0x8001, 0x0120: 4711, 0x0800: 0x0101, 0x0900: 0}
        request(association, wrong, b"", CT)
        assert eventually(lambda: association.is_aborted or not association.dul.is_alive(), 20)
    assert eventually(lambda: site.server.active_associations == 0)


def test_a_peer_that_reads_nothing_is_given_up(
    start: StartServer, laboratory: Lab, retrieval: Retrieval
) -> None:
    """What fits into the buffers of the network is sent; then the association ends with its time-out."""
    stored(laboratory, StudyInstanceUID="1.2.1", Rows=4096, Columns=4096, PixelData=bytes(32 << 20))
    site = start(always_allow=EVERYTHING, retrieval=retrieval, scp_timeout=1)
    threads = threading.active_count()
    proposal = associate_request(
        *(
            proposed(number, item(ABSTRACT, uid.encode()), item(TRANSFER, ExplicitVRLittleEndian.encode()))
            for number, uid in ((1, CT), (9, STUDY_ROOT))
        )
    )
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", "1.2.1"
    identifier = encode(query, False, True)
    assert identifier
    with site.connect() as connection:
        connection.sendall(proposal)
        assert connection.recv(65536)[0] == 2
        command = encode_command({0x0002: STUDY_ROOT, 0x0100: 0x0010, 0x0110: 1, 0x0800: 1})
        connection.sendall(command_pdu(9, command) + b"".join(data_pdus(9, [identifier], 16384)))
        assert eventually(lambda: site.server.active_associations == 1)
        assert eventually(lambda: site.server.active_associations == 0, 15)
        assert eventually(lambda: threading.active_count() <= threads)
    assert site.is_alive()


@needs_dcmtk
@pytest.mark.parametrize("options", [(), ("+xi",), ("+xe",)], ids=str)
def test_getscu_receives_a_study(site: Site, tmp_path: Path, options: tuple[str, ...]) -> None:
    folder = tmp_path / "received"
    folder.mkdir()
    result = site.run(
        "getscu",
        options=["-v", *options, "-S", "-od", str(folder), *key("STUDY"), *key("1.2.1", "StudyInstanceUID")],
    )
    assert result.returncode == 0, result.stderr
    received = {str(pydicom.dcmread(file).SOPInstanceUID) for file in folder.iterdir()}
    assert received == {"1.2.1.1.1", "1.2.1.1.2", "1.2.1.1.3", "1.2.1.2.1"}


def key(value: str, name: str = "QueryRetrieveLevel") -> list[str]:
    return ["-k", f"{name}={value}"]


@needs_dcmtk
def test_fifty_at_once(site: Site) -> None:
    results: list[int] = []

    def fetch() -> None:
        receiver = Receiver()
        answers = receiver.get(site, STUDY)
        results.append(len(receiver.files) if answers[-1][0].get("Status") == SUCCESS else -1)

    threads = [threading.Thread(target=fetch) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [4] * 50
    assert eventually(lambda: site.server.active_associations == 0)


def test_an_index_that_fails_in_between_aborts_without_a_traceback(
    start: StartServer, laboratory: Lab, retrieval: Retrieval, caplog: pytest.LogCaptureFixture
) -> None:
    stored(laboratory, StudyInstanceUID="1.2.1")

    class Failing:
        def find(self, ids: Sequence[str]) -> Iterator[Any]:
            raise DatabaseUnavailable

        def data_set(self, instance: Any) -> Iterator[Any]:
            raise NotImplementedError

    site = start(always_allow=EVERYTHING, retrieval=replace(retrieval, instances=Failing()))
    with Receiver().associate(site) as association:
        get(association, STUDY)
        assert eventually(lambda: association.is_aborted)
    assert not [record for record in caplog.records if record.exc_info]
    assert site.is_alive()
