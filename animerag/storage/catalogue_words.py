"""In how many shows each word of a title, each word of a synopsis and each tag is, for large catalogues.

Counts change by the difference between a show's words before and after a change, so that a change costs as much as its
shows. Each changed count has the number of the change, so that other processes read only what is new to them. The
tables are made when they are first needed; they are derived from the shows, and are neither moved nor backed up.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    select,
)

from animerag.storage import show_fields
from animerag.storage.bulk_insert import chunks, insert_many, upsert
from animerag.storage.derived_tables import DerivedTables, outdated
from animerag.storage.schema import shows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.models.json_types import JsonObject
    from animerag.models.shows import Show
    from animerag.storage.database import Database


class WordKind(IntEnum):
    """Where a word is."""

    TITLE = 0
    SYNOPSIS = 1
    TAG = 2


WordsOfShow: TypeAlias = "Mapping[WordKind, Iterable[str]]"

metadata = MetaData()
_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
# The words of each show as they were counted, to subtract them when the show changes.
_COUNTED = Table(
    "show_words",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("content_hash", _TEXT, nullable=False),
    Column("words", _TEXT, nullable=False),  # JSON: a list for each kind
)
_COUNTS = Table(
    "catalogue_words",
    metadata,
    Column("kind", SmallInteger, nullable=False),
    Column("word", _TEXT, nullable=False),
    Column("shows", Integer, nullable=False),  # 0 if no show has the word any more
    Column("change", _NUMBER, nullable=False),
    PrimaryKeyConstraint("kind", "word"),
    Index("catalogue_words_change", "change"),
)
# One row: the number of the latest change.
_STATE = Table(
    "catalogue_words_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("change", _NUMBER, nullable=False),
)
_PUT_COUNTED, _PUT_COUNTS, _PUT_STATE = (
    upsert(_COUNTED, "number"),
    upsert(_COUNTS, "kind", "word"),
    upsert(_STATE, "id"),
)
_SHOWS = 4000  # in one transaction: many have the same words, whose counts are then written once
_PAGE = 20_000  # counts


class CatalogueWords:
    """The counts of one library."""

    def __init__(self, database: Database, words_of: Callable[[Show], WordsOfShow]) -> None:
        """`words_of` returns the words of a show, each at most once for a kind."""
        self._database = database
        self._words_of = words_of
        self._derived = DerivedTables(
            database, (_COUNTED,), store=self._store, together=_SHOWS, removed=_subtract_removed
        )

    async def refresh(self) -> None:
        """Count the words of new and changed shows, and no longer those of deleted ones. Raises LibraryError.

        Several processes may do so at once; each show is counted by one of them.
        """
        await self._derived.refresh()

    async def change(self) -> int:
        """Return the number of the latest change, 0 before the first. Raises LibraryError."""
        return int(await self._database.scalar(select(_STATE.c.change)) or 0)

    async def changed(self, after: int, until: int) -> AsyncIterator[list[tuple[WordKind, str, int]]]:
        """Yield pages of (kind, word, shows) of the counts whose latest change is in a range. Raises LibraryError."""
        for kind in WordKind:
            wanted = select(_COUNTS.c.word, _COUNTS.c.shows).where(
                _COUNTS.c.kind == kind, _COUNTS.c.change > after, _COUNTS.c.change <= until
            )
            last = ""
            while page := await self._database.rows(
                wanted.where(_COUNTS.c.word > last).order_by(_COUNTS.c.word).limit(_PAGE)
            ):
                yield [(kind, row.word, row.shows) for row in page]
                last = page[-1].word

    async def _store(self, connection: AsyncConnection, ids: Sequence[str]) -> None:
        columns = show_fields.all_fields(shows.c.number, shows.c.content_hash)
        rows: list[JsonObject] = []
        for some in chunks(ids):  # shows that no other process has counted meanwhile
            wanted = outdated(columns, _COUNTED, mine=True).where(shows.c.id.in_(some))
            rows += [dict(row) for row in (await connection.execute(wanted)).mappings()]
        fresh = await asyncio.to_thread(self._words, rows)
        before = await _counted(connection, [row["number"] for row in rows])
        await _add(connection, await asyncio.to_thread(_difference, before, fresh))
        counted = [
            {"number": row["number"], "content_hash": row["content_hash"], "words": words}
            for row, words in zip(rows, fresh, strict=True)
        ]
        await insert_many(connection, _PUT_COUNTED, counted)

    def _words(self, rows: Sequence[JsonObject]) -> list[str]:
        words = (self._words_of(show) for show in show_fields.shows_of(rows))
        return [json.dumps([sorted(of[kind]) for kind in WordKind], ensure_ascii=False) for of in words]


async def _subtract_removed(connection: AsyncConnection, numbers: Sequence[int]) -> None:
    await _add(connection, _difference(await _counted(connection, numbers), []))


async def _counted(connection: AsyncConnection, numbers: Sequence[int]) -> list[str]:
    return [
        row.words for row in await connection.execute(select(_COUNTED.c.words).where(_COUNTED.c.number.in_(numbers)))
    ]


def _difference(before: Iterable[str], after: Iterable[str]) -> Counter[tuple[int, str]]:
    """Return by kind and word how many more shows have it; 0 for none."""
    difference: Counter[tuple[int, str]] = Counter()
    for words in after:
        difference.update((kind, word) for kind, some in enumerate(json.loads(words)) for word in some)
    for words in before:
        difference.subtract((kind, word) for kind, some in enumerate(json.loads(words)) for word in some)
    return difference


async def _add(connection: AsyncConnection, difference: Mapping[tuple[int, str], int]) -> None:
    by_kind: dict[int, list[str]] = defaultdict(list)
    for (kind, word), more in difference.items():
        if more:
            by_kind[kind].append(word)
    if not by_kind:
        return
    change = int(await connection.scalar(select(_STATE.c.change)) or 0) + 1
    rows: list[dict[str, object]] = []
    for kind, words in by_kind.items():
        for some in chunks(words):
            known = select(_COUNTS.c.word, _COUNTS.c.shows).where(_COUNTS.c.kind == kind, _COUNTS.c.word.in_(some))
            counts = {row.word: row.shows for row in await connection.execute(known)}
            rows += [
                {"kind": kind, "word": word, "shows": counts.get(word, 0) + difference[kind, word], "change": change}
                for word in some
            ]
    await insert_many(connection, _PUT_COUNTS, rows)
    await insert_many(connection, _PUT_STATE, [{"id": 1, "change": change}])
