"""A write transaction: its session, and what is written once at its end.

Change numbers must appear in the order of commits, or a reader of ``/changes`` could step over one that
commits late. They are therefore given in the last statement before the commit, from the single row of
``totals``: on PostgreSQL its lock is held until the commit, so that servers commit their changes one after
the other, and hold it only for that moment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from orthanclite.core.constants import ChangeType
from orthanclite.core.levels import Level
from orthanclite.core.machine.clock import now_utc
from orthanclite.index.database.session import Session
from orthanclite.index.schema import changes, exports, totals

_TOTALS = ("patients", "studies", "series", "instances", "disk_size", "uncompressed_size")

_ADD_TOTALS = (
    update(totals)
    .values(
        {totals.c[name]: totals.c[name] + bindparam(f"d_{name}") for name in _TOTALS}
        | {
            totals.c.last_change: totals.c.last_change + bindparam("d_changes"),
            totals.c.last_export: totals.c.last_export + bindparam("d_exports"),
        }
    )
    .returning(totals.c.last_change, totals.c.last_export)
)
_ADD_CHANGE = insert(changes).values({c.name: bindparam(c.name) for c in changes.c})
_ADD_EXPORT = insert(exports).values({c.name: bindparam(c.name) for c in exports.c})
_GET_TOTALS = select(*(totals.c[name] for name in _TOTALS))


@dataclass(slots=True)
class Transaction:
    """What operations share; see ``index.writer``."""

    session: Session
    now: str = field(default_factory=now_utc)
    pending_changes: list[dict[str, Any]] = field(default_factory=list)
    pending_exports: list[dict[str, Any]] = field(default_factory=list)
    deltas: list[int] = field(default_factory=lambda: [0] * len(_TOTALS))
    _totals: list[int] | None = None

    def log(self, type: ChangeType, level: Level, resource: int, public_id: str) -> None:
        """Add an entry to ``/changes``."""
        self.pending_changes.append(
            {
                "type": int(type),
                "level": int(level),
                "resource": resource,
                "public_id": public_id,
                "date": self.now,
            }
        )

    def forget_changes(self, level: Level, resources: set[int]) -> None:
        """Drop entries of this transaction about resources that it deletes."""
        if self.pending_changes:
            self.pending_changes = [
                change
                for change in self.pending_changes
                if change["level"] != level or change["resource"] not in resources
            ]

    def count(self, level: Level, delta: int) -> None:
        self.deltas[level - 1] += delta

    def count_bytes(self, stored: int, size: int) -> None:
        self.deltas[4] += stored
        self.deltas[5] += size

    def totals(self) -> list[int]:
        """Patients, studies, series, instances, bytes on disk, uncompressed bytes, as of this point."""
        if self._totals is None:
            self._totals = list(self.session.one(_GET_TOTALS) or (0,) * len(_TOTALS))
        return [total + delta for total, delta in zip(self._totals, self.deltas, strict=True)]

    def forget_totals(self) -> None:
        """Have them read again: another server has changed them."""
        self._totals = None

    def finish(self) -> None:
        """Write totals, changes and exports; nothing else may follow but the commit."""
        if not (self.pending_changes or self.pending_exports or any(self.deltas)):
            return
        row = self.session.one(
            _ADD_TOTALS,
            **{f"d_{name}": delta for name, delta in zip(_TOTALS, self.deltas, strict=True)},
            d_changes=len(self.pending_changes),
            d_exports=len(self.pending_exports),
        )
        assert row is not None, "the row of totals is created with the schema"
        for statement, pending, last in (
            (_ADD_CHANGE, self.pending_changes, row[0]),
            (_ADD_EXPORT, self.pending_exports, row[1]),
        ):
            first = last - len(pending) + 1
            self.session.run_many(statement, [{**entry, "seq": first + i} for i, entry in enumerate(pending)])
