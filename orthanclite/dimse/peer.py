"""Who is at the other end of an association."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """The calling application, as its association request names it."""

    aet: str  # without padding
    ip: str
    called_aet: str  # without padding

    def __str__(self) -> str:
        return f'"{self.aet}" at {self.ip}'


def plain_ip(address: str) -> str:
    """An address without the IPv6 form of IPv4 addresses (``::ffff:10.0.0.1``)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
