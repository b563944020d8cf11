"""Command sets (PS3.7 section 6.3): those of C-STORE and the answers to C-FIND, without detours.

They are implicit little endian and tiny, and every instance received or found costs one of each.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from orthanclite.core.errors import NetworkProtocol

C_STORE_RQ = 0x0001
NO_DATA_SET = 0x0101
_DATA_SET = 0x0001

_AFFECTED_SOP_CLASS_UID = 0x0002
_COMMAND_FIELD = 0x0100
_MESSAGE_ID = 0x0110
_COMMAND_DATA_SET_TYPE = 0x0800
_ERROR_COMMENT = 0x0902
_AFFECTED_SOP_INSTANCE_UID = 0x1000

_HEAD = struct.Struct("<HHI")
_US_ELEMENT = struct.Struct("<HHIH")
_PDU_HEAD = struct.Struct(">BBIIBB")

_P_DATA_TF = 0x04
_LAST = 0x02
_LAST_COMMAND_FRAGMENT = 0x03


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """The command of a C-STORE-RQ (PS3.7 table 9.3-1)."""

    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    has_data_set: bool


def command_field(command: bytes | bytearray) -> int | None:
    """The Command Field of an encoded command set; None where there is none."""
    value = _elements(command).get(_COMMAND_FIELD)
    return None if value is None else _number(value)


def parse_store_request(command: bytes | bytearray) -> StoreRequest:
    """:raises NetworkProtocol: if the command set is broken or lacks a mandatory element."""
    elements = _elements(command)
    try:
        return StoreRequest(
            _number(elements[_MESSAGE_ID]),
            _uid(elements[_AFFECTED_SOP_CLASS_UID]),
            _uid(elements[_AFFECTED_SOP_INSTANCE_UID]),
            _number(elements[_COMMAND_DATA_SET_TYPE]) != NO_DATA_SET,
        )
    except (KeyError, UnicodeDecodeError) as exc:
        raise NetworkProtocol("Invalid C-STORE-RQ") from exc


def store_response(request: StoreRequest, context_id: int, status: int, comment: str = "") -> bytes:
    """The P-DATA-TF PDU with the C-STORE-RSP to ``request``."""
    body = _response(request.sop_class_uid, 0x8001, request.message_id, NO_DATA_SET, status, comment)
    body += _text(_AFFECTED_SOP_INSTANCE_UID, request.sop_instance_uid, "\0")
    return _pdu(context_id, _LAST_COMMAND_FRAGMENT, _command(body))


def find_response(
    sop_class_uid: str,
    message_id: int,
    context_id: int,
    status: int,
    comment: str = "",
    has_data: bool = False,
) -> bytes:
    """The P-DATA-TF PDU with the command of a C-FIND-RSP (PS3.7 table 9.3-3)."""
    data_set = _DATA_SET if has_data else NO_DATA_SET
    body = _response(sop_class_uid, 0x8020, message_id, data_set, status, comment)
    return _pdu(context_id, _LAST_COMMAND_FRAGMENT, _command(body))


def data_pdus(context_id: int, data: bytes, maximum_length: int) -> bytes:
    """The P-DATA-TF PDUs that carry a data set.

    :param maximum_length: bytes that the peer accepts in the variable field of a PDU; 0 for any number
    """
    room = max(maximum_length - 6, 1) if maximum_length else max(len(data), 1)
    pdus = [
        _pdu(context_id, _LAST if start + room >= len(data) else 0, data[start : start + room])
        for start in range(0, max(len(data), 1), room)
    ]
    return b"".join(pdus)


def _response(
    sop_class_uid: str, field: int, message_id: int, data_set: int, status: int, comment: str
) -> bytearray:
    """The elements that all responses begin with."""
    body = bytearray()
    body += _text(_AFFECTED_SOP_CLASS_UID, sop_class_uid, "\0")
    body += _us(_COMMAND_FIELD, field)
    body += _us(0x0120, message_id)
    body += _us(_COMMAND_DATA_SET_TYPE, data_set)
    body += _us(0x0900, status)
    if comment:
        body += _text(_ERROR_COMMENT, comment, " ")
    return body


def _command(body: bytearray) -> bytes:
    return _HEAD.pack(0, 0, 4) + struct.pack("<I", len(body)) + body


def _pdu(context_id: int, control: int, fragment: bytes) -> bytes:
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


def _number(value: bytes) -> int:
    if len(value) != 2:
        raise NetworkProtocol("Invalid command set")
    return int.from_bytes(value, "little")


def _uid(value: bytes) -> str:
    return value.decode("ascii").strip("\0 ")


def _us(number: int, value: int) -> bytes:
    return _US_ELEMENT.pack(0, number, 2, value)


def _text(number: int, value: str, padding: str) -> bytes:
    raw = (value + padding if len(value) % 2 else value).encode("ascii")
    return _HEAD.pack(0, number, len(raw)) + raw
