"""Which of the registered modalities a peer or an AE title is."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Iterator

from orthanclite.core.remotes.registry import Modality
from orthanclite.dimse.options import DicomServerOptions, ModalitiesLookup
from orthanclite.dimse.peer import Peer, plain_ip

LOGGER = logging.getLogger(__name__)


class KnownModalities:
    """The modalities as they are registered at the moment of each question."""

    def __init__(self, options: DicomServerOptions, modalities: ModalitiesLookup) -> None:
        self._options = options
        self._modalities = modalities

    def same_aet(self, first: str, second: str) -> bool:
        """Whether two AE titles are the same (``StrictAetComparison``)."""
        first, second = first.strip(), second.strip()
        return first == second if self._options.strict_aet else first.upper() == second.upper()

    def of_peer(self, peer: Peer) -> Iterator[Modality]:
        """Those that a peer can be (``DicomCheckModalityHost``)."""
        for modality in self._of_aet(peer.aet):
            if self._options.check_modality_host and not _is_host(modality.host, peer.ip):
                LOGGER.warning("%s calls with the AET of a modality that is at %s", peer, modality.host)
                continue
            yield modality

    def caller(self, peer: Peer) -> Modality | None:
        """The one by which a peer is called back, of several that whose host it calls from; None for none."""
        known = list(self.of_peer(peer))
        return next((one for one in known if plain_ip(one.host) == peer.ip), known[0] if known else None)

    def destination(self, aet: str) -> Modality | None:
        """The first one of that AE title; None for none."""
        return next(self._of_aet(aet), None)

    def _of_aet(self, aet: str) -> Iterator[Modality]:
        return (modality for modality in self._modalities() if self.same_aet(modality.aet, aet))


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
