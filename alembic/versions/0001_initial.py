"""The first schema.

Revision ID: 0001
"""

from alembic import op

from orthanclite.index.schema import metadata, totals

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables, and the single row of totals."""
    metadata.create_all(op.get_bind())
    op.bulk_insert(totals, [{column.name: int(column.name == "id") for column in totals.c}])
