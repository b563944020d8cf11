"""The registries of remote modalities and peers, which clients read and change."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from orthanclite.core.errors import (
    BadFileFormat,
    InexistentFile,
    InexistentItem,
    OrthancError,
    UnknownResource,
)
from orthanclite.core.ports import MemoryRegistryRows, RegistryRows
from orthanclite.core.remotes.dicomweb_server import DicomWebServer
from orthanclite.core.remotes.registry import Modality, Peer

_NAME = re.compile(r"[A-Za-z0-9_-]+")

T = TypeVar("T", bound=Modality | Peer | DicomWebServer)


class Registry(Generic[T]):
    """Records by symbolic name, in memory or in the database. Thread-safe.

    In memory, changes last until the server stops. In the database, the entries of the configuration are
    not used, and all servers on one database see the same records at once.
    """

    def __init__(
        self,
        kind: str,
        full_kind: str,
        parse: Callable[[object], T],
        store: Callable[[T], dict[str, Any]],
        initial: Mapping[str, T],
        rows: RegistryRows | None = None,
        unknown: type[OrthancError] = InexistentItem,
        check: Callable[[T], None] | None = None,
    ) -> None:
        """See :func:`modalities` and :func:`peers`.

        :param rows: where the database keeps them
        :param unknown: the error of :meth:`get` for an unknown name
        :param check: looks at a record that a client sends, beyond its form
        """
        self._check = check
        self._unknown = unknown
        self._kind = kind
        self._full_kind = full_kind
        self._parse = parse
        self._store = store
        self._rows = rows or MemoryRegistryRows(
            {kind: {name: self._text(one) for name, one in initial.items()}}
        )
        self._parsed: dict[str, tuple[str, T]] = {}  # by name, with the text that was parsed

    def all(self) -> dict[str, T]:
        """The records, sorted by name."""
        rows = self._rows.all(self._kind)
        return {name: self._record(name, rows[name]) for name in sorted(rows)}

    def find(self, name: str) -> T | None:
        text = self._rows.get(self._kind, name)
        return None if text is None else self._record(name, text)

    def get(self, name: str) -> T:
        """:raises InexistentItem: for the name of an unknown modality, UnknownResource for that of a peer."""
        record = self.find(name)
        if record is None:
            raise self._unknown(f"No {self._kind} with symbolic name: {name}")
        return record

    def put(self, name: str, value: object) -> None:
        """Add or replace a record, given in one of its JSON forms.

        :raises BadFileFormat: where it has none of these forms, and for a name that may not be.
        :raises ParameterOutOfRange: where a value is impossible.
        :raises InexistentFile: where it names a file that cannot be read.
        """
        if not _NAME.fullmatch(name):
            raise BadFileFormat(f"Only letters, digits, dashes and underscores may be in a name, not: {name}")
        record = self._parse(value)
        if self._check is not None:
            self._check(record)
        self._rows.put(self._kind, name, self._text(record))

    def delete(self, name: str) -> None:
        """:raises InexistentItem: for an unknown name."""
        if not self._rows.delete(self._kind, name):
            raise InexistentItem(f"Unknown {self._full_kind}: {name}")
        self._parsed.pop(name, None)

    def _text(self, record: T) -> str:
        return json.dumps(self._store(record))

    def _record(self, name: str, text: str) -> T:
        """The record of a row. Each association looks at all of them: a row is parsed once."""
        known = self._parsed.get(name)
        if known is None or known[0] != text:
            known = self._parsed[name] = (text, self._parse(json.loads(text)))
        return known[1]


def modalities(initial: Mapping[str, Modality], rows: RegistryRows | None = None) -> Registry[Modality]:
    """The remote modalities; with ``rows`` (``DicomModalitiesInDatabase``) kept in the database."""
    return Registry(
        "modality", "DICOM modality with symbolic name", Modality.parse, Modality.to_json, initial, rows
    )


def peers(initial: Mapping[str, Peer], rows: RegistryRows | None = None) -> Registry[Peer]:
    """The peers; with ``rows`` (``OrthancPeersInDatabase``) kept in the database."""
    return Registry(
        "peer",
        "Orthanc peer",
        Peer.parse,
        Peer.to_stored_json,
        initial,
        rows,
        UnknownResource,
        _check_certificate,
    )


def _check_certificate(peer: Peer) -> None:
    for path in filter(None, (peer.certificate_file, peer.certificate_key_file)):
        if "\0" in path or not os.access(path, os.R_OK):
            raise InexistentFile(f"Cannot open certificate file: {path}")


def dicomweb_servers(
    initial: Mapping[str, DicomWebServer], rows: RegistryRows | None = None
) -> Registry[DicomWebServer]:
    """The DICOMweb servers; with ``rows`` (``DicomWeb.ServersInDatabase``) kept in the database."""
    return Registry(
        "DICOMweb server",
        "DICOMweb server",
        DicomWebServer.parse,
        DicomWebServer.to_stored_json,
        initial,
        rows,
        check=lambda server: _check_certificate(server.address),
    )
