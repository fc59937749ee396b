"""Type, dates and making of shows, read again from the records that are stored with them."""

import json

import sqlalchemy as sa
from alembic import op

from animerag.models import Show
from animerag.readers.stored import read_again
from animerag.storage.show_details import to_columns

revision = "0008"
down_revision = "0007"

_AT_ONCE = 1000
_COLUMNS = {
    "type": sa.Text,
    "type_inferred": sa.Boolean,
    "air_date": sa.Text,
    "end_date": sa.Text,
    "season": sa.Text,
    "airing": sa.Text,
    "restricted": sa.Boolean,
    "source": sa.Text,
    "duration": sa.Integer,
    "studios": sa.JSON,
    "tag_weights": sa.JSON,
}


def upgrade() -> None:
    """Add the columns and fill them; hashes stay as they are, so that nothing is embedded or indexed again."""
    for name, kind in _COLUMNS.items():
        op.add_column("shows", sa.Column(name, kind))
    connection = op.get_bind()
    wanted = sa.text(
        "SELECT number, id, title, titles, description, episodes, record FROM shows"
        " WHERE number > :after ORDER BY number LIMIT :most"
    )
    changed = sa.text(
        f"UPDATE shows SET {', '.join(f'{name} = :{name}' for name in _COLUMNS)} WHERE number = :number"  # noqa: S608 - the names above
    )
    after = -1
    while rows := connection.execute(wanted, {"after": after, "most": _AT_ONCE}).all():
        shows = [
            Show(
                id=row.id,
                title=row.title,
                titles=tuple(json.loads(row.titles)),
                description=row.description,
                episodes=row.episodes,
                record=json.loads(row.record),
            )
            for row in rows
        ]
        filled = zip(rows, read_again(shows), strict=True)
        connection.execute(changed, [{**to_columns(show), "number": row.number} for row, show in filled])
        after = rows[-1].number
