"""Deleted shows, so that a deletion can be undone; a checksum for every vector, computed for those that are stored."""

import sqlalchemy as sa
from alembic import op

from animerag.storage.integrity import checksum_of

revision = "0009"
down_revision = "0008"

_ROWS = 1000  # vectors in memory at a time


def upgrade() -> None:
    """Add the table and the column."""
    op.create_table(
        "deletions",
        sa.Column("show_id", sa.Text, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
    )
    op.add_column("vectors", sa.Column("checksum", sa.Integer))
    connection = op.get_bind()
    stored = sa.text("SELECT rowid AS number, vector FROM vectors WHERE rowid > :after ORDER BY rowid LIMIT :rows")
    changed = sa.text("UPDATE vectors SET checksum = :checksum WHERE rowid = :number")
    after = -1
    while rows := connection.execute(stored, {"after": after, "rows": _ROWS}).all():
        connection.execute(changed, [{"checksum": checksum_of(row.vector), "number": row.number} for row in rows])
        after = rows[-1].number
