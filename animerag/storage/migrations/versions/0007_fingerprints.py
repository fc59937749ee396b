"""What tells whether a show is out of date, without reading the show: counting was most of a page's time."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the index."""
    op.create_index("shows_fingerprints", "shows", ["id", "text_hash", "content_hash"], if_not_exists=True)
