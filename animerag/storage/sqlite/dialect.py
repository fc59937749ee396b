"""SQLite's dialect of SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func
from sqlalchemy.dialects.sqlite import insert

from animerag.storage.sqlite import full_text, statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.dialects.sqlite import Insert
    from sqlalchemy.ext.asyncio import AsyncConnection


class _SQLiteDialect:
    full_text = full_text
    statistics = statistics

    def insert(self, table: Table) -> Insert:
        return insert(table)

    async def insert_numbers(self, connection: AsyncConnection, table: Table, rows: Sequence[Sequence[int]]) -> None:
        if rows:
            places = ", ".join("?" * len(table.columns))
            statement = f"INSERT INTO {table.name} VALUES ({places})"  # noqa: S608 - a name of ours
            await connection.exec_driver_sql(statement, list(map(tuple, rows)))

    async def continue_numbers(self, connection: AsyncConnection, tables: Sequence[Table]) -> None:
        """Do nothing: SQLite looks for the largest number itself."""

    def position(self, text: ColumnElement[object], part: str) -> ColumnElement[int]:
        return func.instr(text, part)


SQLITE = _SQLiteDialect()
