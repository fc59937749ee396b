"""The database, read in threads and written one transaction at a time.

Reads run in parallel, each in a thread; writes run one at a time, across processes. `DatabaseEngine` hides the
differences between SQLite and PostgreSQL. It knows only the table for settings and the revision.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlalchemy import delete, select

from animerag.concurrency import Slots, outwait
from animerag.errors import LibraryAwayError, LibraryError
from animerag.storage import library_metadata
from animerag.storage.engines import engine_for
from animerag.storage.schema import facts
from animerag.telemetry.load_shedding import between_steps, gives_way

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from sqlalchemy import Connection, Row, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.rate_limits.distributed_window import DistributedWindow, WindowLimits
    from animerag.storage.engines import DatabaseEngine
    from animerag.storage.integrity import Integrity
    from animerag.storage.locks import Locks

log = logging.getLogger(__name__)

T = TypeVar("T")
_MOMENT_S = 0.2  # how long another process's change may go unnoticed
_READERS = 4  # parallel reads; one takes a millisecond, and Python runs one thread at a time
_BULK_READS = 2  # of them for sheets, whose word searches take 30 ms and more; pages do not wait for those


class Database:
    """One database; confined to the loop that opened it."""

    def __init__(self, backend: DatabaseEngine, library_id: str) -> None:
        """Use a prepared database."""
        self._backend = backend
        self._engine, self._reader = backend.engine, backend.reader
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="animerag-library")
        self._bulk_reads = Slots(lambda: _BULK_READS)
        self._revision: int | None = None
        self._bumped = self._closed = False
        self._checked_s = 0.0
        self.write_lock = asyncio.Lock()
        self.library_id = library_id

    @classmethod
    async def open(cls, place: Path | str) -> Self:
        """Open or create the library in a SQLite file, or in the database of a PostgreSQL URL.

        Raises LibraryError if the database is not a library, is from a newer version, or cannot be written.
        """
        backend = await asyncio.to_thread(engine_for, place)
        try:
            library_id = await backend.prepare()
        except backend.errors as error:
            await backend.engine.dispose()
            raise LibraryError(backend.cannot_open(error)) from error
        except BaseException:
            await backend.engine.dispose()
            raise
        return cls(backend, library_id)

    def __str__(self) -> str:
        """Return the location of the library without its password."""
        return str(self._backend)

    @property
    def shared(self) -> bool:
        """Return whether processes on other machines can use the database."""
        return self._backend.shared

    async def integrity(self) -> Integrity:
        """Check pages, rows and vectors in a thread, on a separate connection. Raises LibraryError."""
        return await asyncio.to_thread(self._backend.integrity)

    async def size_bytes(self) -> int:
        """Return the size of the library on disk. Raises LibraryError."""
        return await asyncio.to_thread(self._backend.size_bytes)

    async def vacuum(self) -> None:
        """Prepare the tables for queries after a bulk change; if that fails, queries only take longer."""
        try:
            await asyncio.to_thread(self._backend.vacuum)
        except LibraryError as error:
            log.warning("%s", error)

    async def locks(self, data_dir: Path) -> Locks:
        """Take this process's lease, and return the locks between processes. Raises LibraryError."""
        return await asyncio.to_thread(self._backend.locks, data_dir, self.library_id)

    def shared_window(self, provider: str, limits: WindowLimits) -> DistributedWindow:
        """Return the window of a provider's requests that all hosts share. Raises LibraryError in SQLite."""
        return self._backend.shared_window(provider, limits)

    def connection_arguments(self, name: str) -> dict[str, Any]:
        """Return psycopg's arguments for connections outside the pools, listed as `name`. Raises LibraryError."""
        return self._backend.connection_arguments(name)

    async def close(self) -> None:
        """Close every connection after the current reads have ended."""
        self._closed = True
        await self._engine.dispose()
        await asyncio.to_thread(self._readers.shutdown)
        self._reader.dispose()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a thread and return its result; bulk work waits for a restart. Raises LibraryError.

        Switching to the thread once takes half the time of an asynchronous driver, which switches for every call, and
        a fifth of its time on the loop.
        """
        if self._closed:
            raise LibraryError("The library is closed: open it again.")
        in_thread = partial(asyncio.get_running_loop().run_in_executor, self._readers, self.read_here, work)
        async with self._bulk_reads.held() if gives_way() else nullcontext():
            await between_steps()
            return await outwait(in_thread, away=lambda error: isinstance(error, LibraryAwayError))

    def read_here(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in the calling thread, which must not be the loop's, and return its result. Raises LibraryError.

        A connection that was lost is replaced once.
        """
        try:
            try:
                with self._reader.connect() as connection:
                    return work(connection)
            except self._backend.errors as error:
                if not self._backend.is_gone(error):
                    raise
            with self._reader.connect() as connection:
                return work(connection)
        except self._backend.errors as error:
            raise self._error(error)(
                f"The library could not be read ({self._backend.reason(error)}).{self._backend.advice(error)}"
            ) from error

    async def rows(self, *statements: Select[object]) -> list[Row[object]]:
        """Return the rows of queries, one query after another. Raises LibraryError."""
        return await self.read(lambda connection: [row for one in statements for row in connection.execute(one)])

    async def scalar(self, statement: Select[Any]) -> Any:
        """Return the first column of the first row of a query, or None. Raises LibraryError."""
        return await self.read(lambda connection: connection.scalar(statement))

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Provide a connection inside one atomic transaction. Raises LibraryError."""
        async with self.write_lock, self.transaction() as connection:
            yield connection

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[AsyncConnection]:
        """Provide a connection like `writing`, for changes to shows; the revision announces them."""
        async with self.writing() as connection:
            yield connection
            await self._bump_revision(connection)

    async def bump_revision(self) -> None:
        """Increase the revision without a change of shows, because answers may differ. Raises LibraryError."""
        async with self.changing():
            pass

    async def _bump_revision(self, connection: AsyncConnection) -> None:
        await library_metadata.increase(connection, library_metadata.REVISION)
        self._bumped = True

    @asynccontextmanager
    async def transaction(self, *, row_locks: bool = False) -> AsyncIterator[AsyncConnection]:
        """Provide a connection inside a transaction to a caller that holds `write_lock`. Raises LibraryError.

        With `row_locks` it does not wait for other writers where the database locks rows; change rows in one order.
        """
        try:
            async with self._connected() as opened:
                connection = await opened.execution_options(row_locks=row_locks)
                async with connection.begin():
                    yield connection
            if self._bumped:  # a revision read during the transaction is the old one
                self._revision, self._bumped = None, False
        except self._backend.errors as error:
            raise self._error(error)(
                f"The library could not be written ({self._backend.reason(error)}). No change of this step was saved."
                f"{self._backend.advice(error)}"
            ) from error

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[AsyncConnection]:
        """Provide a connection inside a transaction that changes single rows with one statement each.

        Where the database locks rows, it does not wait for other writers, such as an import. Raises LibraryError.
        """
        if not self._backend.locks_rows:
            async with self.writing() as connection:
                yield connection
            return
        try:
            async with self._connected() as opened:
                connection = await opened.execution_options(row_locks=True)
                async with connection.begin():
                    yield connection
        except self._backend.errors as error:
            raise self._error(error)(
                f"The library could not be written ({self._backend.reason(error)}).{self._backend.advice(error)}"
            ) from error

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        """Provide a connection of the pool; bulk work waits for a server that restarts."""
        async with AsyncExitStack() as stack:
            yield await outwait(lambda: stack.enter_async_context(self._engine.connect()), away=self._backend.is_away)

    def _error(self, error: Exception) -> type[LibraryError]:
        return LibraryAwayError if self._backend.is_away(error) else LibraryError

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Provide a connection that reads a consistent state of all tables while others write. Raises LibraryError."""
        try:
            async with self._engine.connect() as connection:
                yield await connection.execution_options(snapshot=True)
        except self._backend.errors as error:
            raise LibraryError(
                f"The library could not be read ({self._backend.reason(error)}).{self._backend.advice(error)}"
            ) from error

    async def revision(self) -> int:
        """Return a number that grows with every change of the shows; another process's changes appear shortly after."""
        now_s = time.monotonic()
        if self._revision is None or now_s > self._checked_s + _MOMENT_S:
            self._revision, self._checked_s = int(await self.get_meta(library_metadata.REVISION) or 0), now_s
        return self._revision

    async def index_state(self) -> dict[str, str]:
        """Return numbers of which one grows with every change of the shows, or of which of them are indexed."""
        keys = (library_metadata.REVISION, library_metadata.INDEXED)
        return {row.key: row.value for row in await self.rows(select(facts).where(facts.c.key.in_(keys)))}

    async def get_meta(self, key: str) -> str | None:
        """Return one value of the library's metadata, or None."""
        value: str | None = await self.scalar(select(facts.c.value).where(facts.c.key == key))
        return value

    async def facts(self, prefix: str) -> dict[str, str]:
        """Return the metadata whose keys start with a prefix, without the prefix; empty values are left out."""
        rows = await self.rows(select(facts).where(facts.c.key.startswith(prefix, autoescape=True)))
        return {row.key.removeprefix(prefix): row.value for row in rows if row.value}

    async def set_meta(self, key: str, value: str) -> None:
        """Store one value of metadata."""
        await self.set_meta_all({key: value})

    async def set_meta_all(self, values: Mapping[str, str]) -> None:
        """Store several values of metadata at once."""
        async with self.writing() as connection:
            for key, value in values.items():
                await library_metadata.put(connection, key, value)

    async def remove_meta(self, *keys: str) -> None:
        """Remove values of metadata."""
        async with self.writing() as connection:
            await connection.execute(delete(facts).where(facts.c.key.in_(keys)))
