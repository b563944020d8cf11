"""The PDUs by which this server requests an association and learns of the answer (PS3.8 section 9.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from orthanclite.core.errors import NetworkProtocol
from orthanclite.dimse.conversation import Context
from orthanclite.dimse.outgoing import Proposal
from orthanclite.dimse.upper.wire.pdus import (
    A_ASSOCIATE_RQ,
    ABSTRACT_SYNTAX,
    ACCEPTED,
    CONTEXT_ITEM,
    FIXED_FIELDS,
    MAXIMUM_LENGTH,
    RESULT_ITEM,
    ROLE,
    TRANSFER_SYNTAX,
    USER_ITEM,
    association_pdu,
    item,
    items,
)

_RESULT_HEAD = 4  # bytes: identifier, reserved, result, reserved
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
    roles = {one.abstract_syntax: (False, True) for one in proposals if one.as_scp}
    titles = _title(called) + _title(calling) + bytes(32)
    return association_pdu(A_ASSOCIATE_RQ, titles, contexts, maximum_length, roles)


def read_acceptance(body: bytes, proposals: Sequence[Proposal]) -> Acceptance:
    """An A-ASSOCIATE-AC without its head. A context that was not proposed so is none that is accepted.

    :raises NetworkProtocol: if it is malformed
    """
    answer = _Answer()
    for kind, value in items(body[FIXED_FIELDS:]):
        if kind == RESULT_ITEM:
            answer.take_result(value)
        elif kind == USER_ITEM:
            for sub_kind, sub_value in items(value):
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
        if value[2] == ACCEPTED:
            for kind, syntax in items(value[_RESULT_HEAD:]):
                if kind == TRANSFER_SYNTAX:
                    self.syntaxes[value[0]] = _uid(syntax)

    def take_user_item(self, kind: int, value: bytes) -> None:
        if kind == MAXIMUM_LENGTH and len(value) == 4:
            self.maximum_length = int.from_bytes(value, "big")
        elif kind == ROLE and len(value) >= 4:
            self.roles[_uid(value[2:-2])] = bool(value[-2]), bool(value[-1])

    def contexts(self, proposals: Sequence[Proposal]) -> Iterator[Context]:
        for number, proposal in enumerate(proposals):
            syntax = self.syntaxes.get(2 * number + 1)
            if syntax in proposal.transfer_syntaxes:
                scu, _ = self.roles.get(proposal.abstract_syntax, (True, False))
                yield Context(2 * number + 1, proposal.abstract_syntax, syntax, scu or not proposal.as_scp)


def _context_item(number: int, proposal: Proposal) -> bytes:
    syntaxes = b"".join(item(TRANSFER_SYNTAX, uid.encode()) for uid in proposal.transfer_syntaxes)
    abstract = item(ABSTRACT_SYNTAX, proposal.abstract_syntax.encode())
    return item(CONTEXT_ITEM, bytes((number, 0, 0, 0)) + abstract + syntaxes)


def _uid(value: bytes) -> str:
    return value.decode("ascii", "replace").strip("\0 ")


def _title(text: str) -> bytes:
    """An AE title as the reference sends it: cut at 16 bytes, whatever its characters are."""
    return text.encode()[:_TITLE_LENGTH].ljust(_TITLE_LENGTH)
