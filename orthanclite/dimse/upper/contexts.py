"""Which presentation contexts are accepted (PS3.8 section 7.1.1.13)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID
from pynetdicom.presentation import PresentationContext

from orthanclite.dicom.encoding import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from orthanclite.dicom.uids import KNOWN_STORAGE_CLASSES
from orthanclite.dimse.conversation import Offers
from orthanclite.dimse.upper.associate_request import context_of, valid_uid
from orthanclite.services.server.runtime import RuntimeOptions

_PREFERRED = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, DEFLATED_LITTLE_ENDIAN)
"""In this order, before the compressed ones: as the reference does where one context offers several."""

_UNCOMPRESSED = tuple(UID(uid) for uid in _PREFERRED[:3])

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
        """What this server accepts of the contexts that a peer proposes."""
        classes: dict[UID, set[UID]] = {}  # and the syntaxes proposed for each
        for context in requested:
            if context.abstract_syntax is not None:
                classes.setdefault(context.abstract_syntax, set()).update(context.transfer_syntax)
        storage = self._storage_syntaxes() if self._offers.has_storage else ()
        contexts = []
        for uid, proposed in classes.items():
            if uid in self._offers.sop_classes:
                contexts.append(_context(uid, _UNCOMPRESSED, proposed))
            elif storage and self._runtime.accepts_sop_class(uid) and uid not in _OTHER_SERVICES:
                context = _context(uid, storage, proposed)
                if self._offers.sends_instances:
                    # A peer that proposes so may be the SCP: it gets its instances over this association.
                    context.scu_role = context.scp_role = True
                contexts.append(context)
        return contexts

    def _storage_syntaxes(self) -> Sequence[UID]:
        accepted = self._runtime.transfer_syntaxes
        first = [uid for uid in _PREFERRED if uid in accepted]
        return [valid_uid(uid.encode()) for uid in (*first, *(uid for uid in accepted if uid not in first))]


def _context(uid: UID, syntaxes: Sequence[UID], proposed: Collection[UID]) -> PresentationContext:
    """A context with those of ``syntaxes`` that matter: there may be 128 contexts and 40 syntaxes."""
    # Not none at all: the class is supported, and what is refused is the transfer syntax.
    return context_of(uid, [one for one in syntaxes if one in proposed] or syntaxes[:1])
