"""The control of a running job in its row, so that every process sees its progress and can answer and stop it."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns; jobs that have ended need nothing in them."""
    for column in (
        sa.Column("key", _TEXT),
        sa.Column("host", _TEXT),
        sa.Column("progress", sa.JSON),
        sa.Column("question", _TEXT),
        sa.Column("answer", sa.Boolean),
        sa.Column("stop_requested", sa.Boolean),
    ):
        op.add_column("jobs", column)
    running = sa.text("state = 'running'")
    op.create_index("jobs_running_key", "jobs", ["key"], unique=True, sqlite_where=running, postgresql_where=running)
