"""Command sets (PS3.7 section 6.3): the two of C-STORE, read and written without detours.

They are implicit little endian and tiny, and every instance received costs one of each.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from orthanclite.core.errors import NetworkProtocol

C_STORE_RQ = 0x0001
NO_DATA_SET = 0x0101

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
    body = bytearray()
    body += _text(_AFFECTED_SOP_CLASS_UID, request.sop_class_uid, "\0")
    body += _us(_COMMAND_FIELD, 0x8001)
    body += _us(0x0120, request.message_id)
    body += _us(_COMMAND_DATA_SET_TYPE, NO_DATA_SET)
    body += _us(0x0900, status)
    if comment:
        body += _text(_ERROR_COMMENT, comment, " ")
    body += _text(_AFFECTED_SOP_INSTANCE_UID, request.sop_instance_uid, "\0")
    command = _HEAD.pack(0, 0, 4) + struct.pack("<I", len(body)) + body
    pdv_length = len(command) + 2
    head = _PDU_HEAD.pack(_P_DATA_TF, 0, pdv_length + 4, pdv_length, context_id, _LAST_COMMAND_FRAGMENT)
    return head + command


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
