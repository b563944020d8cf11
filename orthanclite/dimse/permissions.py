"""Who may associate, and who may ask for what (options ``DicomAlwaysAllow...`` and ``DicomModalities``).

As the reference does: a stranger is rejected only where nothing is allowed to everybody; an accepted peer
that asks for what it must not have is aborted at that moment. What a peer may do is decided on once, when it
associates: the entries of ``DicomModalities`` are those of that moment.
"""

from __future__ import annotations

from orthanclite.dimse.modalities import KnownModalities
from orthanclite.dimse.options import DicomServerOptions, ModalitiesLookup
from orthanclite.dimse.peer import Peer
from orthanclite.dimse.service import Service

_ASSOCIATION_SERVICES = frozenset(
    {Service.ECHO, Service.STORE, Service.FIND, Service.FIND_WORKLIST, Service.GET, Service.MOVE}
)


class Permissions:
    """The rules, applied to the modalities as they are registered when a peer associates."""

    def __init__(self, options: DicomServerOptions, modalities: ModalitiesLookup) -> None:
        self._options = options
        self._modalities = KnownModalities(options, modalities)

    def is_called_aet_accepted(self, called_aet: str) -> bool:
        """Whether the server answers to this name."""
        return not self._options.check_called_aet or self._modalities.same_aet(called_aet, self._options.aet)

    def rights(self, peer: Peer) -> frozenset[Service] | None:
        """The services that a peer may use; None where it may not even associate.

        A registered modality may always associate, whatever it then may do. Of several that the peer can be,
        each must allow what it asks for.
        """
        always = self._options.always_allow
        modalities = list(self._modalities.of_peer(peer))
        if not modalities and not always & _ASSOCIATION_SERVICES:
            return None
        granted = (one for one in Service if all(one.allowed_to(modality) for modality in modalities))
        return always.union(granted) if modalities else always
