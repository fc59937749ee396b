"""Shows, imports, vectors, what is indexed, jobs: the first tables. Nobody comes from before them."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Every library has at least these."""
