"""The first schema. It stands as SQL beside this script, so that later versions of the code cannot change it.

Revision ID: 0001
"""

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TRIGRAMS = {
    "patients": ("patient_name", "patient_id"),
    "studies": (
        "patient_name",
        "patient_id",
        "accession_number",
        "study_description",
        "referring_physician_name",
        "modalities",
    ),
    "series": ("series_description",),
}


def upgrade() -> None:
    """Create all tables, and the single row of totals."""
    connection = op.get_bind()
    dialect = connection.dialect.name
    script = Path(__file__).with_name(f"0001_{dialect}.sql").read_text(encoding="utf-8")
    for statement in script.split(";\n"):  # inside a trigger no line ends
        if statement.strip():
            connection.exec_driver_sql(statement)
    if dialect == "postgresql":
        _add_trigrams()
    connection.exec_driver_sql("INSERT INTO totals VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0)")


def _add_trigrams() -> None:
    """Indexes for parts of texts, where the server has the extension; searches work without, but slower."""
    connection = op.get_bind()
    available = "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'"
    if not connection.execute(text(available)).scalar():
        return
    connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    for table, columns in _TRIGRAMS.items():
        for column in columns:
            index = f"ix_{table}_{column}_trigrams"
            connection.execute(text(f"CREATE INDEX {index} ON {table} USING gin ({column} gin_trgm_ops)"))
