"""Metadata of a library inside a transaction: its settings, revision and id."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sqlalchemy import Integer, Text, cast, select

from animerag.storage.bulk_insert import insert_many, upsert
from animerag.storage.dialects import dialect_of
from animerag.storage.schema import facts

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

REVISION = "revision"  # grows with every change of the shows
INDEXED = "index_revision"  # grows when shows are indexed, or no longer are, without a change of the shows


async def put(connection: AsyncConnection, key: str, value: str) -> None:
    """Store a value in place of the earlier one."""
    await insert_many(connection, upsert(facts, "key"), [{"key": key, "value": value}])


async def increase(connection: AsyncConnection, key: str) -> None:
    """Add one to a number; a missing one counts as 0."""
    next_one = cast(cast(facts.c.value, Integer) + 1, Text)
    first = dialect_of(connection).insert(facts).values(key=key, value="1")
    await connection.execute(first.on_conflict_do_update(index_elements=["key"], set_={"value": next_one}))


async def library_id(connection: AsyncConnection) -> str:
    """Return the library's id; a new library gets one here."""
    known: str | None = await connection.scalar(select(facts.c.value).where(facts.c.key == "library_id"))
    if known is None:
        known = secrets.token_hex(6)
        await put(connection, "library_id", known)
    return known
