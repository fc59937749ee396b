"""What an owner changed in a show by hand."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table of changes."""
    op.create_table(
        "edits",
        sa.Column("show_id", sa.Text, sa.ForeignKey("shows.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("changes", sa.JSON, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        if_not_exists=True,
    )
