"""Spending by account with the reservations of calls in progress; a day's sum moves there from the metadata."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "spending",
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("spent_usd", sa.Float, nullable=False),
        sa.Column("reserved_usd", sa.Float, nullable=False),
    )
    op.create_table(
        "reservations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("usd", sa.Float, nullable=False),
        sa.Column("lease", sa.Text, nullable=False),
    )
    op.execute(
        "INSERT INTO spending (account, spent_usd, reserved_usd)"
        " SELECT 'day ' || substr(key, 11), CAST(value AS FLOAT), 0 FROM facts WHERE key LIKE 'asked_usd %'"
    )
    op.execute("DELETE FROM facts WHERE key LIKE 'asked_usd %'")
