"""PostgreSQL's dialect of SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from animerag.storage.postgresql import array_insert, full_text, statistics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.dialects.postgresql import Insert
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.storage.put import Put


class _PostgreSQLDialect:
    full_text = full_text
    statistics = statistics

    def insert(self, table: Table) -> Insert:
        return insert(table)

    async def insert_rows(self, connection: AsyncConnection, put: Put, rows: Sequence[Mapping[str, object]]) -> None:
        await array_insert.insert_rows(connection, put, rows)

    async def insert_numbers(self, connection: AsyncConnection, table: Table, rows: Sequence[Sequence[int]]) -> None:
        if rows:
            types = (column.type.compile(dialect=connection.dialect) for column in table.columns)
            arrays = ", ".join(f"%s::{name}[]" for name in types)
            values = tuple(list(column) for column in zip(*rows, strict=True))
            await connection.exec_driver_sql(f"INSERT INTO {table.name} SELECT * FROM unnest({arrays})", values)  # noqa: S608 - names of ours

    async def continue_numbers(self, connection: AsyncConnection, tables: Sequence[Table]) -> None:
        for table in tables:
            if (column := table.autoincrement_column) is not None:
                after = select(func.coalesce(func.max(column), 0) + 1).scalar_subquery()
                sequence = func.pg_get_serial_sequence(table.name, column.name)
                await connection.execute(select(func.setval(sequence, after, False)))

    def position(self, text: ColumnElement[object], part: str) -> ColumnElement[int]:
        return func.strpos(text, part)


POSTGRESQL = _PostgreSQLDialect()
