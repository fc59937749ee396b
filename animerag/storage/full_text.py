"""Full-text search (BM25) over titles, tags and descriptions; each dialect has its own tables.

Chinese and Japanese are indexed as pairs of characters: word indexes cannot match words of two characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.storage.dialects import dialect_of
from animerag.text.tokens import _CJK, _STOP_PAIRS, _WORD, pairs, terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.storage.word_hits import WordHit
    from animerag.text.documents import Document

# Of titles, tags, descriptions and pairs. Pairs weigh most, because few shows are described in both languages.
_WEIGHTS = (5.0, 2.0, 1.0, 3.0)
_WITHOUT_NAMES = (0.0, 0.5, 1.0, 3.0)


def wanted_words(question: str) -> list[str]:
    """Return the words and character pairs of a question to search for."""
    return terms(question) + [pair for pair in dict.fromkeys(pairs(question)) if pair not in _STOP_PAIRS]


async def put(connection: AsyncConnection, rows: Sequence[Mapping[str, object]]) -> None:
    """Index the results of `row`, each with its `rowid`, and replace earlier entries."""
    if rows:
        await remove(connection, [row["rowid"] for row in rows])
        await dialect_of(connection).full_text.put(connection, rows)


async def remove(connection: AsyncConnection, numbers: Sequence[object]) -> None:
    """Remove the words of the shows with these row numbers."""
    await dialect_of(connection).full_text.remove(connection, numbers)


def search(
    connection: Connection, question: str, *, k: int, names: bool = True, ids: Sequence[str] | None = None
) -> list[WordHit]:
    """Return up to `k` shows, of `ids` if given, that share words with the question, best first.

    Titles are only searched if `names` says that the question contains words of titles; they mislead otherwise.
    """
    words = wanted_words(question)
    if not words:
        return []
    weights = _WEIGHTS if names else _WITHOUT_NAMES
    return dialect_of(connection).full_text.search(connection, words, k=k, weights=weights, ids=ids)


def occurs(connection: Connection, phrase: str) -> bool:
    """Return whether any title or description contains these words in sequence."""
    words = " ".join(_WORD.findall(_CJK.sub(" ", phrase)))
    if not words:
        return bool(pairs(phrase))  # it has no words that could be searched for
    return dialect_of(connection).full_text.occurs(connection, words)


def row(document: Document) -> dict[str, str]:
    """Return the indexed texts of a show; separate from `put`, so that it can run in a thread."""
    show = document.show
    titles = " | ".join(show.titles or (show.title,))
    tags = ", ".join(show.tags)
    return {
        "titles": titles,
        "tags": tags,
        "description": document.description,
        "pairs": " ".join(pairs(f"{titles} {document.description}")),
    }
