"""Messages are put together as pynetdicom does it, however they are cut into values and PDUs."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.dimse_messages import C_FIND_RQ, C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_FIND
from pynetdicom.pdu_primitives import P_DATA

from orthanclite.core.constants import StoreStatus
from orthanclite.core.errors import NetworkProtocol
from orthanclite.core.identifiers import hierarchy
from orthanclite.core.machine.budget import MemoryBudget
from orthanclite.dimse.command import C_STORE_RQ as C_STORE_RQ_FIELD
from orthanclite.dimse.command import Command
from orthanclite.dimse.conversation import Context, Incoming, Message
from orthanclite.dimse.peer import Peer
from orthanclite.dimse.scp.part10 import file_head
from orthanclite.dimse.scp.store import IncomingFile, StoreScp
from orthanclite.dimse.upper.wire.assembly import MessageAssembly, WholeDataSet
from orthanclite.dimse.upper.wire.exchange import Exchange
from orthanclite.services.ingest.arrival import IngestOrigin, StoreResult
from tests.dimse.support import CT, store_request

IMPLICIT = "1.2.840.10008.1.2"
PEER = Peer("TESTER", "127.0.0.1", "ORTHANC")
CONTEXT = 5
STORED = StoreResult(StoreStatus.SUCCESS, hierarchy("a", "b", "c", "d"))


class Spool:
    """A file that is stored while it arrives."""

    def __init__(self, files: list[bytes]) -> None:
        self._files = files
        self._data = bytearray()
        self.aborted = False

    def write(self, data: bytes | memoryview) -> None:
        self._data += data

    def finish(self, origin: IngestOrigin) -> StoreResult:
        self._files.append(bytes(self._data))
        return STORED

    def abort(self) -> None:
        self.aborted = True


@dataclass
class Memory:
    """An ingest that remembers what it was given."""

    files: list[bytes] = field(default_factory=list)
    spools: list[Spool] = field(default_factory=list)

    def store(self, data: bytes, origin: IngestOrigin) -> StoreResult:
        self.files.append(bytes(data))
        return STORED

    def receive(self) -> IncomingFile:
        self.spools.append(Spool(self.files))
        return self.spools[-1]


class Receiver:
    """An association that stores into an ingest, and keeps every other message."""

    peer = PEER
    contexts = ()
    peer_maximum_length = 16384
    is_open = True

    def __init__(self, spool_from: int = 4 << 20, memory: int = 64 << 20) -> None:
        self.ingest = Memory()
        self.service = StoreScp(self.ingest, nullcontext(), spool_from, memory)
        self.answers: list[bytes] = []
        self.requests: list[Command] = []
        self.others: list[tuple[int, bytes]] = []
        self.budget = MemoryBudget(1 << 20)
        self.assembly = MessageAssembly(self)

    def send_encoded(self, pdus: bytes) -> None:
        self.answers.append(pdus)

    def begin(self, command: Command, context_id: int) -> Incoming:
        assert context_id == CONTEXT
        if command.field != C_STORE_RQ_FIELD:
            return WholeDataSet(self.budget, lambda data: self.others.append((command.message_id, data)))
        self.requests.append(command)
        request = Message(command, Context(context_id, CT, IMPLICIT, is_scu=False))
        return self.service.receive(request, Exchange(self, request))

    def ask(self, *_arguments: object) -> Message:
        raise AssertionError

    def feed(self, body: bytes) -> None:
        """One P-DATA-TF, in a buffer that is used again for the next."""
        buffer = bytearray(body)
        self.assembly.add(memoryview(buffer))
        buffer[:] = b"\xee" * len(buffer)


def decode(message: DIMSEMessage, value: P_DATA) -> bool:
    """Let pynetdicom add a value to a message; whether it was the last one."""
    return message.decode_msg(value)


def data_set(uid: str, filler: bytes) -> bytes:
    """A data set that is what a C-STORE-RQ announces, with arbitrary bytes at its end."""
    elements = [(0x0008, 0x0016, CT.encode()), (0x0008, 0x0018, uid.encode()), (0x7FE0, 0x0010, filler)]
    return b"".join(struct.pack("<HHI", *tag, len(raw)) + raw for *tag, raw in elements)


def values(request: object, message: C_STORE_RQ | C_FIND_RQ, limit: int) -> list[bytes]:
    """The encoded values (PDVs) of a message, as pynetdicom cuts it for a maximum length of PDUs."""
    message.primitive_to_message(request)
    found = []
    for primitive in message.encode_msg(CONTEXT, limit):
        for context, data in primitive.presentation_data_value_list:
            found.append(struct.pack(">IB", len(data) + 1, context) + data)
    return found


def grouped(draw: st.DrawFn, pieces: list[bytes]) -> Iterator[bytes]:
    """Bodies of PDUs with one or more values each."""
    while pieces:
        count = draw(st.integers(1, 4))
        yield b"".join(pieces[:count])
        pieces = pieces[count:]


def as_pynetdicom(pieces: list[bytes]) -> list[DIMSEMessage]:
    """The messages that pynetdicom makes of values."""
    messages, message = [], DIMSEMessage()
    for piece in pieces:
        value = P_DATA()
        value.presentation_data_value_list = [[piece[4], piece[5:]]]
        if decode(message, value):
            messages.append(message)
            message = DIMSEMessage()
    return messages


@settings(max_examples=150)
@given(st.data())
def test_messages_are_those_of_pynetdicom(data: st.DataObject) -> None:
    pieces: list[bytes] = []
    for number in range(data.draw(st.integers(1, 3))):
        content = data_set(f"1.2.{number}", data.draw(st.binary(max_size=400)))
        limit = data.draw(st.sampled_from([7, 8, 20, 64, 300, 16384]))
        if data.draw(st.booleans()):
            pieces += values(store_request(content, f"1.2.{number}"), C_STORE_RQ(), limit)
        else:
            query = C_FIND()
            query.MessageID, query.AffectedSOPClassUID, query.Priority = number, CT, 2
            query.Identifier = store_request(content, "1.2").DataSet
            pieces += values(query, C_FIND_RQ(), limit)
    receiver = Receiver(spool_from=data.draw(st.sampled_from([0, 100, 1 << 20])))
    for body in grouped(data.draw, list(pieces)):
        receiver.feed(body)
    expected: list[Any] = [one.message_to_primitive() for one in as_pynetdicom(pieces)]
    stores = [one for one in expected if type(one).__name__ == "C_STORE"]
    finds = [one for one in expected if type(one).__name__ == "C_FIND"]
    assert [one.sop_instance_uid for one in receiver.requests] == [
        one.AffectedSOPInstanceUID for one in stores
    ]
    assert [one.message_id for one in receiver.requests] == [one.MessageID for one in stores]
    assert receiver.ingest.files == [
        file_head(CT, str(one.AffectedSOPInstanceUID), IMPLICIT) + one.DataSet.getvalue() for one in stores
    ]
    assert receiver.others == [(one.MessageID, one.Identifier.getvalue()) for one in finds]
    assert len(receiver.answers) == len(stores)


@given(st.binary(max_size=300), st.sampled_from([7, 20, 300]))
def test_the_answer_is_what_pynetdicom_reads(filler: bytes, limit: int) -> None:
    receiver = Receiver()
    for piece in values(store_request(data_set("1.2.3", filler), "1.2.3"), C_STORE_RQ(), limit):
        receiver.feed(piece)
    (answer,) = receiver.answers
    (message,) = as_pynetdicom([answer[6:]])
    primitive = message.message_to_primitive()
    assert (primitive.MessageIDBeingRespondedTo, primitive.Status) == (1, 0)
    assert (primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID) == (CT, "1.2.3")


@pytest.mark.parametrize(("taken", "refused"), [((), 1), ((0,), 0), ((0, 1), 0), ((0, 1, 2, 3), 1)], ids=str)
def test_values_out_of_order_are_refused(taken: tuple[int, ...], refused: int) -> None:
    """0 is the command, 1 to 3 are the data set."""
    content = data_set("1.2.3", bytes(900))
    (command,) = values(store_request(content, "1.2.3"), C_STORE_RQ(), 16384)[:1]
    pieces = [command, *values(store_request(content, "1.2.3"), C_STORE_RQ(), 406)[-3:]]
    receiver = Receiver()
    for number in taken:
        receiver.feed(pieces[number])
    with pytest.raises(NetworkProtocol):
        receiver.feed(pieces[refused])
    assert len(receiver.ingest.files) == (3 in taken)


def test_another_context_within_a_message_is_refused() -> None:
    command, data = values(store_request(b"data", "1.2.3"), C_STORE_RQ(), 16384)
    receiver = Receiver()
    receiver.feed(command)
    with pytest.raises(NetworkProtocol):
        receiver.feed(data[:4] + bytes((CONTEXT + 2,)) + data[5:])


def test_memory_is_given_back_whatever_happens() -> None:
    content = data_set("1.2.3", bytes(2900))
    receiver = Receiver(memory=len(content))
    command, *data = values(store_request(content, "1.2.3"), C_STORE_RQ(), 1006)
    for piece in (command, *data):
        receiver.feed(piece)
    for piece in (command, *data[:2]):
        receiver.feed(piece)
    receiver.assembly.abort()
    assert receiver.service.budget.take(len(content))
    assert not receiver.ingest.spools


def test_what_does_not_fit_the_memory_goes_to_the_storage() -> None:
    content = data_set("1.2.3", bytes(range(250)) * 12)
    receiver = Receiver(memory=1500)
    command, *data = values(store_request(content, "1.2.3"), C_STORE_RQ(), 1006)
    for piece in (command, *data):
        receiver.feed(piece)
    assert len(receiver.ingest.spools) == 1
    assert receiver.ingest.files == [file_head(CT, "1.2.3", IMPLICIT) + content]
    assert receiver.service.budget.take(1500)
    for piece in (command, *data[:-1]):
        receiver.feed(piece)
    receiver.assembly.abort()
    assert receiver.ingest.spools[1].aborted
