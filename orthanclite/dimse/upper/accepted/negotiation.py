"""A-ASSOCIATE-RQ (PS3.8 section 9.3.2), read as tolerantly as PS3.8 asks for, and the answers to it.

What the server does not act upon must not keep a peer out: reserved bits of the protocol version, items and
sub-items of other kinds (PS3.8 9.3.1, PS3.7 D.3.3), and padding of other kinds in AE titles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orthanclite.core.errors import NetworkProtocol
from orthanclite.dimse.upper.wire.pdus import (
    A_ASSOCIATE_AC,
    A_ASSOCIATE_RJ,
    ABSTRACT_SYNTAX,
    APPLICATION_CONTEXT_ITEM,
    CONTEXT_ITEM,
    FIXED_FIELDS,
    MAXIMUM_LENGTH,
    RESULT_ITEM,
    ROLE,
    TRANSFER_SYNTAX,
    USER_ITEM,
    VERSION,
    Roles,
    association_pdu,
    item,
    items,
    pdu,
)

_CALLED, _CALLING = slice(4, 20), slice(20, 36)
_VERSION_1 = 0x0001  # bit of the protocol version
_CONTEXT_HEAD = 4  # bytes: identifier, and what is reserved
_LONGEST_UID = 64  # characters


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A presentation context that a peer proposes."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """What a peer asks for."""

    titles: bytes  # as they came; an answer repeats them
    is_version_1: bool  # whether the peer speaks version 1 of the protocol, the only one
    called_aet: str
    calling_aet: str
    application_context: str
    contexts: tuple[ProposedContext, ...]
    roles: Roles
    maximum_length: int  # bytes that it takes in the variable field of a PDU; 0 for any number


@dataclass(frozen=True, slots=True)
class ContextAnswer:
    """What becomes of a proposed context."""

    context_id: int
    result: int  # PS3.8 table 9-18
    transfer_syntax: str  # where it is accepted; any other means nothing


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why there is no association (PS3.8 section 9.3.4)."""

    result: int
    source: int
    reason: int

    def encode(self) -> bytes:
        """The A-ASSOCIATE-RJ."""
        return pdu(A_ASSOCIATE_RJ, bytes((0, self.result, self.source, self.reason)))


def read_request(body: bytes) -> AssociationRequest:
    """An A-ASSOCIATE-RQ without its head.

    :raises NetworkProtocol: if it is malformed, or lacks AE titles or the syntaxes of a context
    """
    if len(body) < FIXED_FIELDS:
        raise NetworkProtocol("Malformed association request")
    application_context, user = "", b""
    contexts: list[ProposedContext] = []
    for kind, content in items(body[FIXED_FIELDS:]):
        if kind == APPLICATION_CONTEXT_ITEM:
            application_context = _uid(content)
        elif kind == CONTEXT_ITEM:
            contexts.append(_context(content))
        elif kind == USER_ITEM:
            user = content
    maximum_length, roles = _user_information(user)
    return AssociationRequest(
        body[len(VERSION) : FIXED_FIELDS],
        bool(int.from_bytes(body[:2], "big") & _VERSION_1),
        _title(body[_CALLED]),
        _title(body[_CALLING]),
        application_context,
        tuple(contexts),
        roles,
        maximum_length,
    )


def acceptance(
    request: AssociationRequest, answers: Sequence[ContextAnswer], roles: Roles, maximum_length: int
) -> bytes:
    """The A-ASSOCIATE-AC.

    :param maximum_length: bytes that this server takes in the variable field of a PDU
    """
    results = b"".join(
        item(
            RESULT_ITEM,
            bytes((one.context_id, 0, one.result, 0)) + item(TRANSFER_SYNTAX, one.transfer_syntax.encode()),
        )
        for one in sorted(answers, key=lambda one: one.context_id)
    )
    return association_pdu(A_ASSOCIATE_AC, request.titles, results, maximum_length, roles)


def _context(content: bytes) -> ProposedContext:
    abstract, transfer = "", []
    for kind, value in items(content[_CONTEXT_HEAD:]):
        if kind == ABSTRACT_SYNTAX:
            abstract = abstract or _uid(value)
        elif kind == TRANSFER_SYNTAX and (uid := _uid(value)):
            transfer.append(uid)
    if not (abstract and transfer and content[0] % 2):
        raise NetworkProtocol("A presentation context without identifier, abstract or transfer syntax")
    return ProposedContext(content[0], abstract, tuple(transfer))


def _user_information(content: bytes) -> tuple[int, Roles]:
    """The maximum length and the roles; what else there is, or is malformed, is nothing to act upon."""
    maximum_length: int | None = None
    roles: dict[str, tuple[bool, bool]] = {}
    for kind, value in items(content):
        if kind == MAXIMUM_LENGTH and len(value) >= 4 and maximum_length is None:
            maximum_length = int.from_bytes(value[:4], "big")
        elif kind == ROLE and len(value) >= 4 and int.from_bytes(value[:2], "big") == len(value) - 4:
            roles[_uid(value[2:-2])] = bool(value[-2]), bool(value[-1])
    return maximum_length or 0, roles


def _uid(value: bytes) -> str:
    """A UID that may be one byte too long, for its padding.

    :raises NetworkProtocol: if it is none
    """
    uid = value[:-1] if value.endswith(b"\0") else value
    if len(uid) > _LONGEST_UID or not uid.isascii():
        raise NetworkProtocol("Malformed UID in an association request")
    return uid.decode()


def _title(title: bytes) -> str:
    """An AE title up to its first NUL, with a question mark for each character that none may hold.

    The reference, too, accepts all of them; as none is registered so, such a peer is a stranger.

    :raises NetworkProtocol: if it is empty
    """
    text = title.partition(b"\0")[0].strip()
    if not text:
        raise NetworkProtocol("An association request without AE titles")
    return bytes(byte if 0x20 <= byte < 0x7F and byte != 0x5C else 0x3F for byte in text).decode()
