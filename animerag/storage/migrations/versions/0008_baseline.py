"""The baseline: the tables of the oldest libraries that are upgraded. schema.py makes the tables of a new one."""

revision = "0008"
down_revision = None


def upgrade() -> None:
    """Change nothing: every library that is upgraded has these tables."""
