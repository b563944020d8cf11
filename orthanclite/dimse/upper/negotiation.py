"""The PDUs by which this server requests an association and learns of the answer (PS3.8 section 9.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from orthanclite.core.errors import NetworkProtocol
from orthanclite.dicom.writing.elements import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from orthanclite.dimse.conversation import Context
from orthanclite.dimse.outgoing import Proposal

A_ASSOCIATE_RQ, A_ASSOCIATE_AC, A_ASSOCIATE_RJ = 0x01, 0x02, 0x03
P_DATA_TF = 0x04
A_RELEASE_RQ, A_RELEASE_RP, A_ABORT = 0x05, 0x06, 0x07

RELEASE_REQUEST = struct.pack(">BBII", A_RELEASE_RQ, 0, 4, 0)
RELEASE_RESPONSE = struct.pack(">BBII", A_RELEASE_RP, 0, 4, 0)
ABORT = struct.pack(">BBII", A_ABORT, 0, 4, 0)  # by the service user

_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_APPLICATION_CONTEXT_ITEM, _CONTEXT_ITEM, _RESULT_ITEM, _USER_ITEM = 0x10, 0x20, 0x21, 0x50
_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX = 0x30, 0x40
_MAXIMUM_LENGTH, _IMPLEMENTATION_CLASS, _ROLE, _IMPLEMENTATION_VERSION = 0x51, 0x52, 0x54, 0x55
_PDU_HEAD = struct.Struct(">BBI")
_ITEM_HEAD = struct.Struct(">BBH")
_RESULT_HEAD = 4  # bytes: identifier, reserved, result, reserved
_FIXED_FIELDS = 68  # bytes of an A-ASSOCIATE PDU between its head and its items
_ACCEPTED = 0
_TITLE_LENGTH = 16  # bytes
_DEFAULT_MAXIMUM = 16384
"""Bytes in a P-DATA-TF for a peer that does not tell how many it takes: what all can."""

_REJECTIONS = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}
"""By source and reason (PS3.8 table 9-21)."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What a peer accepts."""

    contexts: tuple[Context, ...]
    maximum_length: int  # bytes that it takes in the variable field of a PDU; 0 for any number


def association_request(
    called: str, calling: str, proposals: Sequence[Proposal], maximum_length: int
) -> bytes:
    """The A-ASSOCIATE-RQ PDU; the contexts have the identifiers 1, 3, 5... in the order of ``proposals``.

    :param maximum_length: bytes that this server takes in the variable field of a PDU
    """
    contexts = b"".join(_context_item(2 * n + 1, proposal) for n, proposal in enumerate(proposals))
    as_scp = dict.fromkeys(proposal.abstract_syntax for proposal in proposals if proposal.as_scp)
    user = (
        _item(_MAXIMUM_LENGTH, struct.pack(">I", maximum_length))
        + _item(_IMPLEMENTATION_CLASS, IMPLEMENTATION_CLASS_UID.encode())
        + b"".join(map(_role_item, as_scp))
        + _item(_IMPLEMENTATION_VERSION, IMPLEMENTATION_VERSION.encode())
    )
    fixed = struct.pack(">HH16s16s32x", 1, 0, _title(called), _title(calling))
    items = (
        _item(_APPLICATION_CONTEXT_ITEM, _APPLICATION_CONTEXT.encode()) + contexts + _item(_USER_ITEM, user)
    )
    return _PDU_HEAD.pack(A_ASSOCIATE_RQ, 0, len(fixed) + len(items)) + fixed + items


def read_acceptance(body: bytes, proposals: Sequence[Proposal]) -> Acceptance:
    """An A-ASSOCIATE-AC without its head. A context that was not proposed so is none that is accepted.

    :raises NetworkProtocol: if it is malformed
    """
    answer = _Answer()
    for kind, value in _items(body[_FIXED_FIELDS:]):
        if kind == _RESULT_ITEM:
            answer.take_result(value)
        elif kind == _USER_ITEM:
            for sub_kind, sub_value in _items(value):
                answer.take_user_item(sub_kind, sub_value)
    return Acceptance(tuple(answer.contexts(proposals)), answer.maximum_length)


def rejection(body: bytes) -> str:
    """What an A-ASSOCIATE-RJ without its head says (PS3.8 section 9.3.4)."""
    result, source, reason = body[1:4].ljust(3, b"\0")
    how = "for the time being" if result == 2 else "permanently"
    why = _REJECTIONS.get((source, reason), "unknown reason")
    return f"Association rejected {how}: {why} (result {result}, source {source}, reason {reason})"


@dataclass(slots=True)
class _Answer:
    maximum_length: int = _DEFAULT_MAXIMUM
    syntaxes: dict[int, str] = field(default_factory=dict)  # accepted ones, by context identifier
    roles: dict[str, tuple[bool, bool]] = field(default_factory=dict)  # SCU and SCP, by SOP class

    def take_result(self, value: bytes) -> None:
        if len(value) < _RESULT_HEAD:
            raise NetworkProtocol("Malformed answer to an association request")
        if value[2] == _ACCEPTED:
            for kind, syntax in _items(value[_RESULT_HEAD:]):
                if kind == _TRANSFER_SYNTAX:
                    self.syntaxes[value[0]] = _uid(syntax)

    def take_user_item(self, kind: int, value: bytes) -> None:
        if kind == _MAXIMUM_LENGTH and len(value) == 4:
            self.maximum_length = int.from_bytes(value, "big")
        elif kind == _ROLE and len(value) >= 4:
            self.roles[_uid(value[2:-2])] = bool(value[-2]), bool(value[-1])

    def contexts(self, proposals: Sequence[Proposal]) -> Iterator[Context]:
        for number, proposal in enumerate(proposals):
            syntax = self.syntaxes.get(2 * number + 1)
            if syntax in proposal.transfer_syntaxes:
                scu, _ = self.roles.get(proposal.abstract_syntax, (True, False))
                yield Context(2 * number + 1, proposal.abstract_syntax, syntax, scu or not proposal.as_scp)


def _items(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The items of a sequence, or sub-items of an item (PS3.8 section 9.3.2)."""
    position = 0
    while position < len(content):
        if position + _ITEM_HEAD.size > len(content):
            raise NetworkProtocol("Malformed answer to an association request")
        kind, _, length = _ITEM_HEAD.unpack_from(content, position)
        position += _ITEM_HEAD.size
        if position + length > len(content):
            raise NetworkProtocol("Malformed answer to an association request")
        yield kind, content[position : position + length]
        position += length


def _item(kind: int, content: bytes) -> bytes:
    return _ITEM_HEAD.pack(kind, 0, len(content)) + content


def _context_item(number: int, proposal: Proposal) -> bytes:
    syntaxes = b"".join(_item(_TRANSFER_SYNTAX, uid.encode()) for uid in proposal.transfer_syntaxes)
    abstract = _item(_ABSTRACT_SYNTAX, proposal.abstract_syntax.encode())
    return _item(_CONTEXT_ITEM, bytes((number, 0, 0, 0)) + abstract + syntaxes)


def _role_item(sop_class: str) -> bytes:
    """The requestor as SCP, and not as SCU."""
    uid = sop_class.encode()
    return _item(_ROLE, struct.pack(">H", len(uid)) + uid + b"\0\1")


def _uid(value: bytes) -> str:
    return value.decode("ascii", "replace").strip("\0 ")


def _title(text: str) -> bytes:
    """An AE title as the reference sends it: cut at 16 bytes, whatever its characters are."""
    return text.encode()[:_TITLE_LENGTH].ljust(_TITLE_LENGTH)
