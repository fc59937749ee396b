"""Columns of answers and conversations, named for what they hold."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Rename the columns; their content stays as it is."""
    op.alter_column("run_rows", "told", new_column_name="answer")
    op.alter_column("answers", "told", new_column_name="content")
    op.alter_column("exchanges", "told", new_column_name="content")
