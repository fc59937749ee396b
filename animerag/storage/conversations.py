"""Conversations in the library: stored so that you can reopen, continue and export them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update

from animerag.storage.schema import conversations, exchanges
from animerag.storage.serialization import dump_exchange, load_exchange

if TYPE_CHECKING:
    from animerag.models.answers import Exchange
    from animerag.storage.database import Database

_TITLE = 80  # characters of the first question


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation as shown in a list; `at` is the time of its last answer, in UTC."""

    id: str
    title: str
    at: str
    exchanges: int


class Conversations:
    """Stores the conversations of one database. Every method raises LibraryError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def latest(self, limit: int = 20) -> list[Conversation]:
        """Return the conversations that were continued last."""
        number = func.count(exchanges.c.number).label("number")
        query = (
            select(conversations, number)
            .join(exchanges, exchanges.c.conversation_id == conversations.c.id)
            .group_by(conversations.c.id)
            .order_by(conversations.c.at.desc())
            .limit(limit)
        )
        rows = await self._database.rows(query)
        return [Conversation(id=row.id, title=row.title, at=row.at, exchanges=row.number) for row in rows]

    async def exchanges(self, conversation_id: str) -> list[Exchange]:
        """Return a conversation, oldest exchange first; empty if it does not exist or another version wrote it."""
        query = select(exchanges.c.content).where(exchanges.c.conversation_id == conversation_id)
        rows = await self._database.rows(query.order_by(exchanges.c.number))
        try:
            return [load_exchange(row.content) for row in rows]
        except ValueError:
            return []

    async def put(self, conversation_id: str | None, number: int, exchange: Exchange) -> str:
        """Store exchange `number` of a conversation, replace all later ones, and return the conversation's id.

        Without an id, start a new conversation that is named after its first question.
        """
        now = datetime.now(UTC).isoformat()
        content = dump_exchange(exchange)
        async with self._database.writing() as connection:
            if conversation_id is None:
                conversation_id = secrets.token_urlsafe(9)
                title = " ".join(exchange.question.split())[:_TITLE]
                await connection.execute(insert(conversations).values(id=conversation_id, title=title, at=now))
            else:
                changed = update(conversations).where(conversations.c.id == conversation_id).values(at=now)
                await connection.execute(changed)
            replaced = (exchanges.c.conversation_id == conversation_id) & (exchanges.c.number >= number)
            await connection.execute(delete(exchanges).where(replaced))
            await connection.execute(
                insert(exchanges).values(conversation_id=conversation_id, number=number, content=content)
            )
        return conversation_id

    async def delete(self, conversation_id: str) -> None:
        """Delete a conversation."""
        async with self._database.writing() as connection:
            await connection.execute(delete(conversations).where(conversations.c.id == conversation_id))
