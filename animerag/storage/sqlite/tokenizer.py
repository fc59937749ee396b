"""Cuts and stems words with FTS5, so that the index of another database finds the same shows."""

from __future__ import annotations

import sqlite3
import threading
from itertools import chain
from typing import TYPE_CHECKING

from animerag.storage.sqlite import full_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

COLUMNS = ("titles", "tags", "description", "pairs")
_CREATE = f"CREATE VIRTUAL TABLE words USING fts5(text, content='', columnsize=0, {full_text.TOKENIZER})"
_INSTANCES = "CREATE VIRTUAL TABLE instances USING fts5vocab('words', 'instance')"
_BETWEEN = "\U0010fffd"  # a character for private use, which FTS5 takes for a word
_OWN = threading.local()
_SPLIT: dict[str, list[str]] = {}  # the words of what stands between two spaces
_MOST = 50_000  # of these at a time, about 15 MB
_LONGEST = 40  # characters of those that are stored


def words_of(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield the words of each text in order.

    FTS5 looks at what stands between two spaces separately, and few of these parts are new: each is split once.
    """
    cut = [text.split() for text in texts]
    parts = set(chain.from_iterable(cut))
    if len(_SPLIT) > _MOST:
        _SPLIT.clear()
    known = {part: words for part in parts if (words := _SPLIT.get(part)) is not None}
    new = [part for part in parts if part not in known]
    known.update(zip(new, split(new), strict=True))
    _SPLIT.update((part, known[part]) for part in new if len(part) <= _LONGEST)
    for text in cut:
        yield list(chain.from_iterable(map(known.__getitem__, text)))


def split(parts: Sequence[str]) -> list[list[str]]:
    """Return what each part of a text is in the index: one word, several in a row ("shin'ya"), or none."""
    index: sqlite3.Connection | None = getattr(_OWN, "index", None)
    if index is None:
        index = _OWN.index = _index()
    # One text of all parts; a row for each of them takes ten times as long.
    text = f" {_BETWEEN} ".join(part.replace(_BETWEEN, " ") for part in parts)
    index.execute("INSERT INTO words (rowid, text) VALUES (1, ?)", (text,))
    words: list[list[str]] = [[] for _ in parts]
    number = 0
    for _, word in sorted(index.execute("SELECT offset, term FROM instances")):
        if word == _BETWEEN:
            number += 1
        else:
            words[number].append(word)
    index.execute("INSERT INTO words (words) VALUES ('delete-all')")
    return words


def _index() -> sqlite3.Connection:
    index = sqlite3.connect(":memory:", isolation_level=None)
    index.execute(_CREATE)
    index.execute(_INSTANCES)
    return index
