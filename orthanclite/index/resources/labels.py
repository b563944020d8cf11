"""The rows of labels, as several parts of the index write them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, insert

from orthanclite.core.levels import Level
from orthanclite.index.database.transaction import Transaction
from orthanclite.index.schema import labels

_ADD = insert(labels).values({c.name: bindparam(c.name) for c in labels.c})


def add_labels(tx: Transaction, level: Level, key: int, given: Iterable[str]) -> None:
    """Add labels to a resource that has none of them."""
    rows = [{"level": int(level), "resource": key, "label": label} for label in sorted(set(given))]
    tx.session.run_many(_ADD, rows)
