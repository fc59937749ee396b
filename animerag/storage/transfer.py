"""Copies a whole library from one database to another, and compares both row by row.

Both sides are read with SQLAlchemy, so that JSON, numbers and bytes are compared as values. The full text is indexed
again, because each database has its own index.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, tuple_

from animerag.errors import InvalidInputError, LibraryError
from animerag.storage import full_text
from animerag.storage.database import Database
from animerag.storage.dialects import dialect_of
from animerag.storage.library import shows_in
from animerag.storage.library_metadata import INDEXED, REVISION
from animerag.storage.schema import facts, metadata, shows
from animerag.text.documents import Document

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from pathlib import Path

    from sqlalchemy import Row, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.models.json_types import JsonObject

_ROWS = 500  # rows in memory at a time, each up to a few hundred kilobytes
_OF_THE_DATABASE = ("schema_version", "process:", "worker:")  # metadata that is not copied
_NEW = ("library_id", "schema_version", REVISION, INDEXED)  # metadata of a new, empty library


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """The number of copied and compared rows by table."""

    rows: dict[str, int]

    @property
    def shows(self) -> int:
        """Return the number of shows."""
        return self.rows[shows.name]


async def copy(
    source: Path | str,
    target: Path | str,
    *,
    replace: bool = False,
    on_table: Callable[[str, int], None] = lambda _name, _rows: None,
) -> Transfer:
    """Copy a library into an empty database and compare both, in one transaction of the target.

    `replace` removes the target's data first. `on_table` is called with each copied table and its number of rows. A
    failure leaves the target unchanged. Raises InvalidInputError if the target is not empty, LibraryError.
    """
    async with (
        _opened(source) as origin,
        _opened(target) as copied,
        origin.snapshot() as reading,
        copied.writing() as writing,
    ):
        if replace:
            await _remove_all(writing)
        await _require_empty(writing, str(copied))
        rows = {}
        for table in metadata.sorted_tables:
            rows[table.name] = await _copy_table(reading, writing, table)
            on_table(table.name, rows[table.name])
        await _index_words(writing)
        await dialect_of(writing).continue_numbers(writing, metadata.sorted_tables)
        for table in metadata.sorted_tables:
            await _compare_table(reading, writing, table)
    return Transfer(rows=rows)


async def require_unused(place: Path | str, data_dir: Path) -> None:
    """Raise InvalidInputError if another process uses a library, LibraryError if it cannot be opened."""
    async with _opened(place) as library:
        locks = await library.locks(data_dir)
        try:
            if await asyncio.to_thread(locks.others):
                raise InvalidInputError(f"Another animerag process is using {library}: stop it first.")
        finally:
            locks.close()


@asynccontextmanager
async def _opened(place: Path | str) -> AsyncIterator[Database]:
    database = await Database.open(place)
    try:
        yield database
    finally:
        await database.close()


async def _remove_all(connection: AsyncConnection) -> None:
    numbers = (await connection.scalars(select(shows.c.number))).all()
    await full_text.remove(connection, numbers)
    for table in reversed(metadata.sorted_tables):
        retained = facts.c.key.startswith("process:") | facts.c.key.in_(_NEW)
        await connection.execute(delete(table).where(~retained) if table is facts else delete(table))


async def _require_empty(connection: AsyncConnection, name: str) -> None:
    for table in metadata.sorted_tables:
        wanted = select(func.count()).select_from(table)
        if table is facts:
            wanted = wanted.where(facts.c.key.not_in(_NEW), ~facts.c.key.startswith("process:"))
        if count := await connection.scalar(wanted):
            raise InvalidInputError(f"{name} is not empty ({count:,} rows in {table.name}): choose an empty database.")
    await connection.execute(delete(facts).where(facts.c.key.in_(("library_id", REVISION, INDEXED))))


async def _copy_table(reading: AsyncConnection, writing: AsyncConnection, table: Table) -> int:
    count = 0
    async with aclosing(_batches(reading, table)) as batches:
        async for rows in batches:
            await writing.execute(insert(table), rows)
            count += len(rows)
    return count


async def _batches(connection: AsyncConnection, table: Table) -> AsyncGenerator[list[JsonObject]]:
    """Yield the rows of a table in the order of their keys, in a form that every database can store."""
    keys = list(table.primary_key.columns)
    after: tuple[Any, ...] | None = None
    while True:
        wanted = select(table).order_by(*keys).limit(_ROWS)
        page = (await connection.execute(wanted if after is None else wanted.where(tuple_(*keys) > after))).all()
        if not page:
            return
        after = tuple(getattr(page[-1], key.name) for key in keys)
        rows = [_storable(row) for row in page]
        if table is facts:
            rows = [row for row in rows if not row["key"].startswith(_OF_THE_DATABASE)]
        if rows:
            yield rows


def _storable(row: Row[Any]) -> JsonObject:
    """Return a row without NUL in its texts, which PostgreSQL cannot store."""
    return {
        name: value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value
        for name, value in row._asdict().items()
    }


async def _compare_table(reading: AsyncConnection, writing: AsyncConnection, table: Table) -> None:
    """Raise LibraryError if the copy of a table differs from the original."""
    async with aclosing(_batches(reading, table)) as originals, aclosing(_batches(writing, table)) as copies:
        async for rows in originals:
            if rows != await anext(copies, None):
                raise LibraryError(
                    f"The copy of the table {table.name} differs from the original: nothing was moved. Try again."
                )
        if await anext(copies, None) is not None:
            raise LibraryError(f"The copy of the table {table.name} has more rows: nothing was moved. Try again.")


async def _index_words(connection: AsyncConnection) -> None:
    after = -1
    while True:
        wanted = select(shows.c.number, shows.c.id).where(shows.c.number > after).order_by(shows.c.number).limit(_ROWS)
        numbers = (await connection.execute(wanted)).all()
        if not numbers:
            return
        stored = await shows_in(connection, [row.id for row in numbers])
        rows = [{**full_text.row(Document.of(show)), "rowid": number} for number, show in sorted(stored.items())]
        await full_text.put(connection, rows)
        after = numbers[-1].number
