"""Keeps tables that are derived from the shows up to date; they are keyed by the number of a show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from animerag.storage.schema import shows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.storage.database import Database
    from animerag.storage.show_fields import Statement

_REMOVED = 1000  # shows in one transaction


async def follow_shows(
    database: Database,
    *,
    changed: Callable[[str], Statement],
    store: Callable[[AsyncConnection, Sequence[str]], Awaitable[None]],
    tables: Sequence[Table],
    removed: Callable[[AsyncConnection, Sequence[int]], Awaitable[None]] | None = None,
) -> None:
    """Store what is derived from new and changed shows, and remove the rows of deleted ones.

    `changed` selects the next ids after one, and `store` stores their rows in a transaction. `removed` is called with
    the numbers of deleted shows before their rows are removed in the same transaction. The first of `tables` has a row
    for every stored show. Raises LibraryError.
    """
    after = ""
    while rows := await database.rows(changed(after)):
        ids = [row.id for row in rows]
        async with database.writing() as connection:
            await store(connection, ids)
        after = ids[-1]
    number = tables[0].c.number
    deleted = select(number).where(number.not_in(select(shows.c.number))).limit(_REMOVED)
    while rows := await database.rows(deleted):
        numbers = [row.number for row in rows]
        async with database.writing() as connection:
            if removed is not None:
                await removed(connection, numbers)
            for table in tables:
                await connection.execute(delete(table).where(table.c.number.in_(numbers)))
