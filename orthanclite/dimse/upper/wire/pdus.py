"""What the PDUs of both roles have in common (PS3.8 section 9.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Final

from orthanclite.core.errors import NetworkProtocol
from orthanclite.dicom.writing.elements import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION

A_ASSOCIATE_RQ, A_ASSOCIATE_AC, A_ASSOCIATE_RJ = 0x01, 0x02, 0x03
P_DATA_TF = 0x04
A_RELEASE_RQ, A_RELEASE_RP, A_ABORT = 0x05, 0x06, 0x07

_PDU_HEAD = struct.Struct(">BBI")
_ITEM_HEAD = struct.Struct(">BBH")


def pdu(kind: int, body: bytes) -> bytes:
    """A PDU."""
    return _PDU_HEAD.pack(kind, 0, len(body)) + body


RELEASE_REQUEST = pdu(A_RELEASE_RQ, bytes(4))
RELEASE_RESPONSE = pdu(A_RELEASE_RP, bytes(4))
ABORT = pdu(A_ABORT, bytes(4))  # by the service user

FIXED_FIELDS = 68
"""Bytes of an A-ASSOCIATE PDU between its head and its items."""
VERSION = struct.pack(">HH", 1, 0)
"""The first of them: the version of the protocol, and what is reserved."""
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
APPLICATION_CONTEXT_ITEM, CONTEXT_ITEM, RESULT_ITEM, USER_ITEM = 0x10, 0x20, 0x21, 0x50
ABSTRACT_SYNTAX, TRANSFER_SYNTAX = 0x30, 0x40
MAXIMUM_LENGTH, ROLE = 0x51, 0x54
_IMPLEMENTATION_CLASS, _IMPLEMENTATION_VERSION = 0x52, 0x55
ACCEPTED: Final = 0

Roles = Mapping[str, tuple[bool, bool]]
"""Whether the requestor is SCU and SCP, by SOP class (PS3.7 D.3.3.4)."""


def association_pdu(kind: int, titles: bytes, contexts: bytes, maximum_length: int, roles: Roles) -> bytes:
    """An A-ASSOCIATE-RQ or A-ASSOCIATE-AC.

    :param titles: the fixed fields behind the version
    :param contexts: the items of presentation contexts
    :param maximum_length: bytes that this server takes in the variable field of a PDU
    """
    user = (
        item(MAXIMUM_LENGTH, struct.pack(">I", maximum_length))
        + item(_IMPLEMENTATION_CLASS, IMPLEMENTATION_CLASS_UID.encode())
        + b"".join(_role_item(uid, *flags) for uid, flags in roles.items())
        + item(_IMPLEMENTATION_VERSION, IMPLEMENTATION_VERSION.encode())
    )
    items = item(APPLICATION_CONTEXT_ITEM, APPLICATION_CONTEXT.encode()) + contexts + item(USER_ITEM, user)
    return pdu(kind, VERSION + titles + items)


def item(kind: int, content: bytes) -> bytes:
    """An item or a sub-item."""
    return _ITEM_HEAD.pack(kind, 0, len(content)) + content


def _role_item(sop_class: str, scu: bool, scp: bool) -> bytes:
    uid = sop_class.encode()
    return item(ROLE, struct.pack(">H", len(uid)) + uid + bytes((scu, scp)))


def items(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The items of a sequence, or sub-items of an item (PS3.8 section 9.3.2).

    :raises NetworkProtocol: if one is longer than what there is
    """
    position = 0
    while position < len(content):
        start = position + _ITEM_HEAD.size
        if start > len(content):
            raise NetworkProtocol("Malformed negotiation of an association")
        kind, _, length = _ITEM_HEAD.unpack_from(content, position)
        position = start + length
        if position > len(content):
            raise NetworkProtocol("Malformed negotiation of an association")
        yield kind, content[start:position]
