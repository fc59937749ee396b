"""Columns and keys of answers and conversations, named for what they hold."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Rename the columns, and a key of each stored exchange; cached answers of the earlier form are dropped."""
    op.alter_column("run_rows", "told", new_column_name="answer")
    op.alter_column("answers", "told", new_column_name="content")
    op.alter_column("exchanges", "told", new_column_name="content")
    op.execute("DELETE FROM answers")
    op.execute(
        "UPDATE exchanges SET content ="
        " json_remove(json_set(content, '$.retrieval', json_extract(content, '$.found')), '$.found')"
        " WHERE json_valid(content) AND json_type(content, '$.found') IS NOT NULL"
    )
