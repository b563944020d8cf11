"""Who is at the other end of an association."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orthanclite.dimse.permissions import plain_ip


@dataclass(frozen=True, slots=True)
class Peer:
    """The calling application, as its association request names it."""

    aet: str  # without padding
    ip: str
    called_aet: str  # without padding

    def __str__(self) -> str:
        return f'"{self.aet}" at {self.ip}'


def peer_of(association: Any) -> Peer:
    """The peer of an accepted (or requested) pynetdicom association."""
    request = association.requestor.primitive
    return Peer(
        aet=str(request.calling_ae_title).strip(),
        ip=plain_ip(association.requestor.address),
        called_aet=str(request.called_ae_title).strip(),
    )
