"""Storage commitment over REST: modalities are asked, and report over associations of their own."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pynetdicom import build_role
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from orthanclite.core.identifiers import hierarchy
from orthanclite.dimse.command import Command
from tests.dimse.raw_peer import Call, raw_peer
from tests.dimse.support import eventually
from tests.rest.network.test_modalities import post, register, store_all, written
from tests.support.scu import Client
from tests.support.server import Server, orthanclite, running

COUNT = 3
SOP_CLASS = "1.2.840.10008.5.1.4.1.1.2"
UIDS = [f"1.2.3.{number}" for number in range(COUNT)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = {"StorageCommitmentReportsSize": 3, "DicomScuTimeout": 3}
    with running(orthanclite(tmp_path_factory.mktemp("site"), config)) as started:
        yield started


@pytest.fixture
def site(server: Server) -> Server:
    """The server with three instances."""
    for number in range(COUNT):
        one = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
        one.SOPInstanceUID = UIDS[number]
        server.upload(written(one))
    return server


ONE = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
TREE = hierarchy(ONE.PatientID, ONE.StudyInstanceUID, ONE.SeriesInstanceUID, UIDS[0])


class Archive:
    """A modality that takes requests for commitment, and what else comes."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.actions: list[tuple[str, list[str]]] = []  # transaction, SOP instances

    def __call__(self, call: Call) -> None:
        call.accept()
        read = call.read_message

        def noting() -> tuple[int, Command, bytes]:
            context, command, data = read()
            if command.field == 0x0130:
                self._note(pydicom.dcmread(BytesIO(data), force=True))
            return context, command, data

        call.read_message = noting  # type: ignore[method-assign]
        if self.status:
            context, request, _ = call.read_message()
            call.respond(context, request, self.status)
            call.finish()
        else:
            store_all(call)

    def _note(self, dataset: Dataset) -> None:
        uids = [str(item.ReferencedSOPInstanceUID) for item in dataset.ReferencedSOPSequence]
        self.actions.append((str(dataset.TransactionUID), uids))


def report(
    site: Server,
    transaction: str | None,
    committed: list[str] | None,
    failed: list[tuple[str, int]] | None = None,
    event: int | None = None,
    instance: str = StorageCommitmentPushModelInstance,
) -> int:
    """Send a report as a modality does, in the role of the SCP; the status of the answer."""
    information = Dataset()
    if transaction is not None:
        information.TransactionUID = transaction
    if committed is not None:
        information.ReferencedSOPSequence = [reference(uid) for uid in committed]
    if failed is not None:
        information.FailedSOPSequence = [reference(uid, reason) for uid, reason in failed]
    application = Client("RAW")
    application.add_requested_context(StorageCommitmentPushModel)
    role = build_role(StorageCommitmentPushModel, scp_role=True)
    association = application.associate("127.0.0.1", site.dicom_port, ext_neg=[role])
    assert association.is_established
    try:
        kind = event or (2 if failed else 1)
        status, _ = association.send_n_event_report(information, kind, StorageCommitmentPushModel, instance)
        return int(status.Status)
    finally:
        association.release()


def reference(uid: str, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = SOP_CLASS, uid
    if reason:
        item.FailureReason = reason
    return item


@pytest.fixture
def archive(site: Server) -> Iterator[Archive]:
    made = Archive()
    with raw_peer(made) as peer:
        register(site, "raw", peer.port)
        yield made


def ask(site: Server, body: dict[str, Any]) -> str:
    answer = post(site, "/modalities/raw/storage-commitment", body)
    assert answer["Path"] == f"/storage-commitment/{answer['ID']}"
    return str(answer["ID"])


def shown(*uids: str) -> list[dict[str, str]]:
    return [{"SOPClassUID": SOP_CLASS, "SOPInstanceUID": uid} for uid in uids]


def test_resources_and_instances_are_named_in_the_request(site: Server, archive: Archive) -> None:
    pairs = [{"SOPClassUID": SOP_CLASS, "SOPInstanceUID": "9.9"}, [SOP_CLASS, "9.8"]]
    id = ask(site, {"Resources": [TREE.series], "DicomInstances": pairs})
    empty = ask(site, {"Resources": []})
    (first, instances), second = archive.actions
    assert (first, sorted(instances)) == (id, [*UIDS, "9.8", "9.9"])
    assert second == (empty, [])
    assert id.startswith("2.25.")
    assert site.get(f"/storage-commitment/{id}") == {"RemoteAET": "RAW", "Status": "Pending"}


def test_a_success_lets_the_instances_be_removed(site: Server, archive: Archive) -> None:
    id = ask(site, {"Resources": [TREE.study]})
    assert post(site, f"/storage-commitment/{id}/remove", status=500)["OrthancStatus"] == 6
    assert report(site, id, UIDS[:2]) == 0
    assert site.get(f"/storage-commitment/{id}") == {
        "RemoteAET": "RAW",
        "Status": "Success",
        "Success": shown(*UIDS[:2]),
        "Failures": [],
    }
    assert post(site, f"/storage-commitment/{id}/remove") == {}
    [left] = site.get("/instances?expand")
    assert left["MainDicomTags"]["SOPInstanceUID"] == UIDS[2]


def test_nothing_is_removed_that_was_not_asked_for(site: Server, archive: Archive) -> None:
    id = ask(site, {"Resources": [TREE.instance]})
    assert report(site, id, UIDS) == 0
    post(site, f"/storage-commitment/{id}/remove")
    assert len(site.get("/instances")) == COUNT - 1


def test_failures_are_shown_with_their_reasons_and_nothing_is_removed(site: Server, archive: Archive) -> None:
    id = ask(site, {"Resources": [TREE.series]})
    assert report(site, id, UIDS[:1], [(UIDS[1], 0x0112), (UIDS[2], 0x0999)]) == 0
    answer = site.get(f"/storage-commitment/{id}")
    assert (answer["Status"], answer["Success"]) == ("Failure", shown(UIDS[0]))
    reasons = [(one["SOPInstanceUID"], one["FailureReason"]) for one in answer["Failures"]]
    assert reasons == [(UIDS[1], 0x0112), (UIDS[2], 0x0999)]
    assert "was not available" in answer["Failures"][0]["Description"]
    assert answer["Failures"][1]["Description"] == "Unknown failure reason"
    assert post(site, f"/storage-commitment/{id}/remove", status=500)["OrthancStatus"] == 6
    assert len(site.get("/instances")) == COUNT
    assert report(site, id, UIDS) == 0  # another report replaces it
    assert site.get(f"/storage-commitment/{id}")["Status"] == "Success"


def test_reports_that_are_none_change_nothing(site: Server, archive: Archive) -> None:
    id = ask(site, {"Resources": [TREE.series]})
    assert report(site, None, UIDS) == 0x0115
    assert report(site, id, None) == 0x0115
    assert report(site, id, UIDS, event=2) == 0x0115
    assert report(site, id, UIDS, event=3) == 0x0113
    assert report(site, id, UIDS, instance="1.2.3") == 0x0112
    assert report(site, id, [], [(UIDS[0], 0)]) == 0x0115  # without a reason
    assert site.get(f"/storage-commitment/{id}")["Status"] == "Pending"
    assert report(site, "9.9.9", UIDS) == 0  # of nobody's transaction


def test_requests_are_kept_over_a_restart_and_only_so_many(site: Server, archive: Archive) -> None:
    ids = [ask(site, {"Resources": [TREE.instance]}) for _ in range(4)]
    assert site.stop() == 0
    site.start()
    assert site.client.get(f"/storage-commitment/{ids[0]}").status_code == 404
    assert [site.get(f"/storage-commitment/{id}")["Status"] for id in ids[1:]] == ["Pending"] * 3


def test_nothing_is_kept_of_a_request_that_is_refused(site: Server) -> None:
    with raw_peer(Archive(0x0110)) as peer:
        register(site, "raw", peer.port)
        failed = post(site, "/modalities/raw/storage-commitment", {"Resources": [TREE.series]}, 500)
    assert failed["OrthancStatus"] == 9
    assert failed["ErrorPayload"]["Content"]["DimseErrorStatus"] == 0x0110

    def refuse(call: Call) -> None:
        call.accept(result=3)
        call.finish()

    with raw_peer(refuse) as peer:
        register(site, "raw", peer.port)
        failed = post(site, "/modalities/raw/storage-commitment", {"Resources": [TREE.series]}, 500)
    assert failed["OrthancStatus"] == 2015


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, 15),
        ([], 400, 15),
        ({}, 400, 15),
        ({"Resources": TREE.series}, 400, 15),
        ({"Resources": ["nope"]}, 404, 17),
        ({"DicomInstances": "x"}, 400, 15),
        ({"DicomInstances": ["x"]}, 400, 15),
        ({"DicomInstances": [["a"]]}, 400, 15),
        ({"DicomInstances": [{"SOPClassUID": "1.2"}]}, 400, 15),
        ({"DicomInstances": [["1.2", "é"]]}, 400, 15),
        ({"Resources": [], "Timeout": -1}, 400, 5),
    ],
)
def test_what_is_wrong_with_a_request(site: Server, body: Any, status: int, code: int) -> None:
    register(site, "raw", 1)
    assert post(site, "/modalities/raw/storage-commitment", body, status)["OrthancStatus"] == code


def test_unknown_transactions(site: Server) -> None:
    assert site.client.get("/storage-commitment/nope").json()["OrthancStatus"] == 7
    assert post(site, "/storage-commitment/nope/remove", status=404)["OrthancStatus"] == 7


def test_a_store_asks_for_commitment_of_what_it_has_sent(site: Server, archive: Archive) -> None:
    content = post(site, "/modalities/raw/store", {"Resources": [TREE.series], "StorageCommitment": True})
    id = content["StorageCommitmentTransactionUID"]
    [(transaction, instances)] = archive.actions
    assert (transaction, sorted(instances)) == (id, UIDS)
    assert site.get(f"/storage-commitment/{id}")["Status"] == "Pending"


def test_two_of_ours_commit_to_each_other(site: Server, tmp_path: Any) -> None:
    with running(orthanclite(tmp_path / "other", {"DicomAet": "OTHER"})) as other:
        register(site, "other", other.dicom_port)
        register(other, "orthanc", site.dicom_port)
        body = {"Resources": [TREE.study], "StorageCommitment": True}
        id = post(site, "/modalities/other/store", body)["StorageCommitmentTransactionUID"]
        assert eventually(lambda: site.get(f"/storage-commitment/{id}")["Status"] != "Pending", 20)
        assert site.get(f"/storage-commitment/{id}")["Status"] == "Success"
        body = {"DicomInstances": [[SOP_CLASS, "9.9"]]}
        lost = post(site, "/modalities/other/storage-commitment", body)["ID"]
        assert eventually(lambda: site.get(f"/storage-commitment/{lost}")["Status"] == "Failure", 20)
