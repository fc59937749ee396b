"""Inserts many rows with one statement: each column is one parameter, an array.

A statement for each row takes PostgreSQL four times as long, because it parses and plans every one of them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.storage.put import Put

_CHARACTERS = 16_000_000  # maximum characters in the arrays of one statement
_FEW = 20  # rows whose arrays are written on the event loop


async def insert_rows(connection: AsyncConnection, put: Put, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows with the same columns, the values as the database stores them."""
    if put.replace:  # a statement may change each row once
        rows = list({tuple(row[key] for key in put.keys): row for row in rows}.values())
    names = tuple(rows[0])
    statement = _statement(put, names, connection)
    parts = _arrays(rows, names)
    while arrays := (next(parts, None) if len(rows) <= _FEW else await asyncio.to_thread(next, parts, None)):
        await connection.exec_driver_sql(statement, arrays)


def _statement(put: Put, names: Sequence[str], connection: AsyncConnection) -> str:
    quote = connection.dialect.identifier_preparer.quote
    types = (put.table.c[name].type.compile(dialect=connection.dialect).split(" COLLATE ")[0] for name in names)
    columns = ", ".join(map(quote, names))
    rows = ", ".join(f"%s::{name}[]" for name in types)
    return f"INSERT INTO {put.table.name} ({columns}) SELECT * FROM unnest({rows}) {_conflict(put, quote)}"  # noqa: S608 - names of ours


def _conflict(put: Put, quote: Callable[[str], str]) -> str:
    if not put.replace:
        return "ON CONFLICT DO NOTHING"
    changed = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in put.replaced)
    return f"ON CONFLICT ({', '.join(map(quote, put.keys))}) DO UPDATE SET {changed}"


def _arrays(rows: Sequence[Mapping[str, object]], names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the columns of rows as arrays, as many rows at a time as fit into one statement."""
    columns: list[list[str]] = [[] for _ in names]
    size = 0
    for row in rows:
        for column, name in zip(columns, names, strict=True):
            element = _element(row[name])
            column.append(element)
            size += len(element)
        if size > _CHARACTERS:
            yield tuple(map(_array, columns))
            columns, size = [[] for _ in names], 0
    if columns[0]:
        yield tuple(map(_array, columns))


def _array(elements: Iterable[str]) -> str:
    return "{" + ",".join(elements) + "}"


def _element(value: object) -> str:
    """Return a value as an element of an array."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, bytes):
        return f'"\\\\x{value.hex()}"'
    return str(value)
