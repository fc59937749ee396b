"""Names of shows by the hash of a key, for catalogues whose titles do not fit into each process's memory.

The tables are made when they are first needed, and follow the shows when `refresh` is called: they are derived from the
shows, and are neither moved nor backed up.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    delete,
    select,
)

from animerag.storage.bulk_insert import insert_many, upsert
from animerag.storage.derived_tables import DerivedTables, outdated
from animerag.storage.dialects import dialect_of
from animerag.storage.schema import shows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Connection, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.storage.database import Database

metadata = MetaData()
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
_NAMES = Table(
    "title_names",
    metadata,
    Column("key", _NUMBER, nullable=False),
    Column("number", Integer, nullable=False),
    Column("place", SmallInteger, nullable=False),  # of the title among those of the show
    Column("level", SmallInteger, nullable=False),
    Column("season", SmallInteger, nullable=False),
    Index("title_names_key", "key"),
    Index("title_names_number", "number"),
)
# The content of each show whose names are stored.
_STORED = Table(
    "title_names_stored",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("content_hash", Text, nullable=False),
)
_PUT_STORED = upsert(_STORED, "number")

_SHOWS = 500  # in one transaction
_KEYS = 5000  # in one statement
_MOST_SEASONS = 32_767  # the largest smallint


@dataclass(frozen=True, slots=True)
class NameRow:
    """A key that leads to the title at `place` among the titles of a show."""

    key: str
    place: int
    level: int
    season: int


@dataclass(frozen=True, slots=True)
class StoredName:
    """A title of a show that a key leads to."""

    id: str
    title: str
    year: int | None
    votes: int
    place: int
    level: int
    season: int


class TitleNames:
    """The names of all shows in the database."""

    def __init__(self, database: Database, keys_of: Callable[[str, Sequence[str]], Iterable[NameRow]]) -> None:
        """`keys_of` returns the keys of a show from its title and its titles."""
        self._database = database
        self._keys_of = keys_of
        self._derived = DerivedTables(database, (_STORED, _NAMES), store=self._store, together=_SHOWS)

    async def refresh(self) -> None:
        """Store the names of new and changed shows, and remove those of deleted ones. Raises LibraryError.

        Several processes may do so at once; each show is stored by one of them.
        """
        await self._derived.refresh()

    def find(self, keys: Iterable[str], *, most: int | None = None) -> dict[str, list[StoredName]]:
        """Return the names of keys, at most the first `most` of each; it reads in the calling thread.

        The names of one show are in the order of its titles. Raises LibraryError.
        """
        hashed = {_hashed(key): key for key in keys}
        names: dict[str, list[StoredName]] = {}
        for row in self._database.read_here(partial(_named, keys=list(hashed), most=most)):
            titles = list(dict.fromkeys((row.title, *row.titles)))
            if row.place < len(titles):  # otherwise it has been changed since
                names.setdefault(hashed[row.key], []).append(
                    StoredName(
                        id=row.id,
                        title=titles[row.place],
                        year=row.year,
                        votes=row.votes or 0,
                        place=row.place,
                        level=row.level,
                        season=row.season,
                    )
                )
        return names

    async def _store(self, connection: AsyncConnection, ids: Sequence[str]) -> None:
        wanted = select(shows.c.number, shows.c.title, shows.c.titles, shows.c.content_hash)
        # Shows that no other process has stored meanwhile.
        changed = outdated(wanted, _STORED).where(shows.c.id.in_(ids)).order_by(shows.c.number)
        rows = (await connection.execute(changed)).all()
        names = await asyncio.to_thread(
            lambda: [
                (_hashed(one.key), row.number, one.place, one.level, min(one.season, _MOST_SEASONS))
                for row in rows
                for one in self._keys_of(row.title, row.titles)
            ]
        )
        numbers = [row.number for row in rows]
        await connection.execute(delete(_NAMES).where(_NAMES.c.number.in_(numbers)))
        await dialect_of(connection).insert_numbers(connection, _NAMES, names)
        stored = [{"number": row.number, "content_hash": row.content_hash} for row in rows]
        await insert_many(connection, _PUT_STORED, stored)


def _named(connection: Connection, *, keys: Sequence[int], most: int | None) -> list[Row[Any]]:
    """Return the names of keys, those of each show in the order of its titles."""
    columns = (_NAMES.c.key, _NAMES.c.place, _NAMES.c.level, _NAMES.c.season)
    of_shows = (shows.c.id, shows.c.title, shows.c.titles, shows.c.year, shows.c.votes)
    wanted = select(*columns, *of_shows).join(shows, shows.c.number == _NAMES.c.number)
    wanted = wanted.order_by(_NAMES.c.number, _NAMES.c.place).limit(most)
    rows: list[Row[Any]] = []
    for start in range(0, len(keys), _KEYS):
        rows += connection.execute(wanted.where(_NAMES.c.key.in_(keys[start : start + _KEYS])))
    return rows


def _hashed(key: str) -> int:
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
