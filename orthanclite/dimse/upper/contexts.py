"""Which presentation contexts are accepted (PS3.8 section 7.1.1.13)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID
from pynetdicom.presentation import PresentationContext

from orthanclite.dicom.encoding import (
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from orthanclite.dicom.uids import KNOWN_STORAGE_CLASSES
from orthanclite.dimse.conversation import Offers
from orthanclite.dimse.upper.associate_request import context_of, valid_uid
from orthanclite.services.server.runtime import RuntimeOptions

_UNCOMPRESSED = tuple(
    UID(uid) for uid in (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN)
)
"""Of services other than storage, in the order of preference."""

# Never stored, even where unknown SOP classes are: the standard knows them, as services of another kind.
_OTHER_SERVICES = frozenset(
    uid
    for uid, entry in UID_dictionary.items()
    if entry[1] in ("SOP Class", "Meta SOP Class", "Service Class") and uid not in KNOWN_STORAGE_CLASSES
)


class ContextPolicy:
    """Decides on the contexts of one association after the other, by what this server offers."""

    def __init__(self, runtime: RuntimeOptions, offers: Offers) -> None:
        self._runtime = runtime
        self._offers = offers

    def supported(self, requested: Iterable[PresentationContext]) -> list[PresentationContext]:
        """What this server accepts of the contexts that a peer proposes.

        Of a context for storage, only the syntax that is accepted is left in the proposal: the first that
        this server takes, as in the reference. PS3.8 leaves the choice to the acceptor, peers name first what
        their files have, and contexts of one class may differ in it.
        """
        classes: dict[UID, list[PresentationContext]] = {}
        for context in requested:
            if context.abstract_syntax is not None:
                classes.setdefault(context.abstract_syntax, []).append(context)
        storage = self._storage_syntaxes() if self._offers.has_storage else {}
        contexts = []
        for uid, proposals in classes.items():
            if uid in self._offers.sop_classes:
                proposed = {syntax for proposal in proposals for syntax in proposal.transfer_syntax}
                context = _context(uid, _UNCOMPRESSED, proposed)
                if uid in self._offers.role_classes:
                    context.scu_role = context.scp_role = True
                contexts.append(context)
            elif storage and self._runtime.accepts_sop_class(uid) and uid not in _OTHER_SERVICES:
                context = _context(uid, tuple(storage), _narrowed(proposals, storage))
                if self._offers.sends_instances:
                    # A peer that proposes so may be the SCP: it gets its instances over this association.
                    context.scu_role = context.scp_role = True
                contexts.append(context)
        return contexts

    def _storage_syntaxes(self) -> dict[UID, None]:
        return dict.fromkeys(valid_uid(uid.encode()) for uid in self._runtime.transfer_syntaxes)


def _narrowed(proposals: Iterable[PresentationContext], accepted: Collection[UID]) -> set[UID]:
    """Leave in each proposal the first syntax that is accepted, if any is; all that are left."""
    left: set[UID] = set()
    for proposal in proposals:
        first = next((syntax for syntax in proposal.transfer_syntax if syntax in accepted), None)
        if first is not None:
            proposal.transfer_syntax = [first]
            left.add(first)
    return left


def _context(uid: UID, syntaxes: Sequence[UID], proposed: Collection[UID]) -> PresentationContext:
    """A context with those of ``syntaxes`` that matter: there may be 128 contexts and 40 syntaxes."""
    # Not none at all: the class is supported, and what is refused is the transfer syntax.
    return context_of(uid, [one for one in syntaxes if one in proposed] or syntaxes[:1])
