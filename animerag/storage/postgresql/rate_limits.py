"""The window of requests and tokens that hosts share, as one row that is locked for each request."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.types.json import Json
from sqlalchemy import JSON, Column, MetaData, Table, Text

from animerag.errors import LibraryError, reason_of
from animerag.rate_limits.distributed_window import WindowState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from animerag.rate_limits.distributed_window import Permit, Refusal, UnusedGrant, WindowLimits

T = TypeVar("T")

# Not a table of the library: the state belongs to this database's clock, and is neither moved nor backed up.
metadata = MetaData()
Table("rate_limits", metadata, Column("name", Text, primary_key=True), Column("state", JSON, nullable=False))

_TIMEOUTS = (  # a stalled host must not hold the row for the others
    "SET lock_timeout = '5s'",
    "SET statement_timeout = '5s'",
    "SET idle_in_transaction_session_timeout = '5s'",
)
_ADD = "INSERT INTO rate_limits (name, state) VALUES (%s, '{}') ON CONFLICT DO NOTHING"
# The clock is read after the question was asked, also if the row was locked meanwhile.
_LOCK = "SELECT state, extract(epoch FROM clock_timestamp())::float FROM rate_limits WHERE name = %s FOR UPDATE"
_STORE = "UPDATE rate_limits SET state = %s WHERE name = %s"


class SharedWindow:
    """A connection of its own in a thread: the row is locked for milliseconds, even if the event loop is busy."""

    def __init__(
        self, connect: Callable[[], psycopg.Connection[Any]], library: str, name: str, limits: WindowLimits
    ) -> None:
        """Use connections from `connect`, which raises LibraryError; `library` names the database in errors.

        `name` is the provider whose limits these are. The first request connects.
        """
        self._connect, self._library = connect, library
        self._name, self._limits = name, limits
        self._connection: psycopg.Connection[Any] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="animerag-rate-limits")

    async def request(self, tokens: float, *, bulk: bool, unused: Sequence[UnusedGrant] = ()) -> Permit | Refusal:
        """Give back what was not used and ask for a request, in one transaction. Raises LibraryError."""

        def change(state: WindowState, now: float) -> Permit | Refusal:
            state.give_back(unused)
            return state.request(tokens, self._limits, now, bulk=bulk)

        return await self._changed(change)

    async def close_for(self, seconds: float) -> None:
        """Let no host send a request for some time. Raises LibraryError."""

        def change(state: WindowState, now: float) -> None:
            state.closed_until = max(state.closed_until, now + seconds)

        await self._changed(change)

    async def disconnect(self) -> None:
        """Close the connection after the current request."""
        with contextlib.suppress(RuntimeError):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._drop)
        self._thread.shutdown(wait=False)

    async def _changed(self, change: Callable[[WindowState, float], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._change, change)

    def _change(self, change: Callable[[WindowState, float], T]) -> T:
        """Change the state; a lost connection is replaced once. Raises LibraryError."""
        try:
            try:
                return self._transaction(change)
            except psycopg.OperationalError:
                self._drop()
                return self._transaction(change)
        except psycopg.Error as error:
            self._drop()
            raise LibraryError(
                f"The rate limits shared in {self._library} cannot be used ({reason_of(error)})."
            ) from error

    def _transaction(self, change: Callable[[WindowState, float], T]) -> T:
        connection = self._opened()
        with connection.transaction():
            row = connection.execute(_LOCK, (self._name,)).fetchone()
            if row is None:
                connection.execute(_ADD, (self._name,))
                row = connection.execute(_LOCK, (self._name,)).fetchone()
            assert row is not None, "the row was added in this transaction, or by another one"
            state = WindowState.of(row[0])
            result = change(state, row[1])
            connection.execute(_STORE, (Json(state.as_json()), self._name))
        return result

    def _opened(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            connection = self._connect()
            for statement in _TIMEOUTS:
                connection.execute(statement)
            self._connection = connection
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None
