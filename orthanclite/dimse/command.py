"""Command sets (PS3.7 section 6.3 and annex E): read and written here, since each instance costs one of each.

They are always implicit little endian, and tiny.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from orthanclite.core.errors import NetworkProtocol
from orthanclite.core.machine.buffers import View

C_STORE_RQ: Final = 0x0001
C_GET_RQ: Final = 0x0010
C_FIND_RQ: Final = 0x0020
C_MOVE_RQ: Final = 0x0021
C_ECHO_RQ: Final = 0x0030
N_EVENT_REPORT_RQ: Final = 0x0100
N_ACTION_RQ: Final = 0x0130
C_CANCEL_RQ: Final = 0x0FFF
_RESPONSE: Final = 0x8000  # bit of a command field

AFFECTED_SOP_CLASS_UID: Final = 0x0002
REQUESTED_SOP_CLASS_UID: Final = 0x0003
COMMAND_FIELD: Final = 0x0100
MESSAGE_ID: Final = 0x0110
MESSAGE_ID_RESPONDED_TO: Final = 0x0120
MOVE_DESTINATION: Final = 0x0600
PRIORITY: Final = 0x0700
COMMAND_DATA_SET_TYPE: Final = 0x0800
STATUS: Final = 0x0900
ERROR_COMMENT: Final = 0x0902
AFFECTED_SOP_INSTANCE_UID: Final = 0x1000
REQUESTED_SOP_INSTANCE_UID: Final = 0x1001
EVENT_TYPE_ID: Final = 0x1002
ACTION_TYPE_ID: Final = 0x1008
REMAINING_SUBOPERATIONS: Final = 0x1020
COMPLETED_SUBOPERATIONS: Final = 0x1021
FAILED_SUBOPERATIONS: Final = 0x1022
WARNING_SUBOPERATIONS: Final = 0x1023
MOVE_ORIGINATOR_AET: Final = 0x1030
MOVE_ORIGINATOR_MESSAGE_ID: Final = 0x1031

MEDIUM_PRIORITY: Final = 0x0000

_NO_DATA_SET: Final = 0x0101
_DATA_SET: Final = 0x0001
_UIDS = frozenset(
    {AFFECTED_SOP_CLASS_UID, REQUESTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID, REQUESTED_SOP_INSTANCE_UID}
)

_HEAD = struct.Struct("<HHI")
_US_ELEMENT = struct.Struct("<HHIH")
_GROUP_LENGTH = struct.Struct("<HHII")
_PDU_HEAD = struct.Struct(">BBIIBB")

_P_DATA_TF = 0x04
_LAST = 0x02
_LAST_COMMAND_FRAGMENT = 0x03
_UNLIMITED_FRAGMENT = 128 * 1024
"""Bytes of a fragment to a peer that accepts PDUs of any length."""
_BUNCH = 128 * 1024
"""Bytes that are sent at once: a call of the system for each PDU of 16 KB would cost more than the copy."""

Value = int | str | bytes
"""Of an element in a command set: a US, a text (UID, AE title...), or the bytes of anything else."""


class Command:
    """A command set as it was received. Elements are named by their numbers in group 0000.

    :raises NetworkProtocol: when a mandatory element is asked for that is missing, or has another form
    """

    __slots__ = ("_values",)

    def __init__(self, encoded: bytes | bytearray) -> None:
        self._values = _elements(encoded)

    def number(self, element: int) -> int:
        """The value of a US."""
        value = self._value(element)
        if len(value) != 2:
            raise NetworkProtocol("Invalid command set")
        return int.from_bytes(value, "little")

    def text(self, element: int) -> str:
        """A text without its padding."""
        try:
            return self._value(element).decode("ascii").strip("\0 ")
        except UnicodeDecodeError as exc:
            raise NetworkProtocol("Invalid command set") from exc

    def __contains__(self, element: int) -> bool:
        return element in self._values

    @property
    def field(self) -> int:
        """Which request or response it is."""
        return self.number(COMMAND_FIELD)

    @property
    def is_response(self) -> bool:
        return bool(self.field & _RESPONSE)

    @property
    def status(self) -> int:
        """Of a response (PS3.7 annex C)."""
        return self.number(STATUS)

    def answers(self, request_field: int) -> bool:
        """Whether it is a response to a request of this kind."""
        return self.field == request_field | _RESPONSE

    @property
    def message_id(self) -> int:
        """Of a request; of a response and of a C-CANCEL-RQ, that of the request which they are about."""
        return self.number(MESSAGE_ID if MESSAGE_ID in self else MESSAGE_ID_RESPONDED_TO)

    @property
    def sop_class_uid(self) -> str:
        """The affected or requested SOP class."""
        return self.text(
            REQUESTED_SOP_CLASS_UID if REQUESTED_SOP_CLASS_UID in self else AFFECTED_SOP_CLASS_UID
        )

    @property
    def sop_instance_uid(self) -> str:
        """The affected or requested SOP instance."""
        requested = REQUESTED_SOP_INSTANCE_UID in self
        return self.text(REQUESTED_SOP_INSTANCE_UID if requested else AFFECTED_SOP_INSTANCE_UID)

    @property
    def has_sop_instance(self) -> bool:
        return AFFECTED_SOP_INSTANCE_UID in self or REQUESTED_SOP_INSTANCE_UID in self

    @property
    def comment(self) -> str:
        """The explanation of a status, whatever its characters; empty where there is none."""
        return self._values.get(ERROR_COMMENT, b"").decode("ascii", "replace").strip("\0 ")

    @property
    def has_data_set(self) -> bool:
        """Whether a data set follows."""
        return self.number(COMMAND_DATA_SET_TYPE) != _NO_DATA_SET

    def _value(self, element: int) -> bytes:
        value = self._values.get(element)
        if value is None:
            raise NetworkProtocol(f"A command set lacks the element (0000,{element:04x})")
        return value


def response_to(
    request: Command,
    status: int,
    has_data_set: bool = False,
    comment: str = "",
    elements: Mapping[int, Value] | None = None,
) -> bytes:
    """The encoded response to a request (PS3.7 sections 9.3 and 10.3).

    :param elements: what responses of this kind hold besides (numbers of sub-operations...)
    """
    values: dict[int, Value] = {
        AFFECTED_SOP_CLASS_UID: request.sop_class_uid,
        COMMAND_FIELD: request.field | _RESPONSE,
        MESSAGE_ID_RESPONDED_TO: request.message_id,
        COMMAND_DATA_SET_TYPE: _DATA_SET if has_data_set else _NO_DATA_SET,
        STATUS: status,
    }
    if comment:
        values[ERROR_COMMENT] = comment
    if request.has_sop_instance:
        values[AFFECTED_SOP_INSTANCE_UID] = request.sop_instance_uid
    return encode_command({**values, **elements} if elements else values)


def request_of(message_id: int, has_data_set: bool, elements: Mapping[int, Value]) -> bytes:
    """The encoded request with ``elements``, among them the command field and the SOP class."""
    data_set = _DATA_SET if has_data_set else _NO_DATA_SET
    return encode_command({**elements, MESSAGE_ID: message_id, COMMAND_DATA_SET_TYPE: data_set})


def encode_command(values: Mapping[int, Value]) -> bytes:
    """A command set, with its group length in front."""
    body = b"".join([_encode(number, values[number]) for number in sorted(values)])
    return _GROUP_LENGTH.pack(0, 0, 4, len(body)) + body


def cancel_of(message_id: int) -> bytes:
    """The encoded C-CANCEL-RQ for a request that is under way (PS3.7 section 9.3.2.3)."""
    return encode_command(
        {COMMAND_FIELD: C_CANCEL_RQ, MESSAGE_ID_RESPONDED_TO: message_id, COMMAND_DATA_SET_TYPE: _NO_DATA_SET}
    )


def command_pdu(context_id: int, command: bytes) -> bytes:
    """The P-DATA-TF PDU that carries a command set."""
    return _pdu(context_id, _LAST_COMMAND_FRAGMENT, command)


def data_pdus(context_id: int, chunks: Iterable[View], maximum_length: int) -> Iterator[bytes]:
    """The P-DATA-TF PDUs that carry a data set.

    :param chunks: the data set, in pieces of any size
    :param maximum_length: bytes that the peer accepts in the variable field of a PDU; 0 for any number
    """
    # Of even length (PS3.8 annex E.1).
    room = max((maximum_length - 6) & ~1, 2) if maximum_length else _UNLIMITED_FRAGMENT
    waiting: View = b""  # until it is known whether it is the last
    for chunk in chunks:
        view = memoryview(chunk)
        for start in range(0, len(view), room):
            if waiting:
                yield _pdu(context_id, 0, waiting)
            waiting = view[start : start + room]
    yield _pdu(context_id, _LAST, waiting)


def bunches(pdus: Iterable[bytes]) -> Iterator[bytes]:
    """Several PDUs in one piece."""
    waiting: list[bytes] = []
    size = 0
    for pdu in pdus:
        waiting.append(pdu)
        size += len(pdu)
        if size >= _BUNCH:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def _pdu(context_id: int, control: int, fragment: View) -> bytes:
    """A P-DATA-TF with one value (PS3.8 section 9.3.5)."""
    length = len(fragment) + 2
    return _PDU_HEAD.pack(_P_DATA_TF, 0, length + 4, length, context_id, control) + fragment


def _elements(command: bytes | bytearray) -> dict[int, bytes]:
    """The values of the group 0000, by element number.

    :raises NetworkProtocol: if an element does not fit.
    """
    found: dict[int, bytes] = {}
    pos, end = 0, len(command)
    while pos < end:
        if pos + 8 > end:
            raise NetworkProtocol("Invalid command set")
        group, number, length = _HEAD.unpack_from(command, pos)
        pos += 8
        if group != 0 or length > end - pos:
            raise NetworkProtocol("Invalid command set")
        found[number] = bytes(command[pos : pos + length])
        pos += length
    return found


def _encode(number: int, value: Value) -> bytes:
    if isinstance(value, int):
        return _US_ELEMENT.pack(0, number, 2, value)
    raw = value.encode("ascii") if isinstance(value, str) else value
    if len(raw) % 2:
        raw += b"\0" if number in _UIDS else b" "
    return _HEAD.pack(0, number, len(raw)) + raw
