"""Databases as released versions of this server have filled them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, text

from orthanclite.index.database import migrations
from orthanclite.index.database.engines import Database


def fill(url: str, revision: str) -> None:
    """Make a database of an older schema, with what its version of the server had stored.

    ``{revision}.json`` has the rows of all tables: two patients with three instances each (whose files are in
    the journal, too), a label, a metadata and an attachment of a study, a protected patient, changes, an
    export, two modalities and a peer.
    """
    database = Database(url)
    try:
        migrations._upgrade(database, revision)
        rows = json.loads((Path(__file__).parent / f"{revision}.json").read_text(encoding="utf-8"))
        with database.engine().connect() as connection:
            metadata = MetaData()
            metadata.reflect(connection)
            connection.execute(metadata.tables["totals"].delete())
            for table in metadata.sorted_tables:
                for row in rows.get(table.name, ()):
                    connection.execute(table.insert(), {name: _value(value) for name, value in row.items()})
                if not database.is_sqlite and table.name in rows and "id" in table.c:
                    _advance_sequence(connection, table.name)
    finally:
        database.close()


def _value(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value


def _advance_sequence(connection: Any, table: str) -> None:
    sequence = connection.execute(text(f"SELECT pg_get_serial_sequence('{table}', 'id')")).scalar()
    if sequence:
        connection.execute(text(f"SELECT setval('{sequence}', (SELECT max(id) FROM {table}))"))
