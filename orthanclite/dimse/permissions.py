"""Who may associate, and who may ask for what (options ``DicomAlwaysAllow...`` and ``DicomModalities``).

As the reference does: a stranger is rejected only where nothing is allowed to everybody; an accepted peer
that asks for what it must not have is aborted at that moment.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Iterator

from orthanclite.core.registry import Modality
from orthanclite.dimse.options import DicomServerOptions, ModalitiesLookup, Service

LOGGER = logging.getLogger(__name__)

_ASSOCIATION_SERVICES = frozenset(
    {Service.ECHO, Service.STORE, Service.FIND, Service.FIND_WORKLIST, Service.GET, Service.MOVE}
)


class Permissions:
    """The rules, applied to the modalities as they are registered at the moment of each question."""

    def __init__(self, options: DicomServerOptions, modalities: ModalitiesLookup) -> None:
        self._options = options
        self._modalities = modalities

    def is_called_aet_accepted(self, called_aet: str) -> bool:
        """Whether the server answers to this name."""
        return not self._options.check_called_aet or self._same_aet(called_aet, self._options.aet)

    def is_association_accepted(self, calling_aet: str, remote_ip: str) -> bool:
        """Whether a peer may associate at all."""
        if self._options.always_allow & _ASSOCIATION_SERVICES:
            return True
        return any(True for _ in self._known(calling_aet, remote_ip))

    def is_allowed(self, service: Service, calling_aet: str, remote_ip: str) -> bool:
        """Whether a peer may use ``service``."""
        if service in self._options.always_allow:
            return True
        return any(service.allowed_to(modality) for modality in self._known(calling_aet, remote_ip))

    def _known(self, calling_aet: str, remote_ip: str) -> Iterator[Modality]:
        """The registered modalities that the peer can be."""
        for modality in self._modalities():
            if not self._same_aet(modality.aet, calling_aet):
                continue
            if self._options.check_modality_host and not _is_host(modality.host, remote_ip):
                LOGGER.warning(
                    'AET "%s" calls from %s, but is registered at %s', calling_aet, remote_ip, modality.host
                )
                continue
            yield modality

    def _same_aet(self, first: str, second: str) -> bool:
        first, second = first.strip(), second.strip()
        return first == second if self._options.strict_aet else first.upper() == second.upper()


def plain_ip(address: str) -> str:
    """An address without the IPv6 form of IPv4 addresses (``::ffff:10.0.0.1``)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


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
