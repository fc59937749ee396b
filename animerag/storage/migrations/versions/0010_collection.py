"""The owner's episodes and files of a show with their languages, and the tags that are spoilers."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column; stored shows have no value in it until their file is imported again."""
    op.add_column("shows", sa.Column("collection", sa.JSON))
