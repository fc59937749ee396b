"""Checks a library's file for damage: its pages, every row of every table, and every vector."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from sqlalchemy import JSON, Text

from animerag.storage.integrity import Integrity, VectorKey, is_sound
from animerag.storage.schema import metadata, vectors
from animerag.storage.sqlite.page_check import damaged_pages, is_corruption, open_read_only

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Table


def examine(path: Path) -> Integrity:
    """Check a library's pages, decode all its rows and check its vectors.

    Tables and columns that are missing before an upgrade are skipped. Raises sqlite3.Error if the file cannot be read
    for a reason other than damage.
    """
    if (pages := damaged_pages(path)) is not None:
        return Integrity(damage=(f"its pages are damaged ({pages})",))
    try:
        with closing(open_read_only(path)) as connection:
            rows = tuple(_damaged_rows(connection))
            return Integrity(damage=rows, unsound_vectors=tuple(_unsound_vectors(connection)))
    except sqlite3.Error as error:
        if is_corruption(error):
            return Integrity(damage=(f"its pages are damaged ({error})",))
        raise


def _damaged_rows(connection: sqlite3.Connection) -> Iterator[str]:
    existing = {name.decode() for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    for table in metadata.sorted_tables:
        if table.name in existing and (bad := _undecodable(connection, table)):
            columns = ", ".join(f"{name} of {count:,}" for name, count in sorted(bad.items()))
            yield f"rows of the table {table.name} cannot be decoded ({columns})"


def _undecodable(connection: sqlite3.Connection, table: Table) -> Counter[str]:
    """Count by column the values of a table that are not the text or JSON they should be."""
    cursor = connection.execute(f'SELECT * FROM "{table.name}"')  # noqa: S608 - a name of our own schema
    places = [(number, str(about[0])) for number, about in enumerate(cursor.description)]
    texts = [(n, name) for n, name in places if name in table.c and isinstance(table.c[name].type, (JSON, Text))]
    bad: Counter[str] = Counter()
    for row in cursor:
        for number, name in texts:
            if row[number] is not None and not _decodes(row[number], as_json=isinstance(table.c[name].type, JSON)):
                bad[name] += 1
    return bad


def _decodes(value: object, *, as_json: bool) -> bool:
    if not isinstance(value, bytes):
        return False
    try:
        text = value.decode()
        if as_json:
            json.loads(text)
    except ValueError:
        return False
    return True


def _unsound_vectors(connection: sqlite3.Connection) -> Iterator[VectorKey]:
    columns = {row[1] for row in connection.execute(f"PRAGMA table_info({vectors.name})")}
    checksum = "checksum" if b"checksum" in columns else "NULL"  # a library has none before its upgrade
    wanted = f"SELECT model, dimensions, text_hash, vector, {checksum} FROM {vectors.name}"  # noqa: S608 - names of ours
    rows = connection.execute(wanted)
    for model, dimensions, text_hash, vector, expected in rows:
        if not is_sound(vector, dimensions, expected):
            yield VectorKey(model.decode(errors="replace"), dimensions, text_hash.decode(errors="replace"))
