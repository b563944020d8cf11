"""Who asks for something, and what may be asked for: checked in one place, whatever the way in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orthanclite.core.constants import Origin


class Access(StrEnum):
    """What an operation does to the server; each operation declares one."""

    READ = "read"
    """Shows what is stored, or what the server says of itself."""
    WRITE = "write"
    """Changes what is stored: resources, their annotations, the logs. Refused in mode ``ReadOnly``."""
    SEND = "send"
    """Hands stored resources on to another place: a modality, a peer, a folder of the server."""
    ADMINISTER = "administer"
    """Changes the server: its options, the modalities it knows, its scripts, whether it runs."""


ALL_RIGHTS = frozenset(Access)


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever asks: a user over HTTP, a DICOM application entity, a script."""

    origin: Origin
    """The way by which it asks."""
    name: str = ""
    """The user name, or the application entity title; empty where nobody has to say."""
    address: str = ""
    """The IP address it asks from; empty inside this process."""
    rights: frozenset[Access] = ALL_RIGHTS

    def may(self, access: Access) -> bool:
        """Whether it has the right to what an operation does."""
        return access in self.rights
