"""SQLite's dialect of SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func
from sqlalchemy.dialects.sqlite import insert

from animerag.storage.sqlite import full_text, statistics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.dialects.sqlite import Insert
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.storage.put import Put

_COMPILED: dict[tuple[Put, tuple[str, ...]], tuple[str, tuple[str, ...]]] = {}


class _SQLiteDialect:
    full_text = full_text
    statistics = statistics

    def insert(self, table: Table) -> Insert:
        return insert(table)

    async def insert_rows(self, connection: AsyncConnection, put: Put, rows: Sequence[Mapping[str, object]]) -> None:
        written, names = _compiled(put, tuple(rows[0]), connection)
        await connection.exec_driver_sql(written, [tuple(row[name] for name in names) for row in rows])

    async def insert_numbers(self, connection: AsyncConnection, table: Table, rows: Sequence[Sequence[int]]) -> None:
        if rows:
            places = ", ".join("?" * len(table.columns))
            statement = f"INSERT INTO {table.name} VALUES ({places})"  # noqa: S608 - a name of ours
            await connection.exec_driver_sql(statement, list(map(tuple, rows)))

    async def continue_numbers(self, connection: AsyncConnection, tables: Sequence[Table]) -> None:
        """Do nothing: SQLite looks for the largest number itself."""

    def position(self, text: ColumnElement[object], part: str) -> ColumnElement[int]:
        return func.instr(text, part)


def _compiled(put: Put, columns: tuple[str, ...], connection: AsyncConnection) -> tuple[str, tuple[str, ...]]:
    """Return the driver's SQL, and the columns in the order of its placeholders."""
    key = (put, columns)
    if key not in _COMPILED:
        compiled = _statement(put).compile(dialect=connection.dialect, column_keys=list(columns))
        _COMPILED[key] = str(compiled), tuple(compiled.positiontup or ())
    return _COMPILED[key]


def _statement(put: Put) -> Insert:
    statement = insert(put.table)
    if not put.replace:
        return statement.on_conflict_do_nothing()
    changed = {name: statement.excluded[name] for name in put.replaced}
    return statement.on_conflict_do_update(index_elements=list(put.keys), set_=changed)


SQLITE = _SQLiteDialect()
