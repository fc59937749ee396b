"""The full-text index: postings for BM25, and a tsvector for each show for phrases; `word_search` searches it.

Words are split and stemmed with FTS5's tokenizer and weighted with its formula, so both databases find the same shows.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import TSVECTOR

from animerag.storage.postgresql.word_search import LONGEST, occurs, search
from animerag.storage.sqlite import tokenizer
from animerag.storage.sqlite.tokenizer import Words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ("occurs", "put", "remove", "search")

metadata = MetaData()
# The frequency of a word in each column of a show, and the show's number of words; an index covers all of it.
_POSTINGS = Table(
    "word_postings",
    metadata,
    Column("word", Text(collation="C"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("length", Integer, nullable=False),
    *(Column(name, SmallInteger, nullable=False) for name in tokenizer.COLUMNS),
)
Index(
    "word_postings_all",
    _POSTINGS.c.word,
    _POSTINGS.c.number,
    unique=True,
    postgresql_include=["length", *tokenizer.COLUMNS],
)
Index("word_postings_number", _POSTINGS.c.number)
_SHOWS = Table(
    "word_shows",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("length", Integer, nullable=False),
    Column("phrases", TSVECTOR, nullable=False),
)
# The number of shows with each word.
_COUNTS = Table(
    "word_counts",
    metadata,
    Column("word", Text(collation="C"), primary_key=True),
    Column("shows", Integer, nullable=False),
)
# One row: the number of shows and the total number of words.
_TOTALS = Table(
    "word_totals",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("shows", BigInteger, nullable=False),
    Column("words", BigInteger, nullable=False),
)

_PHRASES = 500_000  # characters of a tsvector; PostgreSQL allows one megabyte
_LAST = 16_383  # the highest position in a tsvector
_GAP = 10  # positions between columns, so that no phrase spans two of them
_MOST = 32_767  # the largest smallint
_WEIGHT_OF = {0: "A", 2: "B"}  # phrases are searched in titles and descriptions


async def put(connection: AsyncConnection, rows: Sequence[Mapping[str, object]]) -> None:
    """Index the words of shows that are not in the index yet."""
    postings, shows = await asyncio.to_thread(_arrays, rows)
    names = ", ".join(("word", "number", "length", *tokenizer.COLUMNS))
    await connection.exec_driver_sql(
        f"INSERT INTO word_postings ({names})"  # noqa: S608 - names of ours
        " SELECT * FROM unnest(%s::text[], %s::int[], %s::int[], %s::smallint[],"
        " %s::smallint[], %s::smallint[], %s::smallint[])",
        postings,
    )
    await connection.exec_driver_sql(
        "INSERT INTO word_counts (word, shows) SELECT word, count(*) FROM unnest(%s::text[]) AS one(word) GROUP BY word"
        " ON CONFLICT (word) DO UPDATE SET shows = word_counts.shows + excluded.shows",
        (postings[0],),
    )
    await connection.exec_driver_sql(
        "INSERT INTO word_shows (number, length, phrases) SELECT number, length, phrases::tsvector"
        " FROM unnest(%s::int[], %s::int[], %s::text[]) AS one(number, length, phrases)",
        shows,
    )
    await _count(connection, [int(str(row["rowid"])) for row in rows], 1)


async def remove(connection: AsyncConnection, numbers: Sequence[object]) -> None:
    """Remove the words of shows."""
    wanted = [int(str(number)) for number in numbers]
    await _count(connection, wanted, -1)
    await connection.exec_driver_sql(
        "WITH removed AS (DELETE FROM word_postings WHERE number = ANY(%s) RETURNING word)"
        " UPDATE word_counts SET shows = word_counts.shows - less.shows"
        " FROM (SELECT word, count(*) AS shows FROM removed GROUP BY word) AS less WHERE less.word = word_counts.word",
        (wanted,),
    )
    await connection.exec_driver_sql("DELETE FROM word_shows WHERE number = ANY(%s)", (wanted,))


async def count_words(connection: AsyncConnection) -> None:
    """Count the shows of each word in an index that an earlier version made."""
    await connection.exec_driver_sql(
        "INSERT INTO word_counts (word, shows) SELECT word, count(*) FROM word_postings GROUP BY word"
        " ON CONFLICT DO NOTHING"
    )


async def _count(connection: AsyncConnection, numbers: Sequence[int], sign: int) -> None:
    """Add indexed shows to the totals, or subtract them."""
    await connection.exec_driver_sql(
        "INSERT INTO word_totals (id, shows, words)"
        " SELECT 1, %s * count(*), %s * coalesce(sum(length), 0) FROM word_shows WHERE number = ANY(%s)"
        " ON CONFLICT (id) DO UPDATE"
        " SET shows = word_totals.shows + excluded.shows, words = word_totals.words + excluded.words",
        (sign, sign, list(numbers)),
    )


def _arrays(rows: Sequence[Mapping[str, object]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns of `word_postings` and of `word_shows` as PostgreSQL arrays."""
    found = tokenizer.words_of(rows)
    rows_of_postings: list[tuple[str | int, ...]] = []
    shows: list[list[str]] = [[] for _ in _SHOWS.c]
    for number in sorted(int(str(row["rowid"])) for row in rows):
        words = found.get(number, Words())
        for values, value in zip(shows, (str(number), str(words.length), f'"{_phrases(words)}"'), strict=True):
            values.append(value)
        for word, places in sorted(words.places.items()):
            if len(word) > LONGEST:
                continue
            counts = [0] * len(tokenizer.COLUMNS)
            for column, _ in places:
                counts[column] += 1
            if len(places) > _MOST:
                counts = [min(count, _MOST) for count in counts]
            rows_of_postings.append((f'"{word}"', number, words.length, *counts))
    columns = zip(*rows_of_postings, strict=True) if rows_of_postings else ((),) * len(_POSTINGS.c)
    postings = tuple(_array([str(value) for value in column]) for column in columns)
    return postings, tuple(map(_array, shows))


def _array(values: Sequence[str]) -> str:
    return "{" + ",".join(values) + "}"


def _phrases(words: Words) -> str:
    """Return a tsvector of titles and description; words are letters and digits, so nothing has to be escaped."""
    title_places = (place for places in words.places.values() for column, place in places if column == 0)
    after_titles = 1 + _GAP + max(title_places, default=0)
    parts: list[str] = []
    size = 0
    for word, places in words.places.items():
        numbered = ((column, 1 + place + (after_titles if column else 0)) for column, place in places)
        at = [f"{place}{_WEIGHT_OF[column]}" for column, place in numbered if column in _WEIGHT_OF and place < _LAST]
        part = f"'{word}':{','.join(at)}"
        size += len(part)
        if at and len(word) <= LONGEST and size < _PHRASES:
            parts.append(part)
    return " ".join(parts)
