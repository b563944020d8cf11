"""What jobs are given that nobody may read again.

Revision ID: 0005
"""

from alembic import op
from sqlalchemy import Column, Text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("jobs", Column("secrets", Text))
