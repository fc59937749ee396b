"""PostgreSQL's index lists the words of each show, in place of an index of all postings by show."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Change the index where there is one; SQLite's has no such tables."""
    connection = op.get_bind()
    if not sa.inspect(connection).has_table("word_postings"):
        return
    op.add_column("word_shows", sa.Column("words", sa.ARRAY(sa.Text(collation="C"))))
    op.execute(
        "UPDATE word_shows SET words = coalesce((SELECT array_agg(word) FROM word_postings"
        " WHERE word_postings.number = word_shows.number), '{}')"
    )
    op.alter_column("word_shows", "words", nullable=False)
    op.drop_index("word_postings_number", "word_postings")
