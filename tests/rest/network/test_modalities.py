"""Modalities are called over REST: a server process, and DCMTK, Orthanc and scripted peers as modalities."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset

from orthanclite.core.identifiers import hierarchy
from orthanclite.dimse.command import Command
from tests.dimse.raw_peer import ABORT, Call, raw_peer
from tests.dimse.support import eventually, needs_dcmtk
from tests.support.ports import free_port
from tests.support.server import REFERENCE, Server, orthanclite, reference, running

COUNT = 12


def slices() -> list[FileDataset]:
    made = []
    for number in range(COUNT):
        one = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        one.InstanceNumber = number
        made.append(one)
    return made


def written(dataset: FileDataset) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


FILES = [written(one) for one in slices()]
FIRST = slices()[0]
TREE = hierarchy(FIRST.PatientID, FIRST.StudyInstanceUID, FIRST.SeriesInstanceUID, FIRST.SOPInstanceUID)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = {"LogExportedResources": True, "DicomScuTimeout": 3, "DicomAet": "US", "JobsHistorySize": 100}
    with running(orthanclite(tmp_path_factory.mktemp("site"), config)) as started:
        for file in FILES:
            started.upload(file)
        yield started


@contextmanager
def storescp(folder: Path, *options: str) -> Iterator[int]:
    """DCMTK's storage SCP, which writes what it gets; its port."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    command = ["storescp", "-od", str(folder), "-aet", "SCP", *options, str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert eventually(
            lambda: subprocess.run(["echoscu", "127.0.0.1", str(port)], capture_output=True).returncode == 0
        )
        yield port
    finally:
        process.terminate()
        process.wait()


def register(site: Server, name: str, port: int, **more: Any) -> None:
    body = {"AET": name.upper(), "Host": "127.0.0.1", "Port": port, **more}
    site.client.put(f"/modalities/{name}", json=body).raise_for_status()


def post(site: Server, path: str, body: Any = None, status: int = 200) -> Any:
    answer = (
        site.client.post(path, json=body)
        if not isinstance(body, bytes)
        else site.client.post(path, content=body)
    )
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def received(folder: Path) -> dict[str, bytes]:
    """The data sets that were written, by SOP instance."""
    found = {}
    for path in folder.iterdir():
        data = path.read_bytes()
        dataset = pydicom.dcmread(BytesIO(data))
        length = 144 + dataset.file_meta.FileMetaInformationGroupLength
        found[str(dataset.SOPInstanceUID)] = data[length:]
    return found


# -- echo ------------------------------------------------------------------------------------------


@needs_dcmtk
def test_echo(site: Server, tmp_path: Path) -> None:
    with storescp(tmp_path / "scp") as port:
        register(site, "scp", port)
        assert post(site, "/modalities/scp/echo") == {}
        assert post(site, "/modalities/scp/echo", {"Timeout": 2}) == {}
        assert post(site, "/tools/dicom-echo", ["SCP", "127.0.0.1", port]) == {}
        assert (
            post(site, "/tools/dicom-echo", {"AET": "SCP", "Host": "127.0.0.1", "Port": port, "Timeout": 0})
            == {}
        )
        failed = post(site, "/modalities/scp/echo", {"CheckFind": True}, 500)
        assert failed["OrthancStatus"] == 2016
    failed = post(site, "/modalities/scp/echo", status=500)
    assert failed["OrthancStatus"] == 9
    assert "Connection refused" in failed["Details"]
    assert post(site, "/modalities/nobody/echo", status=404)["OrthancStatus"] == 7
    assert post(site, "/modalities/scp/echo", {"Timeout": -1}, 400)["OrthancStatus"] == 5
    assert post(site, "/modalities/scp/echo", {"Timeout": "1"}, 400)["OrthancStatus"] == 15
    assert post(site, "/modalities/scp/echo", {"CheckFind": 1}, 400)["OrthancStatus"] == 15
    assert post(site, "/modalities/scp/echo", b"{", 400)["OrthancStatus"] == 15


def test_a_failed_echo_tells_its_status(site: Server) -> None:
    def behave(call: Call) -> None:
        call.accept()
        context, request, _ = call.read_message()
        call.respond(context, request, 0x0122)
        call.finish()

    with raw_peer(behave) as peer:
        register(site, "raw", peer.port)
        failed = post(site, "/modalities/raw/echo", status=500)
    assert failed["ErrorPayload"] == {"Type": "Dimse", "Content": {"DimseErrorStatus": 0x0122}}


def test_the_options_reach_the_wire(site: Server) -> None:
    with raw_peer(lambda call: (call.accept(), store_all(call))[0]) as peer:
        register(site, "raw", peer.port, LocalAet="OWN")
        post(site, "/modalities/raw/store", [TREE.instance])
        body = {"Resources": [TREE.instance], "LocalAet": "X", "CalledAet": "Y", "MoveOriginatorID": 7}
        content = post(site, "/modalities/raw/store", body)
        peer.join()
    assert (content["LocalAet"], content["RemoteAet"]) == ("X", "Y")
    assert (content["MoveOriginatorAET"], content["MoveOriginatorID"]) == ("X", 7)
    titles = [
        (call.request.calling_ae_title, call.request.called_ae_title) for call in peer.calls if call.request
    ]
    assert titles == [("OWN", "RAW"), ("X", "Y")]


# -- store -----------------------------------------------------------------------------------------


@needs_dcmtk
def test_a_series_arrives_byte_for_byte(site: Server, tmp_path: Path) -> None:
    with storescp(tmp_path / "scp", "+B") as port:  # bit-preserving
        register(site, "scp", port)
        content = post(site, "/modalities/scp/store", [TREE.series])
    assert content == {
        "Description": "REST API",
        "FailedInstancesCount": 0,
        "InstancesCount": COUNT,
        "LocalAet": "US",
        "RemoteAet": "SCP",
        "ParentResources": [TREE.series],
        "Resources": [{"ID": TREE.series, "Type": "Series"}],
    }
    sent = received(tmp_path / "scp")
    assert len(sent) == COUNT
    for file in FILES:
        dataset = pydicom.dcmread(BytesIO(file))
        assert file.endswith(sent[dataset.SOPInstanceUID])


@needs_dcmtk
@pytest.mark.parametrize("level", ["instance", "series", "study", "patient"])
def test_all_forms_and_levels(site: Server, tmp_path: Path, level: str) -> None:
    id = getattr(TREE, level)
    with storescp(tmp_path / "scp") as port:
        register(site, "scp", port)
        for body in (id.encode(), b" " + id.encode() + b"\n", id, [id], {"Resources": [id]}):
            content = post(site, "/modalities/scp/store", body)
            assert content["InstancesCount"] == (1 if level == "instance" else COUNT)
        assert post(site, "/modalities/scp/store", [])["InstancesCount"] == 0


@needs_dcmtk
def test_what_a_peer_does_not_take_as_it_is_is_transcoded(site: Server, tmp_path: Path) -> None:
    with storescp(tmp_path / "scp", "+xi") as port:  # implicit only
        register(site, "scp", port)
        post(site, "/modalities/scp/store", [TREE.instance])
        register(site, "scp", port, AllowTranscoding=False)
        failed = post(site, "/modalities/scp/store", [TREE.instance], 500)
        assert "No valid presentation context was negotiated" in failed["Details"]
        failed = post(site, "/modalities/scp/store-straight", FILES[0], 500)
        assert "No valid presentation context was negotiated" in failed["Details"]
    (path,) = (tmp_path / "scp").iterdir()
    dataset = pydicom.dcmread(path)
    assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"
    assert dataset.PixelData == FIRST.PixelData


@needs_dcmtk
def test_a_file_is_sent_straight(site: Server, tmp_path: Path) -> None:
    other = slices()[0]
    other.SOPInstanceUID = "1.2.99"
    with storescp(tmp_path / "scp") as port:
        register(site, "scp", port)
        answer = post(site, "/modalities/scp/store-straight", written(other))
        assert answer == {"SOPClassUID": other.SOPClassUID, "SOPInstanceUID": "1.2.99"}
        assert post(site, "/modalities/scp/store-straight", b"none", 400)["OrthancStatus"] == 15
    assert list(received(tmp_path / "scp")) == ["1.2.99"]
    assert len(site.get("/instances")) == COUNT


@needs_dcmtk
def test_several_associations(site: Server, tmp_path: Path) -> None:
    with storescp(tmp_path / "scp", "--fork") as port:
        register(site, "scp", port, ParallelAssociations=3)
        assert site.get("/modalities/scp/configuration")["ParallelAssociations"] == 3
        assert post(site, "/modalities/scp/store", [TREE.patient])["FailedInstancesCount"] == 0
        assert len(received(tmp_path / "scp")) == COUNT
    for wrong, code in ((0, 3), (17, 3), ("2", 15)):
        body = {"AET": "A", "Host": "h", "Port": 1, "ParallelAssociations": wrong}
        answer = site.client.put("/modalities/x", json=body)
        assert (answer.status_code, answer.json()["OrthancStatus"]) == (400, code)


@pytest.mark.skipif(REFERENCE is None, reason="Orthanc is not installed")
def test_the_reference_takes_what_is_sent(site: Server, tmp_path: Path) -> None:
    with running(reference(tmp_path / "reference", {"DicomAet": "OTHER"})) as other:
        register(site, "other", other.dicom_port)
        post(site, "/modalities/other/echo", {"CheckFind": False})
        post(site, "/modalities/other/store", [TREE.patient])
        assert len(other.get("/instances")) == COUNT
        assert other.client.get(f"/instances/{TREE.instance}/metadata/RemoteAET").text == "US"


@pytest.mark.parametrize(
    ("body", "code", "details"),
    [
        (b"", 15, "Must provide a JSON value"),
        (b"nope", 15, "Must provide a JSON value"),
        (b"12", 15, "Must provide a JSON object, or a JSON array of strings"),
        ("", 15, "This string is not a valid Orthanc identifier: "),
        (["nope"], 15, "This string is not a valid Orthanc identifier: nope"),
        ([12], 15, "Resources to be exported must be specified as a JSON array of strings"),
        ({}, 15, 'Missing field in JSON: "Resources"'),
        ({"Resources": TREE.instance}, 15, 'JSON field "Resources" must contain an array'),
        ({"Resources": [], "LocalAet": 1}, 5, None),
        ({"Resources": [], "LocalAet": ""}, 3, None),
        ({"Resources": [], "CalledAet": ""}, 3, None),
        ({"Resources": [], "Host": ""}, 3, None),
        ({"Resources": [], "Host": 1}, 5, None),
        ({"Resources": [], "Port": "x"}, 5, None),
        ({"Resources": [], "Port": 0}, 3, None),
        ({"Resources": [], "Port": 70000}, 3, None),
        ({"Resources": [], "MoveOriginatorAet": 1}, 5, None),
        ({"Resources": [], "MoveOriginatorID": "x"}, 5, None),
        ({"Resources": [], "MoveOriginatorID": 65536}, 3, None),
        ({"Resources": [], "MoveOriginatorID": 1, "MoveOriginatorAet": "é"}, 3, None),
        ({"Resources": [], "Timeout": -1}, 5, None),
        ({"Resources": [], "Timeout": 1.5}, 15, None),
        ({"Resources": [], "Permissive": 1}, 15, None),
        ({"Resources": [], "Retry": "x"}, 15, None),
        ({"Resources": [], "Retry": -1}, 3, None),
    ],
)
def test_what_is_wrong_with_a_request(site: Server, body: Any, code: int, details: str | None) -> None:
    register(site, "dead", free_port())
    before = site.get("/jobs")
    failed = post(site, "/modalities/dead/store", body, 400)
    assert failed["OrthancStatus"] == code
    if details is not None:
        assert failed["Details"] == details
    assert site.get("/jobs") == before


def test_unknown_resources_and_modalities(site: Server) -> None:
    unknown = "-".join(["00000000"] * 5)
    register(site, "dead", free_port())
    assert post(site, "/modalities/dead/store", [TREE.instance, unknown], 404)["OrthancStatus"] == 17
    assert post(site, "/modalities/nobody/store", [TREE.instance], 404)["OrthancStatus"] == 7
    assert post(site, "/modalities/nobody/store-straight", FILES[0], 404)["OrthancStatus"] == 7


# -- failures --------------------------------------------------------------------------------------


def store_all(call: Call, answer: Callable[[int, int, Command], object] | None = None) -> None:
    """Answer C-STORE-RQs until the other end releases; ``answer`` may do something else instead."""
    number = 0
    while True:
        kind = call.connection.recv(1, 2)  # MSG_PEEK
        if kind != b"\x04":
            call.finish()
            return
        context, request, _ = call.read_message()
        number += 1
        if answer is None or answer(number, context, request) is None:
            call.respond(context, request, 0)


def job(site: Server, body: dict[str, Any]) -> dict[str, Any]:
    """An asynchronous store, when it has ended."""
    id = post(site, "/modalities/raw/store", {**body, "Asynchronous": True})["ID"]
    shown: dict[str, Any] = {}

    def is_over() -> bool:
        shown.update(site.get(f"/jobs/{id}"))
        return shown["State"] in ("Success", "Failure")

    assert eventually(is_over)
    return shown


def spoil(what: str) -> Callable[[Call], None]:
    """A peer that does something wrong at the second instance, the first time it is called."""
    calls: list[Call] = []

    def behave(call: Call) -> None:
        calls.append(call)
        call.accept()
        if len(calls) > 1:
            store_all(call)
            return

        def answer(number: int, context: int, request: Command) -> object:
            if number != 2:
                return None
            if what == "abort":
                call.connection.sendall(ABORT)
            elif what == "close":
                call.connection.shutdown(2)
            elif what == "garbage":
                call.connection.sendall(b"HTTP/1.1 500 No\r\n\r\n")
            elif what == "wrong id":
                call.respond(context, request, 0, message_id=99)
            elif what == "release":
                call.send(5, bytes(4))
            elif what == "full":
                call.respond(context, request, 0xA700)
            return what  # "silence" does nothing

        store_all(call, answer)

    return behave


FAULTS = ["abort", "close", "garbage", "wrong id", "release", "silence", "full"]


@pytest.mark.parametrize("what", FAULTS)
def test_each_fault_fails_a_job(site: Server, what: str) -> None:
    with raw_peer(spoil(what)) as peer:
        register(site, "raw", peer.port)
        shown = job(site, {"Resources": [TREE.series], "Timeout": 1})
        assert shown["State"] == "Failure"
        assert shown["ErrorCode"] == 9
        assert shown["Content"]["FailedInstancesCount"] == 1
        assert shown["Progress"] == round(100 / COUNT)
        if what == "full":
            assert shown["ErrorPayload"]["Content"]["DimseErrorStatus"] == 0xA700
        peer.join()  # nothing holds the association
        assert len(peer.calls) == 1


@pytest.mark.parametrize("what", FAULTS)
def test_a_permissive_job_tells_what_each_fault_cost(site: Server, what: str) -> None:
    with raw_peer(spoil(what)) as peer:
        register(site, "raw", peer.port)
        shown = job(site, {"Resources": [TREE.series], "Timeout": 1, "Permissive": True})
        assert shown["State"] == "Success"
        assert shown["Content"]["FailedInstancesCount"] == 1
        assert len(shown["Content"]["FailedInstances"]) == 1
        peer.join()
        assert len(peer.calls) == (1 if what == "full" else 2)


@pytest.mark.parametrize("what", FAULTS)
def test_with_retries_everything_arrives(site: Server, what: str) -> None:
    uids: list[str] = []
    spoiled = spoil(what)

    def behave(call: Call) -> None:
        respond = call.respond

        def noting(context: int, request: Command, status: int, *rest: Any, **more: Any) -> None:
            if status == 0 and not more:
                uids.append(request.sop_instance_uid)
            respond(context, request, status, *rest, **more)

        call.respond = noting  # type: ignore[method-assign]
        spoiled(call)

    with raw_peer(behave) as peer:
        register(site, "raw", peer.port)
        shown = job(site, {"Resources": [TREE.series], "Timeout": 1, "Retry": 1})
        assert shown["State"] == "Success"
        assert shown["Content"]["FailedInstancesCount"] == 0
        assert len(uids) == len(set(uids)) == COUNT  # each of them once
        assert len(peer.calls) == 2


def test_a_job_is_paused_between_instances_and_goes_on_with_the_rest(site: Server) -> None:
    uids: list[str] = []

    def behave(call: Call) -> None:
        def slowly(number: int, context: int, request: Command) -> None:
            uids.append(request.sop_instance_uid)
            time.sleep(0.1)

        call.accept()
        store_all(call, slowly)

    with raw_peer(behave) as peer:
        register(site, "raw", peer.port)
        id = post(site, "/modalities/raw/store", {"Resources": [TREE.series], "Asynchronous": True})["ID"]
        assert eventually(lambda: len(uids) >= 3)
        post(site, f"/jobs/{id}/pause")
        assert eventually(lambda: site.get(f"/jobs/{id}")["State"] == "Paused")
        assert 3 <= len(uids) < COUNT
        post(site, f"/jobs/{id}/resume")
        assert eventually(lambda: site.get(f"/jobs/{id}")["State"] == "Success")
        assert len(uids) == len(set(uids)) == COUNT
        assert len(peer.calls) == 2


def test_a_running_transfer_survives_the_end_of_the_server(tmp_path: Path) -> None:
    """A restart goes on where it was; what it was at is sent again at most."""
    uids: list[str] = []

    def behave(call: Call) -> None:
        def slowly(number: int, context: int, request: Command) -> None:
            uids.append(request.sop_instance_uid)
            time.sleep(0.2)

        call.accept()
        store_all(call, slowly)

    with running(orthanclite(tmp_path / "site")) as site, raw_peer(behave) as peer:
        for file in FILES:
            site.upload(file)
        register(site, "raw", peer.port)
        body = {"Resources": [TREE.series], "Asynchronous": True}
        id = post(site, "/modalities/raw/store", body)["ID"]
        assert eventually(lambda: len(uids) >= 3)
        assert site.stop() == 0
        site.start()
        assert eventually(lambda: site.get(f"/jobs/{id}")["State"] == "Success")
        assert set(uids) == {one.SOPInstanceUID for one in slices()}
        assert len(uids) <= COUNT + 1


def test_exports_are_logged_as_they_are_asked_for(site: Server) -> None:
    site.client.delete("/exports")
    with raw_peer(lambda call: (call.accept(), store_all(call))[0]) as peer:
        register(site, "raw", peer.port)
        post(site, "/modalities/raw/store", [TREE.series, TREE.instance])
    exports = site.get("/exports")["Exports"]
    assert [(one["ResourceType"], one["ID"]) for one in exports] == [
        ("Series", TREE.series),
        ("Instance", TREE.instance),
    ]
    assert {one["RemoteModality"] for one in exports} == {"raw"}
    assert exports[0]["PatientID"] == FIRST.PatientID
    assert exports[0]["SeriesInstanceUID"] == FIRST.SeriesInstanceUID
    assert "SOPInstanceUID" not in exports[0]
    assert exports[1]["SOPInstanceUID"] == FIRST.SOPInstanceUID


def test_nothing_is_logged_without_the_option(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path / "site")) as site:
        site.upload(FILES[0])
        register(site, "dead", free_port())
        post(site, "/modalities/dead/store", [TREE.instance], 500)
        assert site.get("/exports")["Exports"] == []
