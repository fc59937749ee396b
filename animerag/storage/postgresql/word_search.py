"""Searches the full-text index: BM25 with FTS5's formula and constants, so that both databases find the same shows.

A word of many shows adds little to a score. The rarest words are scored first: what the frequent words could add at
most, and the score of the last of the best shows, then tell which shows need to be looked up for the frequent words.
That skips most postings and changes no score (the MaxScore method).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from animerag.storage.sqlite import tokenizer
from animerag.storage.word_hits import WordHit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

LONGEST = 400  # characters of a word; a run of Chinese or Japanese text counts as one, and is found by its pairs
_K1, _B = 1.2, 0.75  # FTS5's constants of BM25
_PENALTY, _PENALTY_PER_AVERAGE = _K1 * (1 - _B), _K1 * _B
_ROUNDING = 0.001  # scores are rounded to four decimals
_FEW = 2000  # postings that are scored without asking which of them can be skipped
_FIRST = 10  # times k: the postings of the rarest words that are scored first


@dataclass(frozen=True, slots=True)
class _Term:
    """A word of the question, its number of shows, and its weight: it adds less than that to a score."""

    word: str
    shows: int
    weight: float


def search(
    connection: Connection,
    words: Sequence[str],
    *,
    k: int,
    weights: tuple[float, float, float, float],
    ids: Sequence[str] | None,
) -> list[WordHit]:
    """Return the best shows that contain any of the words."""
    parts = [part for part in tokenizer.split(words) if part]
    totals = connection.execute(text("SELECT shows, words FROM word_totals WHERE shows > 0")).first()
    if not parts or totals is None:
        return []
    terms = _terms(connection, [part[0] for part in parts if len(part) == 1], totals.shows)
    values: dict[str, Any] = {
        "k": k,
        "ids": None if ids is None else list(ids),
        **dict(zip(tokenizer.COLUMNS, weights, strict=True)),
    }
    values |= {"penalty": _PENALTY, "penalty_per_word": _PENALTY_PER_AVERAGE * totals.shows / totals.words}
    matched = [_SINGLE]
    for number, part in enumerate(part for part in parts if len(part) > 1):
        phrase = _matching(str(number))
        values |= _phrase_values(str(number), part)
        count = int(connection.scalar(text(f"SELECT count(*) FROM ({phrase}) AS phrase"), values) or 0)  # noqa: S608 - names of ours
        values[f"weight{number}"] = _weight(count, totals.shows)
        matched.append(f"SELECT phrase.*, CAST(:weight{number} AS double precision) FROM ({phrase}) AS phrase")  # noqa: S608 - names of ours
    scored = _SCORED.format(matched=" UNION ALL ".join(matched), restricted="" if ids is None else _ALLOWED)
    frequent = _frequent(connection, scored, values, terms)
    values |= _term_values(terms[: len(terms) - len(frequent)])
    values |= {"bound": sum(term.weight for term in frequent) + _ROUNDING}
    values |= {"rest": [term.word for term in frequent], "rest_weights": [term.weight for term in frequent]}
    rows = connection.execute(text(scored + _BEST), values)
    return [WordHit(id=row.id, score=row.score) for row in rows]


def occurs(connection: Connection, phrase: str) -> bool:
    """Return whether any title or description contains these words in sequence."""
    words = [word for part in tokenizer.split(phrase.split()) for word in part]
    if not words:
        return False
    statement = _matching("", restricted=True) + " LIMIT 1"
    return connection.execute(text(statement), _phrase_values("", words)).first() is not None


def _frequent(
    connection: Connection, scored: str, values: Mapping[str, Any], terms: Sequence[_Term]
) -> Sequence[_Term]:
    """Return the most frequent words, which cannot bring a show among the best without rarer ones."""
    if sum(term.shows for term in terms) <= _FEW:
        return ()
    first, postings = 0, 0
    while first < len(terms) and postings < _FIRST * values["k"]:
        postings += terms[first].shows
        first += 1
    lowest = connection.scalar(text(scored + _LOWEST), {**values, **_term_values(terms[:first])})
    if lowest is None:  # fewer than k shows have a rare word
        return ()
    added, start = _ROUNDING, len(terms)
    while start > first and added + terms[start - 1].weight < lowest:
        start -= 1
        added += terms[start].weight
    return terms[start:]


def _terms(connection: Connection, words: Sequence[str], shows: int) -> list[_Term]:
    """Return the different words, rarest first; a word that occurs twice, such as in two forms, counts twice."""
    wanted = "SELECT word, shows FROM word_counts WHERE word = ANY(CAST(:words AS text[]))"
    asked = Counter(words)
    rows = connection.execute(text(wanted), {"words": list(asked)})
    terms = [_Term(row.word, row.shows, asked[row.word] * _weight(row.shows, shows)) for row in rows]
    return sorted(terms, key=lambda term: (term.shows, term.word))


def _term_values(terms: Sequence[_Term]) -> dict[str, object]:
    return {"words": [term.word for term in terms], "word_weights": [term.weight for term in terms]}


def _phrase_values(suffix: str, words: Sequence[str]) -> dict[str, object]:
    query = " <-> ".join(f"'{word[:LONGEST]}'" for word in words)
    return {f"words{suffix}": sorted(set(words)), f"different{suffix}": len(set(words)), f"phrase{suffix}": query}


_SINGLE = (
    "SELECT p.number, p.length, p.titles, p.tags, p.description, p.pairs, term.weight"
    " FROM unnest(CAST(:words AS text[]), CAST(:word_weights AS double precision[])) AS term(word, weight)"
    " JOIN word_postings AS p ON p.word = term.word"
)
_ALLOWED = " WHERE number IN (SELECT shows.number FROM shows WHERE shows.id = ANY(CAST(:ids AS text[])))"
# FTS5's weight * frequency / (frequency + penalty), with each column read once. The penalty grows with the length.
_ADDED = (
    "{weight} * (1 - (:penalty + :penalty_per_word * length) / (:penalty + :penalty_per_word * length"
    " + :titles * titles + :tags * tags + :description * description + :pairs * pairs))"
)
_SUM = _ADDED.format(weight="weight")
_REST = _ADDED.format(weight="(CAST(:rest_weights AS double precision[]))[array_position(CAST(:rest AS text[]), word)]")
_SCORED = f"""
    WITH matched AS ({{matched}}),
    scored AS MATERIALIZED (SELECT number, sum({_SUM}) AS score FROM matched{{restricted}} GROUP BY number)
"""  # noqa: S608 - only constants are inserted
_LOWEST = "SELECT score FROM scored ORDER BY score DESC LIMIT 1 OFFSET :k - 1"
# Shows with the same score as the last of the best are included; otherwise the order of storage would decide. OFFSET 0
# makes the planner look up the best shows by their keys, instead of reading the whole table for a join.
_BEST = f""",
    candidates AS MATERIALIZED (SELECT number, score FROM scored WHERE score + :bound >= coalesce(({_LOWEST}), 0)),
    completed AS (
        SELECT number, score FROM candidates
        UNION ALL
        SELECT number, {_REST} FROM word_postings JOIN candidates USING (number)
        WHERE word = ANY(CAST(:rest AS text[]))),
    rounded AS MATERIALIZED (
        SELECT number, floor(sum(score) * 10000 + 0.5) / 10000 AS score FROM completed GROUP BY number),
    best AS (
        SELECT number, score FROM rounded
        WHERE score >= coalesce((SELECT score FROM rounded ORDER BY score DESC LIMIT 1 OFFSET :k - 1), 0))
    SELECT show.id, best.score FROM best
    CROSS JOIN LATERAL (SELECT id, votes FROM shows WHERE shows.number = best.number OFFSET 0) AS show
    ORDER BY best.score DESC, coalesce(show.votes, 0) DESC, show.id COLLATE "C" LIMIT :k
"""  # noqa: S608 - only constants are inserted


def _matching(suffix: str, *, restricted: bool = False) -> str:
    """Return the statement for shows with a phrase, as often as its rarest word; `restricted` to titles and texts."""
    columns = ", ".join(f"min(p.{name}) AS {name}" for name in tokenizer.COLUMNS)
    restriction = " AND (p.titles > 0 OR p.description > 0)" if restricted else ""
    return (
        f"SELECT p.number, min(p.length) AS length, {columns} FROM word_postings AS p"  # noqa: S608 - names of ours
        f" WHERE p.word = ANY(CAST(:words{suffix} AS text[])){restriction}"
        f" GROUP BY p.number HAVING count(*) = :different{suffix} AND EXISTS (SELECT 1 FROM word_shows AS one"
        f" WHERE one.number = p.number AND one.phrases @@ CAST(:phrase{suffix} AS tsquery))"
    )


def _weight(occurring: int, shows: int) -> float:
    """Return the weight of a word in `occurring` shows; it is almost 0 for a word in more than half of all shows."""
    inverse_frequency = math.log((shows - occurring + 0.5) / (occurring + 0.5))
    return (_K1 + 1) * (inverse_frequency if inverse_frequency > 0 else 1e-6)
