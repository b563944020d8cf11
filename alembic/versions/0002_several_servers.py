"""Several servers on one database: who they are, what belongs to which, and what they share as rows.

The journal of blobs gets an owner; the registries leave their texts in ``properties`` for a row per entry.

Revision ID: 0002
"""

import json
from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_REGISTRIES = ("modality", "peer")


def upgrade() -> None:
    """Create the tables, and move the registries into theirs."""
    connection = op.get_bind()
    script = Path(__file__).with_name(f"0002_{connection.dialect.name}.sql").read_text(encoding="utf-8")
    for statement in script.split(";\n"):
        if statement.strip():
            connection.exec_driver_sql(statement)
    for kind in _REGISTRIES:
        _move_registry(kind)


def _move_registry(kind: str) -> None:
    connection = op.get_bind()
    name = {"name": f"registry.{kind}"}
    known = connection.execute(text("SELECT value FROM properties WHERE name = :name"), name).scalar()
    entries = json.loads(known) if known else {}
    add = text("INSERT INTO registry (kind, name, value) VALUES (:kind, :name, :value)")
    for entry, value in entries.items():
        connection.execute(add, {"kind": kind, "name": entry, "value": json.dumps(value)})
    connection.execute(text("DELETE FROM properties WHERE name = :name"), name)
