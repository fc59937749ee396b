"""Inserts many rows in one call of the database driver.

SQLAlchemy prepares every parameter of every row on the event loop: a third of a second for 1,500 shows. Here a
statement is compiled once, and its rows reach the driver as they are: JSON columns as text, blobs as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.storage.dialects import dialect_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.storage.dialects import Insert


_CHUNK = 5000  # SQLite allows 32,766 variables per statement; Chroma's limit is similar


def chunks(values: Iterable[str]) -> Iterator[list[str]]:
    """Yield the values in lists that fit into one statement."""
    listed = list(values)
    for start in range(0, len(listed), _CHUNK):
        yield listed[start : start + _CHUNK]


@dataclass(frozen=True, slots=True)
class Put:
    """How to write rows that may exist: `keys` identify them, and `replace` overwrites them."""

    table: Table
    keys: tuple[str, ...] = ()
    replace: bool = False

    def statement(self, insert: Insert) -> Insert:
        """Return the statement for an insert into the table."""
        if not self.replace:
            return insert.on_conflict_do_nothing()
        columns = (column for column in self.table.c if not column.primary_key)
        changed = {column.name: insert.excluded[column.name] for column in columns if column.name not in self.keys}
        return insert.on_conflict_do_update(index_elements=list(self.keys), set_=changed)


def upsert(table: Table, *keys: str) -> Put:
    """Insert rows, or replace those with the same keys."""
    return Put(table, keys, replace=True)


def add(table: Table) -> Put:
    """Insert rows, and do not change existing ones."""
    return Put(table)


async def insert_many(connection: AsyncConnection, put: Put, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows with the same columns; the values must be as the database stores them."""
    if not rows:
        return
    written, names = _compiled(put, tuple(rows[0]), connection)
    values: list[object] = [tuple(row[name] for name in names) for row in rows] if names else list(rows)
    await connection.exec_driver_sql(written, values)


_COMPILED: dict[tuple[Put, tuple[str, ...], str], tuple[str, tuple[str, ...]]] = {}


def _compiled(put: Put, columns: tuple[str, ...], connection: AsyncConnection) -> tuple[str, tuple[str, ...]]:
    """Return the driver's SQL, and the columns in the order of its placeholders; none for named placeholders."""
    key = (put, columns, connection.dialect.name)
    if key not in _COMPILED:
        statement = put.statement(dialect_of(connection).insert(put.table))
        compiled = statement.compile(dialect=connection.dialect, column_keys=list(columns))
        _COMPILED[key] = str(compiled), tuple(compiled.positiontup or ())
    return _COMPILED[key]
