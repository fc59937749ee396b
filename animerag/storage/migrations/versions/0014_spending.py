"""Spending by account with the reservations of calls in progress; a day's sum moves there from the metadata."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "spending",
        sa.Column("account", _TEXT, primary_key=True),
        sa.Column("spent_usd", sa.Float, nullable=False),
        sa.Column("reserved_usd", sa.Float, nullable=False),
    )
    op.create_table(
        "reservations",
        sa.Column("id", _TEXT, primary_key=True),
        sa.Column("account", _TEXT, nullable=False),
        sa.Column("usd", sa.Float, nullable=False),
        sa.Column("lease", _TEXT, nullable=False),
    )
    op.execute(
        "INSERT INTO spending (account, spent_usd, reserved_usd)"
        " SELECT 'day ' || substr(key, 11), CAST(value AS FLOAT), 0 FROM facts WHERE key LIKE 'asked_usd %'"
    )
    op.execute("DELETE FROM facts WHERE key LIKE 'asked_usd %'")
