"""The full-text index: postings for BM25, and a tsvector for each show for phrases; `word_search` searches it.

Words are split and stemmed with FTS5's tokenizer and weighted with its formula, so both databases find the same shows.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR

from animerag.storage.postgresql.word_search import LONGEST, occurs, search
from animerag.storage.sqlite import tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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
_SHOWS = Table(
    "word_shows",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("length", Integer, nullable=False),
    Column("phrases", TSVECTOR, nullable=False),
    Column("words", ARRAY(Text(collation="C")), nullable=False),  # the postings of the show
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

_PHRASES = 900_000  # bytes of a tsvector; PostgreSQL allows one megabyte
_LAST = 16_383  # the highest position in a tsvector
_GAP = 10  # positions between columns, so that no phrase spans two of them
_MOST = 32_767  # the largest smallint
_PART = 1_000_000  # characters of a message to the server
_BITS = 32  # of the frequency of a word in a column
_WEIGHT_OF = {0: "A", 2: "B"}  # phrases are searched in titles and descriptions


async def put(connection: AsyncConnection, rows: Sequence[Mapping[str, object]]) -> None:
    """Index the words of shows that are not in the index yet."""
    entries = await asyncio.to_thread(_entries, rows)
    await _copy(connection, "word_postings", entries.postings)
    await connection.exec_driver_sql(
        "INSERT INTO word_counts (word, shows) SELECT * FROM unnest(%s::text[], %s::int[])"
        " ON CONFLICT (word) DO UPDATE SET shows = word_counts.shows + excluded.shows",
        entries.counts,
    )
    await _copy(connection, "word_shows", entries.shows)
    await _count(connection, [int(str(row["rowid"])) for row in rows], 1)


async def remove(connection: AsyncConnection, numbers: Sequence[object]) -> None:
    """Remove the words of shows."""
    wanted = [int(str(number)) for number in numbers]
    await _count(connection, wanted, -1)
    await connection.exec_driver_sql(
        "WITH removed AS MATERIALIZED (DELETE FROM word_shows WHERE number = ANY(%s) RETURNING number, words),"
        " listed AS MATERIALIZED (SELECT number, unnest(words) AS word FROM removed),"
        " deleted AS (DELETE FROM word_postings USING listed"
        " WHERE word_postings.word = listed.word AND word_postings.number = listed.number)"
        " UPDATE word_counts SET shows = word_counts.shows - less.shows"
        " FROM (SELECT word, count(*) AS shows FROM listed GROUP BY word) AS less WHERE less.word = word_counts.word",
        (wanted,),
    )


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


async def _copy(connection: AsyncConnection, table: str, lines: str) -> None:
    """Add rows to a table: each a line, its columns separated by tabs."""
    raw = await connection.get_raw_connection()
    async with raw.driver_connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:  # type: ignore[union-attr] # it is open
        for start in range(0, len(lines), _PART):
            await copy.write(lines[start : start + _PART])


@dataclass(frozen=True, slots=True)
class _Entries:
    """What shows add to the index: lines of two tables, and the arrays of words and of their numbers of shows."""

    postings: str
    shows: str
    counts: tuple[str, str]


def _entries(rows: Sequence[Mapping[str, object]]) -> _Entries:
    """Split the texts of shows; postings are sorted by word, so that neighbours are on one page of the index."""
    ordered = sorted(rows, key=lambda row: int(str(row["rowid"])))
    texts = tokenizer.words_of(str(row[name]) for row in ordered for name in tokenizer.COLUMNS)
    postings: dict[str, list[str]] = {}
    shows: list[str] = []
    for row in ordered:
        columns = [next(texts) for _ in tokenizer.COLUMNS]
        of_show = f"\t{row['rowid']}\t{sum(map(len, columns))}\t"
        frequencies = _frequencies(columns)
        for word, frequency in frequencies.items():
            line = word + of_show + _counts(frequency)
            if word in postings:
                postings[word].append(line)
            else:
                postings[word] = [line]
        shows.append(f"{of_show[1:]}{_phrases(columns)}\t{_array(frequencies)}\n")
    words = sorted(postings)
    return _Entries(
        postings="".join([line for word in words for line in postings[word]]),
        shows="".join(shows),
        counts=(_array(words), "{" + ",".join([str(len(postings[word])) for word in words]) + "}"),
    )


def _frequencies(columns: Sequence[Sequence[str]]) -> dict[str, int]:
    """Return how often each word stands in each column, 32 bits for each; words that are too long are left out."""
    frequencies: dict[str, int] = {}
    for column, words in enumerate(columns):
        one = 1 << _BITS * column
        for word in words:
            frequencies[word] = frequencies.get(word, 0) + one
    if any(len(word) > LONGEST for word in frequencies):
        return {word: frequency for word, frequency in frequencies.items() if len(word) <= LONGEST}
    return frequencies


@lru_cache(maxsize=10_000)
def _counts(frequency: int) -> str:
    """Return the columns of a frequency as the end of a line."""
    counts = (frequency >> _BITS * column & (1 << _BITS) - 1 for column in range(len(tokenizer.COLUMNS)))
    return "\t".join(str(min(count, _MOST)) for count in counts) + "\n"


def _array(words: Iterable[str]) -> str:
    """Return words as an array; they are letters and digits, so nothing has to be escaped."""
    quoted = '","'.join(words)
    return f'{{"{quoted}"}}' if quoted else "{}"


def _phrases(columns: Sequence[Sequence[str]]) -> str:
    """Return a tsvector of titles and description."""
    parts: list[str] = []
    start = 1
    for column, weight in _WEIGHT_OF.items():
        words = columns[column]
        parts += [
            f"{word}:{place}{weight}"
            for place, word in enumerate(words[: max(0, _LAST - start)], start)
            if len(word) <= LONGEST
        ]
        start += len(words) + _GAP
    phrases = " ".join(parts)
    if len(phrases) * 4 > _PHRASES and len(encoded := phrases.encode()) > _PHRASES:
        phrases = encoded[:_PHRASES].decode(errors="ignore").rpartition(" ")[0]
    return phrases
