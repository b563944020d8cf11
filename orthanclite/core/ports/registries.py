"""Where the registries of remote modalities and peers are kept, and what is set while the server runs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Protocol


class RegistryRows(Protocol):
    """The entries of registries, each kept by itself: nobody's change undoes that of another."""

    def all(self, kind: str) -> dict[str, str]:
        """The values of a registry by name."""
        ...

    def get(self, kind: str, name: str) -> str | None: ...

    def put(self, kind: str, name: str, value: str) -> None:
        """Add or replace an entry."""
        ...

    def delete(self, kind: str, name: str) -> bool:
        """Remove an entry; whether there was one."""
        ...


class RuntimeSettings(Protocol):
    """What clients have set over REST, for all servers on the index."""

    def all(self) -> dict[str, str]: ...

    def set(self, name: str, value: str) -> None: ...

    def clear(self) -> None:
        """Forget all of it: the configuration decides again."""
        ...


class MemoryRegistryRows:
    """Entries that last until the server stops.

    :param initial: the entries of each kind, by name
    """

    def __init__(self, initial: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._lock = threading.Lock()
        self._rows = {kind: dict(entries) for kind, entries in (initial or {}).items()}

    def all(self, kind: str) -> dict[str, str]:
        with self._lock:
            return dict(self._rows.get(kind, {}))

    def get(self, kind: str, name: str) -> str | None:
        with self._lock:
            return self._rows.get(kind, {}).get(name)

    def put(self, kind: str, name: str, value: str) -> None:
        with self._lock:
            self._rows.setdefault(kind, {})[name] = value

    def delete(self, kind: str, name: str) -> bool:
        with self._lock:
            return self._rows.get(kind, {}).pop(name, None) is not None


class MemoryRuntimeSettings:
    """Settings that last until the server stops."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def all(self) -> dict[str, str]:
        return dict(self._values)

    def set(self, name: str, value: str) -> None:
        self._values = {**self._values, name: value}

    def clear(self) -> None:
        self._values = {}
