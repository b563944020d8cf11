"""Remote DICOMweb servers: the entries of ``Servers`` in the section ``DicomWeb`` of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orthanclite.core.errors import BadFileFormat
from orthanclite.core.remotes.endpoints import Endpoint
from orthanclite.core.remotes.registry import Peer

_FLAGS = {
    "HasDelete": ("has_delete", False),
    "ChunkedTransfers": ("chunked_transfers", True),
    "HasWadoRsUniversalTransferSyntax": ("universal_syntax", True),
}


@dataclass(frozen=True, slots=True)
class DicomWebServer:
    """A remote DICOMweb server, reached as a peer is."""

    address: Peer
    has_delete: bool = False
    """Whether it deletes when asked (``DELETE`` is not in the standard)."""
    chunked_transfers: bool = True
    """Whether bodies without a length are welcome. Kept for clients: this server tells all lengths."""
    universal_syntax: bool = True
    """Whether it knows ``transfer-syntax=*``, which asks for files as they are stored."""
    given: tuple[str, ...] = ()
    """The names of the flags that were given, which are shown."""

    @staticmethod
    def parse(value: object) -> DicomWebServer:
        """From ``[url]``, ``[url, username, password]`` or an object.

        :raises BadFileFormat: as :meth:`.Peer.parse`, and for flags that are none
        :raises BadParameterType: for a negative timeout
        """
        if not isinstance(value, dict):
            return DicomWebServer(Peer.parse(value))
        rest = {key: item for key, item in value.items() if key not in _FLAGS}
        flags = {name: _flag(key, value.get(key, default)) for key, (name, default) in _FLAGS.items()}
        return DicomWebServer(Peer.parse(rest), given=tuple(sorted(value.keys() & _FLAGS.keys())), **flags)

    @property
    def endpoint(self) -> Endpoint:
        """The server, for requests to it."""
        return self.address.endpoint

    def to_json(self) -> dict[str, Any]:
        """As clients see it, without secrets."""
        flags = {key: str(int(getattr(self, _FLAGS[key][0]))) for key in self.given}
        return self.address.to_json() | flags

    def to_stored_json(self) -> dict[str, Any]:
        """Complete, secrets included; :meth:`parse` reads it back."""
        return self.address.to_stored_json() | {key: getattr(self, _FLAGS[key][0]) for key in self.given}


def _flag(key: str, value: object) -> bool:
    """A Boolean, also in the form in which it is shown."""
    if value in ("0", "1", "false", "true"):
        return value in ("1", "true")
    if not isinstance(value, bool):
        raise BadFileFormat(f"Boolean value expected in field: {key}")
    return value
