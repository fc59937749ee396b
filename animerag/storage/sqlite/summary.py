"""Counts and metadata of a library, read without SQLAlchemy: for commands that should start fast."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.storage.schema_version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Metadata by key, the number of shows, and how many current shows each collection holds."""

    facts: Mapping[str, str]
    shows: int
    indexed: Mapping[str, int]


def read(path: Path) -> Summary | None:
    """Return the summary of a library; None if it is missing, damaged or from another version."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            return _read(connection) if version == VERSION else None
    except sqlite3.Error:
        return None


def _read(connection: sqlite3.Connection) -> Summary:
    (shows,) = connection.execute("SELECT count(*) FROM shows").fetchone()
    indexed = connection.execute(
        "SELECT indexed.collection, count(*) FROM indexed JOIN shows ON shows.id = indexed.show_id"
        " WHERE indexed.text_hash = shows.text_hash GROUP BY indexed.collection"
    )
    facts = connection.execute("SELECT key, value FROM facts")
    return Summary(facts=dict(facts.fetchall()), shows=shows, indexed=dict(indexed.fetchall()))
