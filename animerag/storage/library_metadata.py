"""Metadata of a library inside a transaction: its settings, revision and id."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sqlalchemy import select

from animerag.storage.bulk_insert import insert_many, upsert
from animerag.storage.schema import facts

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


async def put(connection: AsyncConnection, key: str, value: str) -> None:
    """Store a value in place of the earlier one."""
    await insert_many(connection, upsert(facts, "key"), [{"key": key, "value": value}])


async def library_id(connection: AsyncConnection) -> str:
    """Return the library's id; a new library gets one here."""
    known: str | None = await connection.scalar(select(facts.c.value).where(facts.c.key == "library_id"))
    if known is None:
        known = secrets.token_hex(6)
        await put(connection, "library_id", known)
    return known
