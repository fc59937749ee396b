"""Reads the fields of every show, without the source records, with one statement."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import cast, func, select
from sqlalchemy.types import Text

from animerag.concurrency import Pacing, unpaced
from animerag.models.shows import RelatedShow, Show
from animerag.storage import show_details
from animerag.storage.schema import my_list
from animerag.storage.schema import shows as table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from animerag.models.json_types import JsonMapping, JsonObject
    from animerag.storage.database import Database

    Value: TypeAlias = ColumnElement[Any]
    Statement: TypeAlias = Select[Any]

_LEFT_OUT = ("number", "record", "content_hash", "text_hash", "description")


async def load(database: Database, paced: Pacing = unpaced) -> list[JsonObject]:
    """Return one row per show with the columns of titles, filters and relations; `shows_of` converts them in a thread.

    Raises LibraryError.
    """
    # Shows are stored in the order in which requests end; ties between titles must not depend on it.
    query = _fields().order_by(func.coalesce(table.c.votes, 0).desc(), table.c.id)
    return await database.read(lambda connection: [dict(row) for row in paced(connection.execute(query).mappings())])


def of_ids(connection: Connection, ids: Sequence[str]) -> list[JsonObject]:
    """Return the rows of up to a few thousand shows, in an arbitrary order; of a description only one character."""
    query = _fields(description=func.substr(table.c.description, 1, 1)).where(table.c.id.in_(ids))
    return [dict(row) for row in connection.execute(query).mappings()]


def _fields(*more: Value, description: Value = table.c.description) -> Statement:
    return all_fields(*more, description=description).select_from(
        table.outerjoin(my_list, my_list.c.show_id == table.c.id)
    )


def all_fields(*more: Value, description: Value = table.c.description) -> Statement:
    """Return the columns that `shows_of` needs, and `more`; the caller joins `shows` with `my_list`."""
    columns = [column for column in table.c if column.name not in _LEFT_OUT]
    # JSON stays text here: decoding 30,000 rows would hold the event loop for most of a second.
    plain = [cast(column, Text).label(column.name) if column.name in _JSON else column for column in columns]
    own: list[Any] = [*more, *plain, description.label("description")]
    return select(
        *own,
        my_list.c.status.label("my_status"),
        my_list.c.score.label("my_score"),
        my_list.c.episodes_watched,
    )


# Rows decoded at once, in half the time of single rows; the interpreter's lock is held only for milliseconds.
_DECODED = 200
_JSON = ("titles", "tags", "relations", "similar", *show_details.JSON)


def shows_of(rows: Sequence[JsonMapping], paced: Pacing = unpaced) -> list[Show]:
    """Return the shows of the rows from `load`, without their records."""
    parts = (rows[start : start + _DECODED] for start in range(0, len(rows), _DECODED))
    return [_show(row) for part in parts for row in paced(_decoded(part))]


def _decoded(rows: Sequence[JsonMapping]) -> list[JsonObject]:
    """Return the rows with values in place of JSON text: each column is decoded as one document."""
    decoded = [dict(row) for row in rows]
    for name in _JSON:
        values = json.loads(f"[{','.join(row[name] or 'null' for row in rows)}]")
        for row, value in zip(decoded, values, strict=True):
            row[name] = value
    return decoded


def _show(row: JsonMapping) -> Show:
    known = {name: row[name] for name in _PLAIN}
    return Show(
        **known,
        **show_details.from_columns(row),
        titles=tuple(row["titles"]),
        tags=tuple(row["tags"]),
        relations=tuple(RelatedShow(**item) for item in row["relations"]),
        similar=tuple(RelatedShow(**item) for item in row["similar"]),
    )


_PLAIN = [
    "id",
    "title",
    "description",
    "episodes",
    "year",
    "end_year",
    "rating",
    "votes",
    "my_status",
    "my_score",
    "episodes_watched",
]
