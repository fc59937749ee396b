"""Full-text search (SQLite FTS5, BM25) over titles, tags and descriptions, beside the library's own tables.

Chinese and Japanese are indexed as our own character pairs: FTS5's trigrams cannot match words of two characters.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from animerag.text.tokens import _CJK, _STOP_PAIRS, _WORD, pairs, terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.text.documents import Document

CREATE = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5("
    "titles, tags, description, pairs, tokenize='porter unicode61 remove_diacritics 2')"
)
_INSERT = "INSERT INTO words (rowid, titles, tags, description, pairs) VALUES (?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class WordHit:
    """A show that shares words with a question; `score` is BM25 turned positive, higher is better."""

    id: str
    score: float


def match_expression(question: str) -> str | None:
    """Return an FTS5 query that any of the question's words satisfies; None when it has none."""
    wanted = terms(question) + [pair for pair in dict.fromkeys(pairs(question)) if pair not in _STOP_PAIRS]
    return " OR ".join('"' + word.replace('"', '""') + '"' for word in wanted) or None


async def put(connection: AsyncConnection, rows: Sequence[Mapping[str, object]]) -> None:
    """Index what `row` made of shows, each with its `rowid`, replacing what stood there."""
    if not rows:
        return
    await remove(connection, [row["rowid"] for row in rows])
    columns = ("rowid", "titles", "tags", "description", "pairs")
    await connection.exec_driver_sql(_INSERT, [tuple(row[name] for name in columns) for row in rows])


async def remove(connection: AsyncConnection, numbers: Sequence[object]) -> None:
    """Forget the shows with these row numbers."""
    await connection.exec_driver_sql("DELETE FROM words WHERE rowid = ?", [(number,) for number in numbers])


def search(
    connection: Connection, question: str, *, k: int, names: bool = True, ids: Sequence[str] | None = None
) -> list[WordHit]:
    """Return up to `k` shows, of `ids` where given, that share words with the question, best first.

    `names` says that the question has words of titles in it; else titles only mislead. Pairs (Chinese and Japanese)
    weigh most, because few shows are described in both languages.
    """
    expression = match_expression(question)
    if expression is None:
        return []
    weights = "5.0, 2.0, 1.0, 3.0" if names else "0.0, 0.5, 1.0, 3.0"
    allowed = "SELECT number FROM shows WHERE id IN (SELECT value FROM json_each(:ids))"
    restriction = "" if ids is None else f" AND rowid IN ({allowed})"
    # The best are chosen before anything of them is looked up: half the time where a word is common. What scores no
    # worse than the last of them is chosen too, or the order in which shows were stored would decide.
    rows = connection.execute(
        text(
            "WITH scored AS MATERIALIZED ("  # noqa: S608 - what is put in stands above
            f" SELECT rowid AS number, round(-bm25(words, {weights}), 4) AS score FROM words"
            f" WHERE words MATCH :expression{restriction}"
            "), best AS (SELECT number, score, rank() OVER (ORDER BY score DESC) AS place FROM scored)"
            " SELECT shows.id, best.score FROM best JOIN shows ON shows.number = best.number WHERE best.place <= :k"
            " ORDER BY best.score DESC, coalesce(shows.votes, 0) DESC, shows.id LIMIT :k"
        ),
        {"expression": expression, "k": k} | ({} if ids is None else {"ids": json.dumps(list(ids))}),
    )
    return [WordHit(id=row.id, score=row.score) for row in rows]


def occurs(connection: Connection, phrase: str) -> bool:
    """Tell whether any show has these words in a row in a title or in its description."""
    quoted = " ".join(_WORD.findall(_CJK.sub(" ", phrase)))
    if not quoted:
        return bool(pairs(phrase))  # nothing that this could tell
    rows = connection.execute(
        text("SELECT 1 FROM words WHERE words MATCH :phrase LIMIT 1"),
        {"phrase": f'{{titles description}} : "{quoted}"'},
    )
    return rows.first() is not None


def row(document: Document) -> dict[str, str]:
    """Return what is indexed of a show; apart from `put`, so that a thread can do it."""
    show = document.show
    titles = " | ".join(show.titles or (show.title,))
    tags = ", ".join(show.tags)
    return {
        "titles": titles,
        "tags": tags,
        "description": document.description,
        "pairs": " ".join(pairs(f"{titles} {document.description}")),
    }
