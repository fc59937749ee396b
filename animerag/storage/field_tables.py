"""Tables of the fields that conditions and orders read, for catalogues that do not fit into each process's memory.

Rows of shows are wide: a scan of 100,000 reads half a gigabyte. These are narrow, with texts as conditions compare
them. They are made when they are first needed and follow the shows when `refresh` is called. They are derived from the
shows, and are neither moved nor backed up.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING, Literal

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    func,
    select,
    update,
)

from animerag.storage import show_fields
from animerag.storage.bulk_insert import insert_many, upsert
from animerag.storage.derived_tables import DerivedTables, outdated
from animerag.storage.schema import shows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.models.json_types import JsonObject
    from animerag.models.shows import Show
    from animerag.storage.database import Database


MARK = "\x1f"  # before and after each of several values in one text
metadata = MetaData()
_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")

FIELDS = Table(
    "show_fields",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("content_hash", _TEXT, nullable=False),
    Column("id", _TEXT, nullable=False),
    Column("title", _TEXT, nullable=False),
    Column("year", _NUMBER),
    Column("end_year", _NUMBER),
    Column("episodes", _NUMBER),
    Column("rating", Float),
    Column("votes", _NUMBER),
    Column("duration", _NUMBER),
    Column("type", _TEXT),
    Column("season", _TEXT),
    Column("air_date", _TEXT),
    Column("end_date", _TEXT),
    Column("airing", _TEXT),
    Column("source", _TEXT),
    Column("restricted", Boolean),
    Column("owned_episodes", _NUMBER),
    Column("missing_episodes", _NUMBER),
    Column("file_size", _NUMBER),
    Column("resolution", _TEXT),
    Column("height", _NUMBER),  # of `resolution`, in lines
    Column("has_titles", Boolean, nullable=False),
    Column("has_tags", Boolean, nullable=False),
    Column("has_description", Boolean, nullable=False),
    Column("has_relations", Boolean, nullable=False),
    Column("tags", _TEXT, nullable=False),  # JSON
    Column("studios", _TEXT, nullable=False),  # JSON
    # Several values, each between marks, folded as conditions are.
    Column("words", _TEXT, nullable=False),  # of all titles
    Column("beginnings", _TEXT, nullable=False),  # the titles that begin with a letter asked for
    Column("folded_tags", _TEXT, nullable=False),
    Column("main_tags", _TEXT, nullable=False),
    Column("folded_studios", _TEXT, nullable=False),
    Column("relation_kinds", _TEXT, nullable=False),
    Column("similar_ids", _TEXT, nullable=False),  # in their order
    Column("audio_languages", _TEXT, nullable=False),
    Column("subtitle_languages", _TEXT, nullable=False),
    Index("show_fields_id", "id"),
    Index("show_fields_votes", "votes"),
)
FRANCHISES = Table(
    "show_franchises",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("content_hash", _TEXT, nullable=False),  # of the show that the rest was derived from
    Column("root", _TEXT, nullable=False),  # the smallest id of the franchise
    Column("guessed", Boolean, nullable=False),
    Column("linked", Boolean, nullable=False),
    Column("seasons", Integer),
    Column("franchise", _TEXT),
    Column("before", _TEXT),  # JSON: the ids to see before; NULL if it is no show to begin with
    Index("show_franchises_root", "root"),
)
# One row: a token that changes with every change of a show, and the revision of which the franchises are, or how much
# of them is out of date.
_STATE = Table(
    "show_fields_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", _NUMBER, nullable=False),
    Column("token", _TEXT, nullable=False),
)
_SOME_OUT_OF_DATE, _ALL_OUT_OF_DATE = -1, -2
_PUT_FIELDS, _PUT_STATE = upsert(FIELDS, "number"), upsert(_STATE, "id")
_SHOWS = 500  # in one transaction


class FieldTables:
    """The tables of one library."""

    def __init__(self, database: Database, row_of: Callable[[Show], Mapping[str, object]]) -> None:
        """`row_of` returns the columns of a show that conditions compare: those from `words` on, and the flags."""
        self.database = database
        self._row_of = row_of
        self._derived = DerivedTables(database, (FIELDS,), store=self._store, together=_SHOWS, removed=_removed)

    async def refresh(self) -> str:
        """Store the fields of new and changed shows, and remove those of deleted ones; return the state's token.

        Several processes may do so at once. Raises LibraryError.
        """
        await self._derived.refresh()
        return await self.database.scalar(select(_STATE.c.token)) or ""

    async def out_of_date(self) -> Literal["no", "some", "all"]:
        """Return how many franchises may be others than those of the stored fields. Raises LibraryError."""
        revision = await self.database.scalar(select(_STATE.c.revision))
        return "some" if revision == _SOME_OUT_OF_DATE else "all" if revision == _ALL_OUT_OF_DATE else "no"

    async def derive_all(self) -> None:
        """Note that all franchises are derived, in several transactions. Raises LibraryError."""
        async with self.database.writing() as connection:
            await connection.execute(update(_STATE).values(revision=_ALL_OUT_OF_DATE))

    async def finish(self, connection: AsyncConnection, token: str, revision: int) -> bool:
        """Note in a transaction that the franchises are current; return False if a show has changed since `token`."""
        current = update(_STATE).where(_STATE.c.token == token).values(revision=revision)
        return (await connection.execute(current)).rowcount > 0

    async def _store(self, connection: AsyncConnection, ids: Sequence[str]) -> None:
        columns = show_fields.all_fields(shows.c.number, shows.c.content_hash)
        # Shows that no other process has stored meanwhile.
        rows = (
            (await connection.execute(outdated(columns, FIELDS, mine=True).where(shows.c.id.in_(ids)))).mappings().all()
        )
        if rows:
            stored = await asyncio.to_thread(self._rows, [dict(row) for row in rows])
            await insert_many(connection, _PUT_FIELDS, stored)
            await _mark_out_of_date(connection)

    def _rows(self, rows: Sequence[JsonObject]) -> list[dict[str, object]]:
        derived = zip(rows, show_fields.shows_of(rows), strict=True)
        return [
            {
                "number": row["number"],
                "content_hash": row["content_hash"],
                **{name: getattr(show, name) for name in PLAIN},
                "has_titles": bool(show.titles),
                "has_tags": bool(show.tags),
                "has_description": bool(show.description),
                "has_relations": bool(show.relations),
                "tags": json.dumps(show.tags, ensure_ascii=False),
                "studios": json.dumps(show.studios, ensure_ascii=False),
                **self._row_of(show),
            }
            for row, show in derived
        ]


# Columns that have the name and the value of a show's field.
PLAIN = (
    *("id", "title", "year", "end_year", "episodes", "rating", "votes", "duration", "type", "season", "air_date"),
    *("end_date", "airing", "source", "restricted", "owned_episodes", "missing_episodes", "file_size", "resolution"),
)


def marked(values: Sequence[str]) -> str:
    """Return several values in one text, each between marks; "" for none."""
    return f"{MARK}{MARK.join(values)}{MARK}" if values else ""


async def _removed(connection: AsyncConnection, _numbers: Sequence[int]) -> None:
    await _mark_out_of_date(connection)


async def _mark_out_of_date(connection: AsyncConnection) -> None:
    revision = await connection.scalar(select(_STATE.c.revision))
    unfinished = revision is None or revision == _ALL_OUT_OF_DATE
    out_of_date = _ALL_OUT_OF_DATE if unfinished else _SOME_OUT_OF_DATE
    await insert_many(connection, _PUT_STATE, [{"id": 1, "revision": out_of_date, "token": uuid.uuid4().hex}])


def best_first() -> tuple[ColumnElement[object], ...]:
    """Return the order of shows from the best rated."""
    columns = FIELDS.c
    rated, voted = func.coalesce(columns.rating, 0), func.coalesce(columns.votes, 0)
    return rated.desc(), voted.desc(), columns.title, columns.id
