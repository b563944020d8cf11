"""What services may do over an association, tried with small ones of the kinds that are to come."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pynetdicom import build_role, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation

from orthanclite.core.errors import NetworkProtocol
from orthanclite.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    C_GET_RQ,
    C_MOVE_RQ,
    C_STORE_RQ,
    COMMAND_FIELD,
    N_ACTION_RQ,
    N_EVENT_REPORT_RQ,
    STATUS,
    Command,
    data_pdus,
    encode_command,
)
from orthanclite.dimse.conversation import Conversation, Message, Offer, Provider
from orthanclite.dimse.service import Service
from orthanclite.dimse.status import CANCEL, PENDING, SUCCESS, UNABLE_TO_PROCESS
from tests.dimse.conftest import StartServer
from tests.dimse.support import CT, ECHO, IMPLICIT, Site, ct, eventually, implicit
from tests.support.scu import paused

STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
EVERYTHING = frozenset(Service)

REMAINING, COMPLETED, FAILED, WARNING = 0x1020, 0x1021, 0x1022, 0x1023  # numbers of sub-operations
PRIORITY, ACTION_TYPE, EVENT_TYPE = 0x0700, 0x1008, 0x1002


def offer(service: Service, command: int, sop_class: str, provider: Provider, **more: bool) -> Offer:
    return Offer(service, command, frozenset({sop_class}), provider, **more)


class Get:
    """A C-GET that sends the same data sets to everybody."""

    def __init__(self, files: dict[str, bytes], pieces: int = 1000) -> None:
        self._files = files
        self._pieces = pieces
        self.ended_by: Exception | None = None
        self.between: Callable[[], None] = lambda: None

    def serve(self, request: Message, conversation: Conversation) -> None:
        contexts = [one for one in conversation.contexts if one.abstract_syntax == CT and one.is_scu]
        if not contexts:
            conversation.respond(UNABLE_TO_PROCESS, comment="No context")
            return
        left, done = len(self._files), 0
        for uid, data in self._files.items():
            if conversation.is_cancelled:
                conversation.respond(
                    CANCEL, elements={REMAINING: left, COMPLETED: done, FAILED: 0, WARNING: 0}
                )
                return
            elements = {
                COMMAND_FIELD: C_STORE_RQ,
                AFFECTED_SOP_CLASS_UID: CT,
                PRIORITY: 0,
                AFFECTED_SOP_INSTANCE_UID: uid,
            }
            try:
                answer = conversation.ask(contexts[0], elements, self._cut(data))
            except NetworkProtocol as exc:
                self.ended_by = exc
                raise
            assert answer.command.number(STATUS) == SUCCESS
            left, done = left - 1, done + 1
            counts = {REMAINING: left, COMPLETED: done, FAILED: 0, WARNING: 0}
            conversation.respond(PENDING, elements=counts)
        conversation.respond(SUCCESS, elements={COMPLETED: done, FAILED: 0, WARNING: 0})

    def _cut(self, data: bytes) -> Iterator[memoryview]:
        for start in range(0, len(data), self._pieces):
            yield memoryview(data)[start : start + self._pieces]
            self.between()


def files(count: int, **changes: Any) -> dict[str, bytes]:
    return {
        f"1.2.{number}": implicit(ct(SOPInstanceUID=f"1.2.{number}", **changes)) for number in range(count)
    }


def start_get(start: StartServer, get: Get, **options: Any) -> Site:
    row = offer(Service.GET, C_GET_RQ, STUDY_ROOT_GET, get, sends_instances=True)
    return start(always_allow=EVERYTHING, further=[row], **options)


def scp_of_storage() -> list[SCP_SCU_RoleSelectionNegotiation]:
    return [build_role(CT, scp_role=True)]


def get_all(association: Association) -> list[tuple[Dataset, Dataset | None]]:
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    return list(association.send_c_get(query, STUDY_ROOT_GET))


@pytest.mark.parametrize("max_pdu", [64, 16382, 0])
def test_instances_are_sent_back_over_the_same_association(start: StartServer, max_pdu: int) -> None:
    sent = files(3)
    site = start_get(start, Get(sent))
    received: dict[str, bytes] = {}

    def store(event: Any) -> int:
        received[event.request.AffectedSOPInstanceUID] = event.request.DataSet.getvalue()
        return SUCCESS

    with site.associate(
        STUDY_ROOT_GET,
        CT,
        syntaxes=IMPLICIT,
        ext_neg=scp_of_storage(),
        evt_handlers=[(evt.EVT_C_STORE, store)],
        max_pdu=max_pdu,
    ) as association:
        answers = get_all(association)
        assert association.send_c_echo.__self__.is_established
    assert received == sent
    assert [(one.Status, one.NumberOfCompletedSuboperations) for one, _ in answers] == [
        (PENDING, 1),
        (PENDING, 2),
        (PENDING, 3),
        (SUCCESS, 3),
    ]


def test_a_peer_that_proposes_to_be_the_scu_only_gets_no_requests(start: StartServer) -> None:
    site = start_get(start, Get(files(1)))
    roles = [build_role(CT, scu_role=True)]
    with site.associate(STUDY_ROOT_GET, CT, syntaxes=IMPLICIT, ext_neg=roles) as association:
        ((status, _),) = get_all(association)
        assert (status.Status, status.ErrorComment) == (UNABLE_TO_PROCESS, "No context")
        assert association.is_established


def test_the_peer_may_store_on_an_association_with_both_roles(start: StartServer) -> None:
    site = start_get(start, Get(files(1)))
    roles = [build_role(CT, scu_role=True, scp_role=True)]
    with site.associate(STUDY_ROOT_GET, CT, syntaxes=IMPLICIT, ext_neg=roles) as association:
        assert association.send_c_store(ct()).Status == SUCCESS
    with site.associate(CT) as association:
        assert association.send_c_store(ct()).Status == SUCCESS


def test_sub_operations_can_be_cancelled(start: StartServer) -> None:
    site = start_get(start, Get(files(50)))
    received = []

    def store(event: Any) -> int:
        received.append(event)
        if len(received) == 2:
            event.assoc.send_c_cancel(1, query_model=STUDY_ROOT_GET)
        return SUCCESS

    with site.associate(
        STUDY_ROOT_GET,
        CT,
        syntaxes=IMPLICIT,
        ext_neg=scp_of_storage(),
        evt_handlers=[(evt.EVT_C_STORE, store)],
    ) as association:
        final, _ = get_all(association)[-1]
        assert final.Status == CANCEL
        assert final.NumberOfRemainingSuboperations + final.NumberOfCompletedSuboperations == 50
    assert 2 <= len(received) < 50


def request(association: Association, command: dict[int, int | str], data: bytes, syntax: str) -> None:
    """Send a message past pynetdicom's services."""
    context = next(one for one in association.accepted_contexts if one.abstract_syntax == syntax)
    number = context.context_id or 0
    assert association.dul.socket is not None
    encoded = encode_command(command)
    value = struct.pack(">IBB", len(encoded) + 2, number, 3) + encoded
    pdus = struct.pack(">BBI", 4, 0, len(value)) + value + b"".join(data_pdus(number, [data], 16000))
    association.dul.socket.send(pdus)


GET_REQUEST: dict[int, int | str] = {
    AFFECTED_SOP_CLASS_UID: STUDY_ROOT_GET,
    COMMAND_FIELD: C_GET_RQ,
    0x0110: 7,
    0x0800: 1,
}


def test_a_peer_that_leaves_while_it_is_asked_ends_the_service(start: StartServer) -> None:
    get = Get(files(2))
    site = start_get(start, get)
    with site.associate(STUDY_ROOT_GET, CT, syntaxes=IMPLICIT, ext_neg=scp_of_storage()) as association:
        with paused(association):
            request(association, GET_REQUEST, bytes(8), STUDY_ROOT_GET)
            context_id, _ = association.dimse.get_msg(block=True)
            assert context_id is not None
        association.abort()
    assert eventually(lambda: get.ended_by is not None)
    assert eventually(lambda: site.server.active_associations == 0)


def test_a_peer_that_does_not_answer_is_aborted(start: StartServer) -> None:
    get = Get(files(1))
    site = start_get(start, get, scp_timeout=1)
    with site.associate(STUDY_ROOT_GET, CT, syntaxes=IMPLICIT, ext_neg=scp_of_storage()) as association:
        with paused(association):
            request(association, GET_REQUEST, bytes(8), STUDY_ROOT_GET)
            assert eventually(lambda: get.ended_by is not None)
        assert eventually(lambda: association.is_aborted)
    assert "in time" in str(get.ended_by)
    assert eventually(lambda: site.server.active_associations == 0)


def test_a_response_does_not_fall_into_a_message_that_is_being_sent(start: StartServer) -> None:
    """A peer that stores while it is being sent to breaks the rules; both messages must stay whole."""
    sent = files(1, PixelData=bytes(range(256)) * 4096)
    get = Get(sent)
    site = start_get(start, get)
    received: dict[str, bytes] = {}

    def store(event: Any) -> int:
        received[event.request.AffectedSOPInstanceUID] = event.request.DataSet.getvalue()
        return SUCCESS

    roles = [build_role(CT, scu_role=True, scp_role=True)]
    with site.associate(
        STUDY_ROOT_GET, CT, syntaxes=IMPLICIT, ext_neg=roles, evt_handlers=[(evt.EVT_C_STORE, store)]
    ) as association:

        def store_meanwhile() -> None:
            get.between = lambda: None
            command: dict[int, int | str] = {
                AFFECTED_SOP_CLASS_UID: CT,
                COMMAND_FIELD: C_STORE_RQ,
                0x0110: 9,
                PRIORITY: 0,
                0x0800: 1,
                AFFECTED_SOP_INSTANCE_UID: ct().SOPInstanceUID,
            }
            request(association, command, implicit(ct()), CT)

        get.between = store_meanwhile
        answers = get_all(association)
        assert answers[-1][0].get("Status", SUCCESS) in (SUCCESS, PENDING)
        assert eventually(lambda: bool(received))
        assert eventually(lambda: len(site.instances()) == 1)
    assert received == sent


class Commitment:
    """A storage commitment that reports over the same association."""

    def __init__(self) -> None:
        self.reported: Message | None = None

    def serve(self, request: Message, conversation: Conversation) -> None:
        action = request.command.number(ACTION_TYPE)
        conversation.respond(SUCCESS, elements={ACTION_TYPE: action})
        elements = {
            COMMAND_FIELD: N_EVENT_REPORT_RQ,
            AFFECTED_SOP_CLASS_UID: STORAGE_COMMITMENT,
            AFFECTED_SOP_INSTANCE_UID: COMMITMENT_INSTANCE,
            EVENT_TYPE: 1,
        }
        context = request.context
        # The peer is the SCU of this class: it takes reports without a role of its own (PS3.4 J.3.3).
        self.reported = conversation.ask(context, elements, [request.data])


def test_a_storage_commitment_is_answered_and_reported(start: StartServer) -> None:
    commitment = Commitment()
    row = offer(Service.N_ACTION, N_ACTION_RQ, STORAGE_COMMITMENT, commitment)
    site = start(always_allow=EVERYTHING, further=[row])
    reports: list[tuple[int, Dataset]] = []

    def report(event: Any) -> tuple[int, None]:
        reports.append((event.event_type, event.event_information))
        return SUCCESS, None

    asked = Dataset()
    asked.TransactionUID = "1.2.3"
    with site.associate(
        STORAGE_COMMITMENT, syntaxes=IMPLICIT, evt_handlers=[(evt.EVT_N_EVENT_REPORT, report)]
    ) as association:
        status, _ = association.send_n_action(asked, 1, STORAGE_COMMITMENT, COMMITMENT_INSTANCE)
        assert status.Status == SUCCESS
        assert eventually(lambda: commitment.reported is not None)
    assert reports == [(1, asked)]
    assert commitment.reported is not None
    assert commitment.reported.command.number(STATUS) == SUCCESS


class Move:
    """A C-MOVE whose sub-operations all fail but the first."""

    def __init__(self) -> None:
        self.destination = ""

    def serve(self, request: Message, conversation: Conversation) -> None:
        self.destination = request.command.text(0x0600)
        for number in range(1, 4):
            counts = {REMAINING: 3 - number, COMPLETED: 1, FAILED: number - 1, WARNING: 0}
            conversation.respond(PENDING, elements=counts)
        failed = Dataset()
        failed.FailedSOPInstanceUIDList = ["1.2.2", "1.2.3"]
        counts = {COMPLETED: 1, FAILED: 2, WARNING: 0}
        conversation.respond(0xB000, implicit(failed), elements=counts)


def test_a_move_tells_its_progress_and_what_failed(start: StartServer) -> None:
    move = Move()
    site = start(always_allow=EVERYTHING, further=[offer(Service.MOVE, C_MOVE_RQ, STUDY_ROOT_MOVE, move)])
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    with site.associate(STUDY_ROOT_MOVE, syntaxes=IMPLICIT) as association:
        *pending, (final, failed) = association.send_c_move(query, "THERE", STUDY_ROOT_MOVE)
    assert move.destination == "THERE"
    assert [one.NumberOfRemainingSuboperations for one, _ in pending] == [2, 1, 0]
    assert (final.Status, final.NumberOfFailedSuboperations) == (0xB000, 2)
    assert failed is not None
    assert list(failed.FailedSOPInstanceUIDList) == ["1.2.2", "1.2.3"]


def test_what_no_row_offers_aborts_the_association(start: StartServer) -> None:
    site = start(always_allow=EVERYTHING)
    with site.associate(ECHO, CT) as association:
        asked = Dataset()
        asked.TransactionUID = "1.2.3"
        association.accepted_contexts[1].abstract_syntax = STORAGE_COMMITMENT
        status, _ = association.send_n_action(asked, 1, STORAGE_COMMITMENT, COMMITMENT_INSTANCE)
        assert "Status" not in status
        assert eventually(lambda: association.is_aborted)
    assert site.is_alive()


def test_requests_that_come_instead_of_an_answer_are_bounded(start: StartServer) -> None:
    get = Get(files(1))
    site = start_get(start, get)
    with site.associate(STUDY_ROOT_GET, CT, syntaxes=IMPLICIT, ext_neg=scp_of_storage()) as association:
        with paused(association):
            for number in range(40):
                request(association, {**GET_REQUEST, 0x0110: number}, bytes(8), STUDY_ROOT_GET)
            assert eventually(lambda: get.ended_by is not None)
        assert eventually(lambda: association.is_aborted)
    assert "Too many requests" in str(get.ended_by)
    assert eventually(lambda: site.server.active_associations == 0)


@given(
    st.lists(st.binary(max_size=60), max_size=5),
    st.integers(0, 40),
)
def test_a_data_set_is_cut_into_pdus_of_the_length_asked_for(chunks: list[bytes], maximum: int) -> None:
    data, lasts = b"", []
    for pdu in data_pdus(5, chunks, maximum):
        kind, _, length, value_length, context_id, control = struct.unpack(">BBIIBB", pdu[:12])
        assert (kind, context_id, length, value_length + 4) == (4, 5, len(pdu) - 6, length)
        assert not maximum or length <= max(maximum, 8)
        data += pdu[12:]
        lasts.append(control)
    assert data == b"".join(chunks)
    assert lasts == [0] * (len(lasts) - 1) + [2]


@given(st.dictionaries(st.integers(1, 0xFFFF), st.integers(0, 0xFFFF) | st.binary(max_size=20)))
def test_a_command_set_is_read_as_it_was_written(values: dict[int, int | bytes]) -> None:
    command = Command(encode_command(values))
    for number, value in values.items():
        if isinstance(value, int):
            assert command.number(number) == value
    assert BytesIO(encode_command(values)).read(8) == b"\0\0\0\0\4\0\0\0"
