"""Which presentation contexts are accepted (PS3.8 section 7.1.1.13)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pydicom._uid_dict import UID_dictionary

from orthanclite.dicom.encoding import (
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from orthanclite.dicom.uids import KNOWN_STORAGE_CLASSES
from orthanclite.dimse.conversation import Context, Offers
from orthanclite.dimse.upper.accepted.negotiation import AssociationRequest, ContextAnswer, ProposedContext
from orthanclite.dimse.upper.wire.pdus import ACCEPTED, Roles
from orthanclite.services.server.runtime import RuntimeOptions

_UNCOMPRESSED = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN)
"""Of services other than storage, in the order of preference."""
_USER_REJECTION, _NO_ABSTRACT_SYNTAX, _NO_TRANSFER_SYNTAX = 1, 3, 4  # PS3.8 table 9-18
_NO_ROLE = (False, False)

# Never stored, even where unknown SOP classes are: the standard knows them, as services of another kind.
_OTHER_SERVICES = frozenset(
    uid
    for uid, entry in UID_dictionary.items()
    if entry[1] in ("SOP Class", "Meta SOP Class", "Service Class") and uid not in KNOWN_STORAGE_CLASSES
)


@dataclass(frozen=True, slots=True)
class Negotiated:
    """The presentation contexts of one association."""

    answers: tuple[ContextAnswer, ...]
    contexts: tuple[Context, ...]  # those that are accepted
    roles: Roles  # that are granted as the peer proposes them


class ContextPolicy:
    """Decides on the contexts of one association after the other, by what this server offers."""

    def __init__(self, runtime: RuntimeOptions, offers: Offers) -> None:
        self._runtime = runtime
        self._offers = offers

    def negotiate(self, request: AssociationRequest) -> Negotiated:
        """Decide on what a peer proposes."""
        storage = frozenset(self._runtime.transfer_syntaxes if self._offers.has_storage else ())
        roles = {uid: role for uid, role in request.roles.items() if self._grants_roles(uid)}
        answers = [self._answer(proposal, roles, storage) for proposal in request.contexts]
        contexts = [
            Context(
                answer.context_id,
                proposal.abstract_syntax,
                answer.transfer_syntax,
                self._may_send_in(proposal.abstract_syntax, request.roles, roles),
            )
            for proposal, answer in zip(request.contexts, answers, strict=True)
            if answer.result == ACCEPTED
        ]
        accepted = {context.abstract_syntax for context in contexts}
        granted = {uid: role for uid, role in roles.items() if uid in accepted}
        return Negotiated(tuple(answers), tuple(contexts), granted)

    def _answer(self, proposal: ProposedContext, roles: Roles, storage: Collection[str]) -> ContextAnswer:
        """Accept the first syntax that can be stored, of another service the one that is preferred.

        The former is what the reference does. PS3.8 leaves the choice to the acceptor, peers name first what
        their files have, and contexts of one class may differ in it.
        """
        uid, proposed = proposal.abstract_syntax, proposal.transfer_syntaxes
        if uid in self._offers.sop_classes:
            fitting = [one for one in _UNCOMPRESSED if one in proposed]
        elif storage and uid not in _OTHER_SERVICES and self._runtime.accepts_sop_class(uid):
            fitting = [one for one in proposed if one in storage]
        else:
            return ContextAnswer(proposal.context_id, _NO_ABSTRACT_SYNTAX, proposed[0])
        if not fitting:
            return ContextAnswer(proposal.context_id, _NO_TRANSFER_SYNTAX, proposed[0])
        result = _USER_REJECTION if roles.get(uid) == _NO_ROLE else ACCEPTED
        return ContextAnswer(proposal.context_id, result, fitting[0])

    def _grants_roles(self, uid: str) -> bool:
        """Whether a peer may choose its role: of a class for storage, to get instances that it asks for."""
        offers = self._offers
        return uid in offers.role_classes or (offers.sends_instances and uid not in offers.sop_classes)

    def _may_send_in(self, uid: str, proposed: Roles, granted: Roles) -> bool:
        """Whether this server may be the SCU in a context.

        Where the peer says nothing of roles, C-GET is served nevertheless, as by the reference: there are
        peers that rely on it.
        """
        if uid in granted:
            return granted[uid][1]
        return uid not in proposed and uid not in self._offers.sop_classes and self._offers.sends_instances
