"""Levels that were chosen in Compare get keys that settings share; shows get the order that Catalogue lists them in."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Rename the two levels, numbers as they were, and add an index over ratings."""
    facts = sa.table("facts", sa.column("key", sa.Text), sa.column("value", sa.Text))
    for name in ("ingest_concurrency", "query_concurrency"):
        op.execute(facts.update().where(facts.c.key == name).values(key=f"setting {name}"))
    op.create_index("shows_by_rating", "shows", [sa.text("rating DESC"), "title"], if_not_exists=True)
