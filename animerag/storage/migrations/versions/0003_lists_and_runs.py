"""Lists of users, provenance, merged shows, requests of jobs, runs of question sheets."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add what is not there yet."""
    op.create_table(
        "my_list",
        sa.Column("show_id", sa.Text, sa.ForeignKey("shows.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("status", sa.Text),
        sa.Column("score", sa.Float),
        sa.Column("episodes_watched", sa.Integer),
        if_not_exists=True,
    )
    op.create_table(
        "provenance",
        sa.Column("show_id", sa.Text, sa.ForeignKey("shows.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("file", sa.Text, primary_key=True),
        sa.Column("source_id", sa.Text, primary_key=True),
        sa.Column("overlay", sa.Integer, nullable=False),
        sa.Column("import_id", sa.Integer, sa.ForeignKey("imports.id"), nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "merges",
        sa.Column("source_id", sa.Text, primary_key=True),
        sa.Column("show_id", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "kept_apart",
        sa.Column("first", sa.Text, primary_key=True),
        sa.Column("second", sa.Text, primary_key=True),
        if_not_exists=True,
    )
    op.create_table(
        "job_requests",
        sa.Column("job_id", sa.Text, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("request", sa.JSON, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sheet", sa.JSON, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text),
        sa.Column("seconds", sa.Float, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "run_rows",
        sa.Column("run_id", sa.Text, sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("asked", sa.JSON, nullable=False),
        sa.Column("status", sa.Text),
        sa.Column("told", sa.JSON),
        sa.Column("timings", sa.JSON),
        sa.Column("input_tokens", sa.Integer, nullable=False),
        sa.Column("output_tokens", sa.Integer, nullable=False),
        sa.Column("cost_usd", sa.Float),
        if_not_exists=True,
    )
