"""Full-text search by FTS5 and its BM25."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import text

from animerag.storage.word_hits import WordHit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

TOKENIZER = "tokenize='porter unicode61 remove_diacritics 2'"
CREATE = f"CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(titles, tags, description, pairs, {TOKENIZER})"
_INSERT = "INSERT INTO words (rowid, titles, tags, description, pairs) VALUES (?, ?, ?, ?, ?)"


def match_expression(words: Sequence[str]) -> str:
    """Return an FTS5 query that matches any of the words."""
    return " OR ".join('"' + word.replace('"', '""') + '"' for word in words)


async def put(connection: AsyncConnection, rows: Sequence[Mapping[str, object]]) -> None:
    """Index the words of shows that are not in the index yet."""
    columns = ("rowid", "titles", "tags", "description", "pairs")
    await connection.exec_driver_sql(_INSERT, [tuple(row[name] for name in columns) for row in rows])


async def remove(connection: AsyncConnection, numbers: Sequence[object]) -> None:
    """Remove the words of shows."""
    await connection.exec_driver_sql("DELETE FROM words WHERE rowid = ?", [(number,) for number in numbers])


def search(
    connection: Connection,
    words: Sequence[str],
    *,
    k: int,
    weights: tuple[float, float, float, float],
    ids: Sequence[str] | None,
) -> list[WordHit]:
    """Return the best shows that contain any of the words."""
    allowed = "SELECT number FROM shows WHERE id IN (SELECT value FROM json_each(:ids))"
    restriction = "" if ids is None else f" AND rowid IN ({allowed})"
    weighted = ", ".join(str(weight) for weight in weights)
    # The best rows are chosen before they are joined, which halves the time for common words. Shows with the same score
    # as the last of them are included; otherwise the order of storage would decide.
    rows = connection.execute(
        text(
            "WITH scored AS MATERIALIZED ("  # noqa: S608 - only constants are inserted
            f" SELECT rowid AS number, round(-bm25(words, {weighted}), 4) AS score FROM words"
            f" WHERE words MATCH :expression{restriction}"
            "), best AS (SELECT number, score, rank() OVER (ORDER BY score DESC) AS place FROM scored)"
            " SELECT shows.id, best.score FROM best JOIN shows ON shows.number = best.number WHERE best.place <= :k"
            " ORDER BY best.score DESC, coalesce(shows.votes, 0) DESC, shows.id LIMIT :k"
        ),
        {"expression": match_expression(words), "k": k} | ({} if ids is None else {"ids": json.dumps(list(ids))}),
    )
    return [WordHit(id=row.id, score=row.score) for row in rows]


def occurs(connection: Connection, phrase: str) -> bool:
    """Return whether any title or description contains these words in sequence."""
    rows = connection.execute(
        text("SELECT 1 FROM words WHERE words MATCH :phrase LIMIT 1"),
        {"phrase": f'{{titles description}} : "{phrase}"'},
    )
    return rows.first() is not None
