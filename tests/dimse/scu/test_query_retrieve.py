"""C-FIND, C-MOVE and C-GET SCU against peers that do wrong things; what is right is in ``tests/rest``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from orthanclite.core.errors import (
    DimseFailure,
    FindUnavailable,
    InvalidQuery,
    NetworkProtocol,
)
from orthanclite.core.levels import Level
from orthanclite.core.remotes.registry import Manufacturer, Modality
from orthanclite.dicom.attributes import Attribute
from orthanclite.dicom.charsets import charset_of
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    C_CANCEL_RQ,
    COMMAND_FIELD,
    STATUS,
    Command,
    Value,
    command_pdu,
    data_pdus,
    encode_command,
)
from orthanclite.dimse.conversation import Offers
from orthanclite.dimse.options import DicomClientOptions
from orthanclite.dimse.outgoing import CallDefaults
from orthanclite.dimse.scu.query_retrieve import QueryRetrieveScu
from orthanclite.dimse.upper.requested.requestor import AssociationRequestor
from orthanclite.services.remotes.client import Call as Calling
from orthanclite.services.retrieve.answers import MOST_ANSWERS, AnswerReader, bounded
from orthanclite.services.retrieve.identifiers import Identifier
from orthanclite.services.retrieve.network import FoundDataSet, Model, SubOperations
from orthanclite.services.server.runtime import RuntimeOptions
from tests.dimse.raw_peer import ABORT, Call, raw_peer

DICTIONARY = TagDictionary.build()
IDENTIFIER = Identifier(
    {0x00100020: Attribute("LO", "A"), 0x00080052: Attribute("CS", "STUDY")}, charset_of("")
)
# Explicit little endian, which raw peers accept: PatientID "ANA".
ANSWER = b"\x10\0\x20\0LO\x04\0ANA "
PENDING = 0xFF00


@pytest.fixture
def requestor() -> Iterator[AssociationRequestor]:
    before = threading.active_count()
    made = AssociationRequestor(DicomClientOptions(maximum_associations=4))
    yield made
    assert made.active_associations == 0
    assert threading.active_count() <= before


@pytest.fixture
def scu(requestor: AssociationRequestor) -> QueryRetrieveScu:
    return QueryRetrieveScu(requestor, CallDefaults("US", 10), DICTIONARY, lambda on_stored: Offers(()))


def target(port: int, timeout: int = 10, manufacturer: Manufacturer = Manufacturer.GENERIC) -> Calling:
    return Calling(Modality("PEER", "127.0.0.1", port, manufacturer), "US", timeout)


def find(scu: QueryRetrieveScu, behave: Callable[[Call], None], timeout: int = 10) -> list[bytes]:
    with raw_peer(behave) as peer, scu.finder(target(peer.port, timeout), [Model.STUDY]) as finder:
        return [found.data for found in bounded(finder.find(Model.STUDY, IDENTIFIER))]


def answering(*responses: tuple[int, bytes | None]) -> Callable[[Call], None]:
    """A peer that answers one request with these statuses and data sets."""

    def behave(call: Call) -> None:
        call.accept()
        context, command, _ = call.read_message()
        for status, data in responses:
            call.respond(context, command, status, data)
        call.finish()

    return behave


def respond(call: Call, context: int, request: Command, data: bytes = b"", **elements: int) -> None:
    """A response with further elements in its command set."""
    values: dict[int, Value] = {
        AFFECTED_SOP_CLASS_UID: request.sop_class_uid,
        COMMAND_FIELD: request.field | 0x8000,
        0x0120: request.message_id,
        0x0800: 1 if data else 0x0101,
        STATUS: elements.pop("status"),
        **{int(name[1:], 16): value for name, value in elements.items()},
    }
    call.connection.sendall(command_pdu(context, encode_command(values)))
    if data:
        call.connection.sendall(b"".join(data_pdus(context, (data,), 16384)))


def test_answers_come_as_they_are_sent(scu: QueryRetrieveScu) -> None:
    found = find(scu, answering((PENDING, ANSWER), (0xFF01, ANSWER), (0, None)))
    assert found == [ANSWER, ANSWER]


@pytest.mark.parametrize("status", [0xA700, 0xA900, 0xC001, 0x0122, 0xFE00, 0x0001, 0xB000, 0x0110])
def test_any_other_final_status_is_a_failure(scu: QueryRetrieveScu, status: int) -> None:
    with pytest.raises(DimseFailure, match=f"DIMSE status 0x{status:04X}") as caught:
        find(scu, answering((PENDING, ANSWER), (status, None)))
    assert caught.value.status == 500
    assert caught.value.payload == {"Type": "Dimse", "Content": {"DimseErrorStatus": status}}


def test_a_query_that_cannot_be_processed(scu: QueryRetrieveScu) -> None:
    with pytest.raises(InvalidQuery, match="invalid query") as caught:
        find(scu, answering((0xC000, None)))
    assert (caught.value.status, caught.value.code) == (422, 9)


def test_a_pending_response_without_a_data_set(scu: QueryRetrieveScu) -> None:
    with pytest.raises(NetworkProtocol, match="without a data set"):
        find(scu, answering((PENDING, None), (0, None)))


def test_the_peer_goes_between_answers(scu: QueryRetrieveScu) -> None:
    def closes(call: Call) -> None:
        call.accept()
        context, command, _ = call.read_message()
        call.respond(context, command, PENDING, ANSWER)

    with pytest.raises(NetworkProtocol, match='C-FIND to AET "PEER": Peer aborted'):
        find(scu, closes)

    def aborts(call: Call) -> None:
        closes(call)
        call.connection.sendall(ABORT)
        call.finish()

    with pytest.raises(NetworkProtocol, match='C-FIND to AET "PEER": Peer aborted'):
        find(scu, aborts)


def test_the_peer_says_no_more(scu: QueryRetrieveScu) -> None:
    began = time.monotonic()
    with pytest.raises(NetworkProtocol, match="No answer of the peer in time"):
        find(scu, answering((PENDING, ANSWER)), timeout=1)
    assert 0.9 < time.monotonic() - began < 20


def test_an_answer_to_another_message(scu: QueryRetrieveScu) -> None:
    def behave(call: Call) -> None:
        call.accept()
        context, command, _ = call.read_message()
        call.respond(context, command, PENDING, ANSWER, message_id=77)
        call.finish()

    with pytest.raises(NetworkProtocol, match="a message that was not sent"):
        find(scu, behave)


def test_answers_without_an_end_are_bounded(scu: QueryRetrieveScu) -> None:
    sent = 0

    def behave(call: Call) -> None:
        nonlocal sent
        call.accept()
        context, command, _ = call.read_message()
        data = b"\x10\0\0\x40LT" + b"\xf0\xff" + b"x" * 0xFFF0
        for sent in count(1):  # noqa: B007
            call.respond(context, command, PENDING, data)

    with pytest.raises(NetworkProtocol, match=f"more than {MOST_ANSWERS} answers, or 64 MB"):
        find(scu, behave)
    assert sent < 1500


def test_an_answer_that_is_no_data_set() -> None:
    reader = AnswerReader(DICTIONARY, RuntimeOptions())
    for garbage in (b"\0" * 7, b"garbage of a peer", ANSWER[:-1]):
        with pytest.raises(NetworkProtocol, match="no data set"):
            reader.normalized(FoundDataSet(garbage, "1.2.840.10008.1.2.1"), Level.STUDY)


def test_a_model_that_is_not_accepted(scu: QueryRetrieveScu) -> None:
    def behave(call: Call) -> None:
        call.accept()
        call.finish()

    with (
        raw_peer(behave) as peer,
        scu.finder(target(peer.port), [Model.STUDY]) as finder,
        pytest.raises(FindUnavailable, match="Remote AET is PEER"),
    ):
        next(finder.find(Model.PATIENT, IDENTIFIER))


def test_a_move_tells_how_far_it_is(scu: QueryRetrieveScu) -> None:
    seen: list[tuple[str, int]] = []

    def behave(call: Call) -> None:
        call.accept()
        context, command, _ = call.read_message()
        seen.append((command.text(0x0600), command.message_id))
        respond(call, context, command, status=PENDING, _1020=2, _1021=1, _1022=0, _1023=0)
        time.sleep(1.3)
        failed = b"\x08\0\x58\0UI\x08\0" + b"1.2\\1.3\0"
        respond(call, context, command, failed, status=0xB000, _1021=1, _1022=2, _1023=0)
        call.finish()

    with raw_peer(behave) as peer, scu.mover(target(peer.port), "A VERY LONG TITLE OF AN AE") as mover:
        told = list(mover.retrieve(Model.STUDY, IDENTIFIER, 1234))
        assert mover.is_open
    assert seen == [("A VERY LONG TITL", 1234)]
    assert None in told  # after a second without news
    first, last = (one for one in told if one is not None)
    assert first == SubOperations(PENDING, False, 2, 1)
    assert first.fraction == pytest.approx(1 / 3)
    assert last == SubOperations(0xB000, True, 0, 1, 2, 0, ("1.2", "1.3"))
    assert last.fraction == 1


def test_a_move_is_cancelled(scu: QueryRetrieveScu) -> None:
    seen: list[int] = []

    def behave(call: Call) -> None:
        call.accept()
        context, request, _ = call.read_message()
        respond(call, context, request, status=PENDING, _1020=9)
        _, command, _ = call.read_message()
        seen.extend((command.field, command.message_id))
        respond(call, context, request, status=0xFE00, _1020=9)
        call.finish()

    with raw_peer(behave) as peer, scu.mover(target(peer.port), "T") as mover:
        told = []
        for one in mover.retrieve(Model.STUDY, IDENTIFIER, 1001):
            if one is not None and not one.is_final:
                mover.cancel()
            told.append(one)
    assert seen == [C_CANCEL_RQ, 1001]
    assert told[-1] is not None
    assert told[-1].status == 0xFE00


def test_a_move_without_an_answer_ends_in_time(scu: QueryRetrieveScu) -> None:
    began = time.monotonic()
    with (
        raw_peer(answering()) as peer,
        scu.mover(target(peer.port, 2), "T") as mover,
        pytest.raises(NetworkProtocol, match='C-MOVE to AET "PEER": No answer of the peer in time'),
    ):
        for _ in mover.retrieve(Model.STUDY, IDENTIFIER):
            pass
    assert 1.9 < time.monotonic() - began < 20


def test_news_keep_a_move_alive(scu: QueryRetrieveScu) -> None:
    def behave(call: Call) -> None:
        call.accept()
        context, command, _ = call.read_message()
        for remaining in range(4):
            time.sleep(0.9)
            respond(call, context, command, status=PENDING, _1020=4 - remaining, _1021=remaining)
        respond(call, context, command, status=0, _1021=4)
        call.finish()

    with raw_peer(behave) as peer, scu.mover(target(peer.port, 2), "T") as mover:
        last = list(mover.retrieve(Model.STUDY, IDENTIFIER))[-1]
    assert last == SubOperations(0, True, completed=4)


def test_roles_are_proposed_unless_the_manufacturer_takes_offence(scu: QueryRetrieveScu) -> None:
    def behave(call: Call) -> None:
        call.accept()
        call.finish()

    further = "1.2.840.10008.5.1.4.1.1.601.1"
    for manufacturer, count_of_roles in ((Manufacturer.GENERIC, 121), (Manufacturer.SIEMENS_SYNGO_CT, 0)):
        with raw_peer(behave) as peer:
            with scu.getter(target(peer.port, 5, manufacturer), [further, "1.2.840.10008.5.1.4.1.1.2"]):
                pass
            request = peer.calls[0].request
        assert request is not None
        proposed = [str(context.abstract_syntax) for context in request.presentation_context]
        assert proposed[:3] == ["1.2.840.10008.5.1.4.1.2.2.3", "1.2.840.10008.5.1.4.1.2.1.3", further]
        assert len(proposed) == len(set(proposed)) == 123
        items = request.user_information.user_data
        roles = [item for item in items if type(item).__name__ == "SCP_SCU_RoleSelectionSubItem"]
        assert len(roles) == count_of_roles
