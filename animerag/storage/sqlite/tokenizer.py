"""The words of texts as FTS5 cuts and stems them, for an index of another database that finds the same."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from animerag.storage.sqlite import full_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COLUMNS = ("titles", "tags", "description", "pairs")
_INSTANCES = "CREATE VIRTUAL TABLE instances USING fts5vocab('words', 'instance')"
_ALL = "SELECT doc, term, col, offset FROM instances"
_INSERT = "INSERT INTO words (rowid, titles, tags, description, pairs) VALUES (?, ?, ?, ?, ?)"
_OWN = threading.local()


@dataclass(slots=True)
class Words:
    """The words of one text: by word the (column, place) pairs of where it stands; and how many there are."""

    places: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    length: int = 0


def words_of(rows: Iterable[Mapping[str, object]]) -> dict[int, Words]:
    """Return the words of rows by their `rowid`."""
    with closing(_index()) as index:
        index.executemany(_INSERT, [tuple(row[name] for name in ("rowid", *COLUMNS)) for row in rows])
        found: dict[int, Words] = {}
        columns = {name: number for number, name in enumerate(COLUMNS)}
        for number, word, column, place in index.execute(_ALL):
            words = found.get(number)
            if words is None:
                words = found[number] = Words()
            words.places.setdefault(word, []).append((columns[column], place))
            words.length += 1
        return found


def split(words: Sequence[str]) -> list[list[str]]:
    """Return what each word of a question is in the index: one word, several in a row ("shin'ya"), or none."""
    index: sqlite3.Connection | None = getattr(_OWN, "index", None)
    if index is None:
        index = _OWN.index = _index()
    index.executemany(_INSERT, [(number, word, "", "", "") for number, word in enumerate(words)])
    parts: list[list[tuple[int, str]]] = [[] for _ in words]
    for number, word, _, place in index.execute(_ALL):
        parts[number].append((place, word))
    index.execute("DELETE FROM words")
    return [[word for _, word in sorted(part)] for part in parts]


def _index() -> sqlite3.Connection:
    index = sqlite3.connect(":memory:", isolation_level=None)
    index.execute(full_text.CREATE)
    index.execute(_INSTANCES)
    return index
