"""Who may associate, and who may ask for what (options ``DicomAlwaysAllow...`` and ``DicomModalities``).

As the reference does: a stranger is rejected only where nothing is allowed to everybody; an accepted peer
that asks for what it must not have is aborted at that moment. What a peer may do is decided on once, when it
associates: the entries of ``DicomModalities`` are those of that moment.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Iterator

from orthanclite.core.registry import Modality
from orthanclite.dimse.options import DicomServerOptions, ModalitiesLookup
from orthanclite.dimse.peer import Peer, plain_ip
from orthanclite.dimse.service import Service

LOGGER = logging.getLogger(__name__)

_ASSOCIATION_SERVICES = frozenset(
    {Service.ECHO, Service.STORE, Service.FIND, Service.FIND_WORKLIST, Service.GET, Service.MOVE}
)


class Permissions:
    """The rules, applied to the modalities as they are registered when a peer associates."""

    def __init__(self, options: DicomServerOptions, modalities: ModalitiesLookup) -> None:
        self._options = options
        self._modalities = modalities

    def is_called_aet_accepted(self, called_aet: str) -> bool:
        """Whether the server answers to this name."""
        return not self._options.check_called_aet or self._same_aet(called_aet, self._options.aet)

    def rights(self, peer: Peer) -> frozenset[Service] | None:
        """The services that a peer may use; None where it may not even associate.

        A registered modality may always associate, whatever it then may do. Of several that the peer can be,
        each must allow what it asks for.
        """
        always = self._options.always_allow
        modalities = list(self._known(peer))
        if not modalities and not always & _ASSOCIATION_SERVICES:
            return None
        granted = (one for one in Service if all(one.allowed_to(modality) for modality in modalities))
        return always.union(granted) if modalities else always

    def _known(self, peer: Peer) -> Iterator[Modality]:
        """The registered modalities that the peer can be."""
        for modality in self._modalities():
            if not self._same_aet(modality.aet, peer.aet):
                continue
            if self._options.check_modality_host and not _is_host(modality.host, peer.ip):
                LOGGER.warning("%s calls with the AET of a modality that is at %s", peer, modality.host)
                continue
            yield modality

    def _same_aet(self, first: str, second: str) -> bool:
        first, second = first.strip(), second.strip()
        return first == second if self._options.strict_aet else first.upper() == second.upper()


def _is_host(host: str, remote_ip: str) -> bool:
    """Whether ``host``, an address or a name, is the address the peer calls from."""
    if plain_ip(host) == remote_ip:
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return False
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        LOGGER.warning("Cannot resolve the host of a modality: %s", host)
        return False
    return any(plain_ip(str(entry[4][0])) == remote_ip for entry in entries)
