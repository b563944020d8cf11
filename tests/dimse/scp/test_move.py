"""C-MOVE: what arrives at the destination, and what who has asked is told of it."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    MRImageStorage,
    PatientRootQueryRetrieveInformationModelMove,
    PatientStudyOnlyQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelMove,
)

from orthanclite.core.remotes.registry import Modality
from orthanclite.dimse.scp.table import Retrieval
from orthanclite.dimse.service import Service
from orthanclite.dimse.status import CANCEL, PENDING, SUCCESS, UNABLE_TO_PROCESS
from orthanclite.dimse.upper.requested.requestor import AssociationRequestor
from orthanclite.jobs.kinds.modality_store import StoreRequest
from tests.dimse.conftest import StartServer
from tests.dimse.scp.test_get import counts, failed, key, stored
from tests.dimse.support import CT, Site, eventually, needs_dcmtk
from tests.support.lab import Lab
from tests.support.ports import free_port

STUDY_ROOT = str(StudyRootQueryRetrieveInformationModelMove)
PATIENT_ROOT = str(PatientRootQueryRetrieveInformationModelMove)
MR = str(MRImageStorage)
EVERYTHING = frozenset(Service)
Answer = tuple[Dataset, Dataset | None]
STUDY = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.1"}


class Destination:
    """A modality that stores what it gets, or does something else with it."""

    def __init__(self, statuses: Sequence[int] = (), classes: Sequence[str] = (CT, MR)) -> None:
        self.stored: list[tuple[str, Any, Any]] = []  # SOP Instance UID, originator's AE title and message ID
        self.callers: list[str] = []
        self.then: Callable[[Any, int], None] = lambda event, count: None
        self._statuses = list(statuses)
        self._classes = classes
        self.port = 0

    @property
    def uids(self) -> list[str]:
        return [uid for uid, *_ in self.stored]

    @contextmanager
    def listening(self) -> Iterator[Modality]:
        application = AE("DEST")
        application.maximum_associations = 100
        for uid in self._classes:
            application.add_supported_context(uid)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_ACCEPTED, self._accept)]
        server = application.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        assert server is not None
        self.port = server.socket.getsockname()[1]
        try:
            yield Modality("DEST", "127.0.0.1", self.port)
        finally:
            server.shutdown()
            server.server_close()

    def _accept(self, event: Any) -> None:
        self.callers.append(event.assoc.requestor.primitive.calling_ae_title.strip())

    def _store(self, event: Any) -> int:
        asked = event.request
        self.stored.append(
            (
                asked.AffectedSOPInstanceUID,
                asked.MoveOriginatorApplicationEntityTitle,
                asked.MoveOriginatorMessageID,
            )
        )
        self.then(event, len(self.stored))
        return self._statuses.pop(0) if self._statuses else SUCCESS


@pytest.fixture
def site(start: StartServer, laboratory: Lab, retrieval: Retrieval) -> Site:
    """One study of two series, with three CT images and one MR image."""
    store_study(laboratory)
    return start(always_allow=EVERYTHING, retrieval=retrieval)


def store_study(laboratory: Lab) -> None:
    for series, number in ((1, 1), (1, 2), (1, 3), (2, 1)):
        stored(
            laboratory,
            PatientID="ANA",
            StudyInstanceUID="1.2.1",
            SeriesInstanceUID=f"1.2.1.{series}",
            SOPInstanceUID=f"1.2.1.{series}.{number}",
            SOPClassUID=MR if series == 2 else CT,
        )


def move(
    site: Site,
    identifier: Mapping[str, Any],
    to: str = "DEST",
    *,
    model: str = STUDY_ROOT,
    message_id: int = 1,
    cancel_after: int = 0,
) -> list[Answer]:
    query = Dataset()
    for keyword, value in identifier.items():
        setattr(query, keyword, value)
    answers = []
    with site.associate(model, aet="MOVER") as association:
        for answer in association.send_c_move(query, to, model, msg_id=message_id):
            answers.append(answer)
            if len(answers) == cancel_after:
                association.send_c_cancel(message_id, query_model=model)
    return answers


@pytest.mark.parametrize("model", [STUDY_ROOT, PATIENT_ROOT])
def test_a_study_is_sent_with_its_originator(
    site: Site, destinations: list[Modality], requestor: AssociationRequestor, model: str
) -> None:
    destination = Destination()
    with destination.listening() as modality:
        destinations.append(modality)
        answers = move(site, STUDY, message_id=4321, model=model)
    assert sorted(destination.stored) == [
        (uid, "MOVER", 4321) for uid in ("1.2.1.1.1", "1.2.1.1.2", "1.2.1.1.3", "1.2.1.2.1")
    ]
    assert destination.callers == ["ORTHANC"]
    assert [status.Status for status, _ in answers] == [PENDING] * 3 + [SUCCESS]
    assert [counts(status) for status, _ in answers] == [
        (3, 1, 0, 0),
        (2, 2, 0, 0),
        (1, 3, 0, 0),
        (None, 4, 0, 0),
    ]
    assert requestor.active_associations == 0


@pytest.mark.parametrize(
    ("identifier", "found"),
    [
        ({"QueryRetrieveLevel": "PATIENT", "PatientID": "ANA"}, 4),
        ({"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": ["1.2.1.2", "1.2.1.1"]}, 4),
        ({"QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": ["1.2.1.2.1", "1.2.1.1.2"]}, 2),
    ],
    ids=str,
)
def test_values_are_sent_in_their_order(
    site: Site, destinations: list[Modality], identifier: dict[str, Any], found: int
) -> None:
    destination = Destination()
    with destination.listening() as modality:
        destinations.append(modality)
        assert move(site, identifier)[-1][0].Status == SUCCESS
    assert len(destination.uids) == found
    if "PatientID" not in identifier:
        assert destination.uids[0] == "1.2.1.2.1"


@pytest.mark.parametrize("to", ["dest", " DEST "])
def test_the_destination_is_found_by_its_title(site: Site, destinations: list[Modality], to: str) -> None:
    destination = Destination()
    with destination.listening() as modality:
        destinations.append(replace(modality, local_aet="MYSELF"))
        assert move(site, STUDY, to)[-1][0].Status == SUCCESS
    assert destination.callers == ["MYSELF"]


def test_an_unknown_destination_is_told(site: Site) -> None:
    [(status, data)] = move(site, STUDY, "NOWHERE")
    assert (status.Status, counts(status)) == (0xA801, (None, 0, 0, 0))
    assert status.ErrorComment == "Unknown destination: NOWHERE"
    assert not data


def test_what_names_nothing_is_refused(site: Site, destinations: list[Modality]) -> None:
    destinations.append(Modality("DEST", "127.0.0.1", 1))
    for identifier in (
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "9.9"},
        {"QueryRetrieveLevel": "STUDY"},
        {"QueryRetrieveLevel": "FRAME", "StudyInstanceUID": "1.2.1"},
    ):
        [(status, _)] = move(site, identifier)
        assert (status.Status, counts(status)) == (UNABLE_TO_PROCESS, (None, 0, 0, 0))
        assert status.ErrorComment


def test_the_retired_model_is_not_offered(site: Site) -> None:
    with site.associate(str(PatientStudyOnlyQueryRetrieveInformationModelMove)) as association:
        assert not association.accepted_contexts


def test_who_may_not_is_aborted(start: StartServer, retrieval: Retrieval, laboratory: Lab) -> None:
    store_study(laboratory)
    site = start(retrieval=retrieval)
    with site.associate(STUDY_ROOT) as association:
        query = Dataset()
        query.QueryRetrieveLevel = "STUDY"
        list(association.send_c_move(query, "DEST", STUDY_ROOT))
        assert eventually(lambda: association.is_aborted)


@pytest.mark.parametrize(
    ("statuses", "final", "numbers"),
    [
        ([0xA700] * 4, 0xA702, (0, 4, 0)),
        ([0, 0xA700, 0, 0], 0xB000, (3, 1, 0)),
        ([0xB000] * 4, SUCCESS, (4, 0, 0)),  # as in the reference, a warning of the destination is no matter
        ([0x0111] * 4, SUCCESS, (4, 0, 0)),
    ],
)
def test_a_destination_that_refuses_some_gets_the_others(
    site: Site, destinations: list[Modality], statuses: list[int], final: int, numbers: tuple[int, ...]
) -> None:
    destination = Destination(statuses)
    with destination.listening() as modality:
        destinations.append(modality)
        answers = move(site, STUDY)
    assert len(destination.stored) == 4
    status = answers[-1][0]
    assert (status.Status, counts(status)[1:]) == (final, numbers)
    assert len(failed(answers)) == numbers[1]
    if numbers[1]:
        assert "0xA700" in status.ErrorComment or "A700" in str(status)


def test_a_class_that_is_not_accepted_fails_and_the_others_come(
    site: Site, destinations: list[Modality]
) -> None:
    destination = Destination(classes=[CT])
    with destination.listening() as modality:
        destinations.append(modality)
        answers = move(site, STUDY)
    assert sorted(destination.uids) == ["1.2.1.1.1", "1.2.1.1.2", "1.2.1.1.3"]
    assert (answers[-1][0].Status, failed(answers)) == (0xB000, ["1.2.1.2.1"])


@pytest.mark.parametrize("classes", [(), ("1.2.840.10008.1.1",)])
def test_a_destination_that_takes_nothing_or_is_not_there(
    site: Site, destinations: list[Modality], classes: Sequence[str], requestor: AssociationRequestor
) -> None:
    began = time.monotonic()
    if classes:
        with Destination(classes=classes).listening() as modality:
            destinations.append(modality)
            answers = move(site, STUDY)
    else:
        destinations.append(Modality("DEST", "127.0.0.1", free_port()))
        answers = move(site, STUDY)
    assert time.monotonic() - began < 30
    [(status, _)] = answers
    assert (status.Status, counts(status)) == (0xA702, (None, 0, 4, 0))
    assert len(failed(answers)) == 4
    assert requestor.active_associations == 0


@pytest.mark.parametrize("ending", ["abort", "close"])
def test_a_destination_that_breaks_off_once_is_called_again(
    site: Site, destinations: list[Modality], ending: str, requestor: AssociationRequestor
) -> None:
    destination = Destination()

    def leave(event: Any, count: int) -> None:
        if count == 2:
            if ending == "abort":
                event.assoc.abort()
            else:
                event.assoc.dul.socket.close()

    destination.then = leave
    with destination.listening() as modality:
        destinations.append(modality)
        answers = move(site, STUDY)
    status = answers[-1][0]
    assert (status.Status, counts(status)) == (0xB000, (None, 3, 1, 0))
    assert len(failed(answers)) == 1
    assert len(destination.stored) == 4
    assert len(destination.callers) == 2
    assert requestor.active_associations == 0


def test_a_destination_that_breaks_off_each_time_is_given_up(
    site: Site, destinations: list[Modality], laboratory: Lab, requestor: AssociationRequestor
) -> None:
    for number in range(20):
        stored(laboratory, StudyInstanceUID="1.2.7", SOPInstanceUID=f"1.2.7.{number}")
    destination = Destination()
    destination.then = lambda event, count: event.assoc.abort()
    with destination.listening() as modality:
        destinations.append(modality)
        answers = move(site, {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.7"})
    status = answers[-1][0]
    assert (status.Status, counts(status)) == (0xA702, (None, 0, 20, 0))
    assert len(destination.callers) == 3
    assert requestor.active_associations == 0


def test_a_destination_that_vanishes_in_the_middle(
    site: Site, destinations: list[Modality], laboratory: Lab, requestor: AssociationRequestor
) -> None:
    for number in range(20):
        stored(laboratory, StudyInstanceUID="1.2.7", SOPInstanceUID=f"1.2.7.{number}")
    destination = Destination()
    with destination.listening() as modality:
        destinations.append(modality)

        def vanish(event: Any, count: int) -> None:
            if count == 5:
                destinations[:] = []
                listeners = event.assoc.ae._servers
                for listener in listeners:
                    listener.socket.close()
                event.assoc.dul.socket.close()

        destination.then = vanish
        answers = move(site, {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.7"})
    status = answers[-1][0]
    assert (status.Status, counts(status)) == (0xB000, (None, 4, 16, 0))
    assert len(failed(answers)) == 16
    assert requestor.active_associations == 0


def test_it_is_cancelled_between_two_instances(
    site: Site, destinations: list[Modality], laboratory: Lab, requestor: AssociationRequestor
) -> None:
    for number in range(40):
        stored(laboratory, StudyInstanceUID="1.2.7", SOPInstanceUID=f"1.2.7.{number}")
    destination = Destination()
    with destination.listening() as modality:
        destinations.append(modality)
        answers = move(site, {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.7"}, cancel_after=3)
    status = answers[-1][0]
    remaining, completed, failures, warnings = counts(status)
    assert status.Status == CANCEL
    assert remaining
    assert completed == len(destination.stored)
    assert (remaining + completed, failures, warnings) == (40, 0, 0)
    assert requestor.active_associations == 0


def test_nothing_more_is_sent_once_who_has_asked_is_gone(
    site: Site, destinations: list[Modality], laboratory: Lab, requestor: AssociationRequestor
) -> None:
    for number in range(40):
        stored(laboratory, StudyInstanceUID="1.2.7", SOPInstanceUID=f"1.2.7.{number}")
    destination = Destination()
    destination.then = lambda event, count: time.sleep(0.05)
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", "1.2.7"
    threads = threading.active_count()
    with destination.listening() as modality:
        destinations.append(modality)
        with site.associate(STUDY_ROOT) as association:
            next(association.send_c_move(query, "DEST", STUDY_ROOT))
            association.abort()
        assert eventually(lambda: requestor.active_associations == 0)
        assert eventually(lambda: site.server.active_associations == 0)
        assert len(destination.stored) < 40
    assert eventually(lambda: threading.active_count() <= threads)


def test_twenty_at_once(site: Site, destinations: list[Modality], requestor: AssociationRequestor) -> None:
    destination = Destination()
    statuses: list[int | None] = []
    with destination.listening() as modality:
        destinations.append(modality)
        threads = [
            threading.Thread(target=lambda: statuses.append(move(site, STUDY)[-1][0].get("Status")))
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert statuses == [SUCCESS] * 20
    assert len(destination.stored) == 80
    assert requestor.active_associations == 0
    assert eventually(lambda: site.server.active_associations == 0)


def test_it_may_be_done_in_a_job(
    start: StartServer, laboratory: Lab, retrieval: Retrieval, destinations: list[Modality]
) -> None:
    """``SynchronousCMove`` off: all is told to be complete at once."""
    store_study(laboratory)
    submitted: list[StoreRequest] = []
    site = start(always_allow=EVERYTHING, retrieval=replace(retrieval, submit_move=submitted.append))
    destinations.append(Modality("DEST", "127.0.0.1", 1))
    answers = move(site, STUDY, message_id=7)
    assert [counts(status) for status, _ in answers] == [
        (3, 1, 0, 0),
        (2, 2, 0, 0),
        (1, 3, 0, 0),
        (None, 4, 0, 0),
    ]
    assert answers[-1][0].Status == SUCCESS
    [request] = submitted
    assert request.originator is not None
    assert (request.originator.aet, request.originator.message_id) == ("MOVER", 7)
    assert (request.call.modality, request.description) == (destinations[0], "C-MOVE")
    assert len(request.selection.instances) == 4
    [(status, _)] = move(site, {**STUDY, "StudyInstanceUID": "9.9"})
    assert status.Status == UNABLE_TO_PROCESS
    assert len(submitted) == 1


@needs_dcmtk
def test_movescu_and_storescp(site: Site, destinations: list[Modality], tmp_path: Path) -> None:
    port = free_port()
    folder = tmp_path / "received"
    folder.mkdir()
    destinations.append(Modality("STORESCP", "127.0.0.1", port))
    receiver = subprocess.Popen(["storescp", "-od", str(folder), str(port)])
    try:
        options = ["-v", "-S", "-aem", "STORESCP", *key("STUDY"), *key("1.2.1", "StudyInstanceUID")]
        result = site.run("movescu", options=options)
        assert result.returncode == 0, result.stderr
    finally:
        receiver.kill()
        receiver.wait()
    received = {str(pydicom.dcmread(file).SOPInstanceUID) for file in folder.iterdir()}
    assert received == {"1.2.1.1.1", "1.2.1.1.2", "1.2.1.1.3", "1.2.1.2.1"}
