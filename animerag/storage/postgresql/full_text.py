"""Full-text search by BM25 over a table of postings, and phrases by a tsvector for each show.

Words are split and stemmed with FTS5's tokenizer and weighted with its formula, so both databases find the same shows.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import TSVECTOR

from animerag.storage.sqlite import tokenizer
from animerag.storage.sqlite.tokenizer import Words
from animerag.storage.word_hits import WordHit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

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
# One row: the number of shows and the total number of words.
_TOTALS = Table(
    "word_totals",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("shows", BigInteger, nullable=False),
    Column("words", BigInteger, nullable=False),
)

_LONGEST = 400  # characters of a word; a run of Chinese or Japanese text counts as one, and is found by its pairs
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
        "INSERT INTO word_shows (number, length, phrases) SELECT number, length, phrases::tsvector"
        " FROM unnest(%s::int[], %s::int[], %s::text[]) AS one(number, length, phrases)",
        shows,
    )
    await _count(connection, [int(str(row["rowid"])) for row in rows], 1)


async def remove(connection: AsyncConnection, numbers: Sequence[object]) -> None:
    """Remove the words of shows."""
    wanted = [int(str(number)) for number in numbers]
    await _count(connection, wanted, -1)
    for table in ("word_postings", "word_shows"):
        await connection.exec_driver_sql(f"DELETE FROM {table} WHERE number = ANY(%s)", (wanted,))  # noqa: S608 - of ours


async def _count(connection: AsyncConnection, numbers: Sequence[int], sign: int) -> None:
    """Add indexed shows to the totals, or subtract them."""
    await connection.exec_driver_sql(
        "INSERT INTO word_totals (id, shows, words)"
        " SELECT 1, %s * count(*), %s * coalesce(sum(length), 0) FROM word_shows WHERE number = ANY(%s)"
        " ON CONFLICT (id) DO UPDATE"
        " SET shows = word_totals.shows + excluded.shows, words = word_totals.words + excluded.words",
        (sign, sign, list(numbers)),
    )


def search(
    connection: Connection,
    words: Sequence[str],
    *,
    k: int,
    weights: tuple[float, float, float, float],
    ids: Sequence[str] | None,
) -> list[WordHit]:
    """Return the best shows that contain any of the words."""
    terms = [part for part in tokenizer.split(words) if part]
    totals = connection.execute(text("SELECT shows, words FROM word_totals WHERE shows > 0")).first()
    if not terms or totals is None:
        return []
    single = [term[0] for term in terms if len(term) == 1]
    values: dict[str, Any] = {"k": k, "average": totals.words / totals.shows, "ids": ids and list(ids)}
    values |= dict(zip(tokenizer.COLUMNS, weights, strict=True))
    values |= {"words": single, "idf": _inverse_frequencies(connection, single, totals.shows)}
    matched = [_SINGLE]
    for number, term in enumerate(term for term in terms if len(term) > 1):
        phrase = _matching(str(number))
        values |= _phrase_values(str(number), term)
        count = int(connection.scalar(text(f"SELECT count(*) FROM ({phrase}) AS phrase"), values) or 0)  # noqa: S608 - ours
        values[f"idf{number}"] = _inverse_frequency(count, totals.shows)
        matched.append(f"SELECT phrase.*, CAST(:idf{number} AS double precision) FROM ({phrase}) AS phrase")  # noqa: S608 - ours
    statement = _SCORED.format(matched=" UNION ALL ".join(matched), restricted="" if ids is None else _ALLOWED)
    rows = connection.execute(text(statement), values)
    return [WordHit(id=row.id, score=row.score) for row in rows]


def occurs(connection: Connection, phrase: str) -> bool:
    """Tell whether any title or description contains these words in sequence."""
    words = [word for part in tokenizer.split(phrase.split()) for word in part]
    if not words:
        return False
    statement = _matching("", restricted=True) + " LIMIT 1"
    return connection.execute(text(statement), _phrase_values("", words)).first() is not None


def _phrase_values(suffix: str, words: Sequence[str]) -> dict[str, object]:
    query = " <-> ".join(f"'{word[:_LONGEST]}'" for word in words)
    return {f"words{suffix}": sorted(set(words)), f"different{suffix}": len(set(words)), f"phrase{suffix}": query}


_SINGLE = (
    "SELECT p.number, p.length, p.titles, p.tags, p.description, p.pairs, term.idf"
    " FROM unnest(CAST(:words AS text[]), CAST(:idf AS double precision[])) AS term(word, idf)"
    " JOIN word_postings AS p ON p.word = term.word"
)
_ALLOWED = " WHERE number IN (SELECT shows.number FROM shows WHERE shows.id = ANY(CAST(:ids AS text[])))"
# FTS5's formula and constants. What scores no worse than the last of the best is chosen too, or the order in which
# shows were stored would decide.
_SCORED = """
    WITH matched AS ({matched}),
    weighed AS (SELECT number, length, idf, :titles * titles + :tags * tags + :description * description
                       + :pairs * pairs AS frequency FROM matched{restricted}),
    scored AS MATERIALIZED (
        SELECT number, floor(sum(idf * frequency * 2.2 / (frequency + 1.2 * (0.25 + 0.75 * length / :average)))
                             * 10000 + 0.5) / 10000 AS score
        FROM weighed GROUP BY number)
    SELECT shows.id, scored.score FROM scored JOIN shows ON shows.number = scored.number
    WHERE scored.score >= coalesce((SELECT score FROM scored ORDER BY score DESC LIMIT 1 OFFSET :k - 1), 0)
    ORDER BY scored.score DESC, coalesce(shows.votes, 0) DESC, shows.id COLLATE "C" LIMIT :k
"""


def _matching(suffix: str, *, restricted: bool = False) -> str:
    """Return the statement for shows with a phrase, as often as its rarest word; `restricted` to titles and texts."""
    columns = ", ".join(f"min(p.{name}) AS {name}" for name in tokenizer.COLUMNS)
    having = " AND (p.titles > 0 OR p.description > 0)" if restricted else ""
    return (
        f"SELECT p.number, min(p.length) AS length, {columns} FROM word_postings AS p"  # noqa: S608 - names of ours
        f" WHERE p.word = ANY(CAST(:words{suffix} AS text[])){having}"
        f" GROUP BY p.number HAVING count(*) = :different{suffix} AND EXISTS (SELECT 1 FROM word_shows AS one"
        f" WHERE one.number = p.number AND one.phrases @@ CAST(:phrase{suffix} AS tsquery))"
    )


def _inverse_frequencies(connection: Connection, words: Sequence[str], shows: int) -> list[float]:
    wanted = "SELECT word, count(*) AS shows FROM word_postings WHERE word = ANY(CAST(:words AS text[])) GROUP BY word"
    counted = connection.execute(text(wanted), {"words": list(set(words))})
    counts = {row.word: row.shows for row in counted}
    return [_inverse_frequency(counts.get(word, 0), shows) for word in words]


def _inverse_frequency(having: int, shows: int) -> float:
    """Return the inverse document frequency of a word; it is almost 0 for a word in more than half of all shows."""
    weight = math.log((shows - having + 0.5) / (having + 0.5))
    return weight if weight > 0 else 1e-6


def _arrays(rows: Sequence[Mapping[str, object]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns of `word_postings` and of `word_shows` as PostgreSQL arrays."""
    found = tokenizer.words_of(rows)
    postings: list[list[str]] = [[] for _ in _POSTINGS.c]
    shows: list[list[str]] = [[] for _ in _SHOWS.c]
    for number in sorted(int(str(row["rowid"])) for row in rows):
        words = found.get(number, Words())
        for values, value in zip(shows, (str(number), str(words.length), f'"{_phrases(words)}"'), strict=True):
            values.append(value)
        for word, places in sorted(words.places.items()):
            if len(word) > _LONGEST:
                continue
            counts = Counter(column for column, _ in places)
            each = (str(min(counts[column], _MOST)) for column in range(len(tokenizer.COLUMNS)))
            for values, value in zip(postings, (f'"{word}"', str(number), str(words.length), *each), strict=True):
                values.append(value)
    return tuple(map(_array, postings)), tuple(map(_array, shows))


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
        if at and len(word) <= _LONGEST and size < _PHRASES:
            parts.append(part)
    return " ".join(parts)
