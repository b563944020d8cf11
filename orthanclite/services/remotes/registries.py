"""The registries of remote modalities and peers, which clients read and change."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from orthanclite.core.errors import InexistentItem, OrthancError, UnknownResource
from orthanclite.core.ports import Properties
from orthanclite.core.registry import Modality, Peer

T = TypeVar("T", bound=Modality | Peer)


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
        properties: Properties | None = None,
        unknown: type[OrthancError] = InexistentItem,
    ) -> None:
        """See :func:`modalities` and :func:`peers`.

        :param properties: where the database keeps them
        :param unknown: the error of :meth:`get` for an unknown name
        """
        self._unknown = unknown
        self._kind = kind
        self._full_kind = full_kind
        self._parse = parse
        self._store = store
        self._properties = properties
        self._property = f"registry.{kind}"
        self._records: dict[str, T] = {} if properties is not None else dict(initial)
        self._lock = threading.Lock()

    def all(self) -> dict[str, T]:
        """The records, sorted by name."""
        with self._lock:
            return dict(sorted(self._read().items()))

    def find(self, name: str) -> T | None:
        with self._lock:
            return self._read().get(name)

    def get(self, name: str) -> T:
        """:raises InexistentItem: for the name of an unknown modality, UnknownResource for that of a peer."""
        record = self.find(name)
        if record is None:
            raise self._unknown(f"No {self._kind} with symbolic name: {name}")
        return record

    def put(self, name: str, value: object) -> None:
        """Add or replace a record, given in one of its JSON forms.

        :raises BadFileFormat: where it has none of these forms.
        :raises ParameterOutOfRange: where a value is impossible.
        """
        record = self._parse(value)
        with self._lock:
            self._write({**self._read(), name: record})

    def delete(self, name: str) -> None:
        """:raises InexistentItem: for an unknown name."""
        with self._lock:
            records = dict(self._read())
            if records.pop(name, None) is None:
                raise InexistentItem(f"Unknown {self._full_kind}: {name}")
            self._write(records)

    def _read(self) -> dict[str, T]:
        if self._properties is None:
            return self._records
        text = self._properties.get_property(self._property)
        stored: dict[str, object] = json.loads(text) if text else {}
        return {name: self._parse(value) for name, value in stored.items()}

    def _write(self, records: dict[str, T]) -> None:
        if self._properties is None:
            self._records = records
        else:
            stored = {name: self._store(record) for name, record in records.items()}
            self._properties.set_property(self._property, json.dumps(stored))


def modalities(initial: Mapping[str, Modality], properties: Properties | None = None) -> Registry[Modality]:
    """The remote modalities; with ``properties`` (``DicomModalitiesInDatabase``) kept in the database."""
    return Registry(
        "modality",
        "DICOM modality with symbolic name",
        Modality.parse,
        Modality.to_json,
        initial,
        properties,
    )


def peers(initial: Mapping[str, Peer], properties: Properties | None = None) -> Registry[Peer]:
    """The peers; with ``properties`` (``OrthancPeersInDatabase``) kept in the database."""
    return Registry(
        "peer", "Orthanc peer", Peer.parse, Peer.to_stored_json, initial, properties, UnknownResource
    )
