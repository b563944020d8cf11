"""The logs of changes and of exports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from orthanclite.core.constants import ChangeType
from orthanclite.core.model import ChangesPage, Export, ExportsPage


class ChangeLog(Protocol):
    def changes(
        self,
        since: int = 0,
        limit: int = 100,
        to: int | None = None,
        types: Sequence[ChangeType] = (),
    ) -> ChangesPage:
        """Changes after ``since`` (exclusive), oldest first; with ``to`` (inclusive), the latest up to it."""
        ...

    def last_change(self) -> ChangesPage: ...

    def clear_changes(self) -> None: ...

    def add_export(self, export: Export) -> None:
        """Log an export; its ``seq`` is given by the index."""
        ...

    def exports(self, since: int = 0, limit: int = 100) -> ExportsPage: ...

    def last_export(self) -> ExportsPage: ...

    def clear_exports(self) -> None: ...
