"""Parts of imports and sheets that workers on other hosts take."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the table."""
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "work_items",
        sa.Column("work", text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("kind", text, nullable=False),
        sa.Column("target", text, nullable=False),
        sa.Column("state", text, nullable=False, index=True),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("outcome", sa.JSON),
        sa.Column("worker", text),
    )
