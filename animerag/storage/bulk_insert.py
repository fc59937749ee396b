"""Many rows in one call of the database driver.

SQLAlchemy prepares every parameter of every row on the event loop: a third of a second for 1,500 shows. Here a
statement is compiled once, and its rows reach the driver's thread as they are: JSON columns as text, blobs as bytes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Table
    from sqlalchemy.dialects.sqlite import Insert
    from sqlalchemy.ext.asyncio import AsyncConnection


_CHUNK = 5000  # SQLite takes 32,766 variables a statement; Chroma's limit is near this one


def chunks(values: Iterable[str]) -> Iterator[list[str]]:
    """Yield values in lists that one statement takes."""
    listed = list(values)
    for start in range(0, len(listed), _CHUNK):
        yield listed[start : start + _CHUNK]


async def insert_many(connection: AsyncConnection, statement: Insert, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows that all have the same columns, with values as SQLite stores them."""
    if rows:
        written, names = _compiled(statement, tuple(rows[0]))
        await connection.exec_driver_sql(written, [tuple(row[name] for name in names) for row in rows])


def upsert(table: Table, *keys: str) -> Insert:
    """Return the statement that writes rows of a table, in place of those with the same keys."""
    statement = insert(table)
    changed = {c.name: statement.excluded[c.name] for c in table.c if c.name not in keys and not c.primary_key}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=changed)


@lru_cache(maxsize=32)
def _compiled(statement: Insert, columns: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the statement as SQLite reads it, and the columns in the order of its question marks."""
    compiled = statement.compile(dialect=sqlite.dialect(), column_keys=list(columns))
    return str(compiled), tuple(compiled.positiontup or ())
