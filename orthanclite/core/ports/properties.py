"""Named texts that survive a restart."""

from __future__ import annotations

from typing import Protocol


class Properties(Protocol):
    """Named texts that survive a restart (registries, counters)."""

    def get_property(self, name: str) -> str | None: ...

    def set_property(self, name: str, value: str | None) -> None: ...

    def add_property(self, name: str, value: str) -> str:
        """Set what is not set yet; the value that holds now."""
        ...

    def list_properties(self, prefix: str) -> dict[str, str]:
        """All texts whose name begins with ``prefix``, by name."""
        ...

    def increment(self, name: str) -> int:
        """Add one to a persistent counter that starts at 0; the new value."""
        ...
