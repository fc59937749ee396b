"""Keeps tables that are derived from the shows up to date; they are keyed by the number of a show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, or_, select

from animerag.storage.schema import my_list, shows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.storage.database import Database
    from animerag.storage.show_fields import Statement

_REMOVED = 1000  # shows in one transaction
BULK = 500  # shows; a smaller change leaves plans as good as they were


class DerivedTables:
    """Tables of one library; they are made when they are first needed."""

    def __init__(
        self,
        database: Database,
        tables: Sequence[Table],
        *,
        store: Callable[[AsyncConnection, Sequence[str]], Awaitable[None]],
        together: int,
        removed: Callable[[AsyncConnection, Sequence[int]], Awaitable[None]] | None = None,
    ) -> None:
        """The first of `tables` has a row for every stored show, with the hash of its content.

        `store` stores the rows of up to `together` shows in a transaction. `removed` is called with the numbers of
        deleted shows before their rows are removed in the same transaction.
        """
        self._database = database
        self._tables = tables
        self._store = store
        self._together = together
        self._removed = removed
        self._created = False

    async def refresh(self) -> None:
        """Store what is derived from new and changed shows, and remove the rows of deleted ones. Raises LibraryError.

        Several processes may do so at once.
        """
        if not self._created:
            async with self._database.writing() as connection:
                await connection.run_sync(self._tables[0].metadata.create_all)
            self._created = True
        after, stored = "", 0
        changed = outdated(select(shows.c.id), self._tables[0]).order_by(shows.c.id).limit(self._together)
        while rows := await self._database.rows(changed.where(shows.c.id > after)):
            ids = [row.id for row in rows]
            async with self._database.writing() as connection:
                await self._store(connection, ids)
            after, stored = ids[-1], stored + len(ids)
        if stored >= BULK:
            await self._database.vacuum()
        number = self._tables[0].c.number
        deleted = select(number).where(number.not_in(select(shows.c.number))).limit(_REMOVED)
        while rows := await self._database.rows(deleted):
            numbers = [row.number for row in rows]
            async with self._database.writing() as connection:
                if self._removed is not None:
                    await self._removed(connection, numbers)
                for table in self._tables:
                    await connection.execute(delete(table).where(table.c.number.in_(numbers)))


def outdated(statement: Statement, stored: Table, *, mine: bool = False) -> Statement:
    """Restrict a statement to the shows that are not in a table, or with an earlier content.

    With `mine`, the statement may also read the list of the owner.
    """
    joined = shows.outerjoin(stored, stored.c.number == shows.c.number)
    if mine:
        joined = joined.outerjoin(my_list, my_list.c.show_id == shows.c.id)
    changed = or_(stored.c.content_hash.is_(None), stored.c.content_hash != shows.c.content_hash)
    return statement.select_from(joined).where(changed)
