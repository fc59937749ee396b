"""The database: one SQLite file, opened, versioned, read in threads and written one transaction at a time.

Reads run side by side, each whole in a thread; writes go one at a time through `BEGIN IMMEDIATE`, so two processes may
share the file. Knows no table but the one for settings and revision.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlalchemy import Float, Text, cast, create_engine, event, select, text
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.schema import CreateIndex

from animerag.errors import LibraryError, reason_of
from animerag.storage import backup, integrity, migrations
from animerag.storage import full_text as words
from animerag.storage.schema import facts, metadata
from animerag.storage.schema_version import BASELINE, VERSION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from sqlalchemy import Connection, Engine, Row, Select


log = logging.getLogger(__name__)
T = TypeVar("T")
_MOMENT_S = 0.2  # how late another process's change may be noticed
_READERS = 4  # reads at once; one takes a millisecond, and Python runs one thread at a time


class Database:
    """One SQLite file; confined to the loop that opened it."""

    def __init__(self, engine: AsyncEngine, reader: Engine, library_id: str) -> None:
        """`engine` begins transactions that take the write lock first, `reader` none at all."""
        self._engine = engine
        self._reader = reader
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="animerag-library")
        self._revision: int | None = None
        self._bumped = self._closed = False
        self._looked_s = 0.0
        self.write_lock = asyncio.Lock()
        self.library_id = library_id

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open or create the library at `path`.

        Raises LibraryError when the file is no library, is newer than this version, or cannot be written.
        """
        try:
            await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
            engine = create_async_engine(f"sqlite+aiosqlite:///{path}", json_serializer=to_json, hide_parameters=True)
            event.listen(engine.sync_engine, "begin", _begin_immediate)
            # Switching a connection to AUTOCOMMIT and back, and rolling back nothing, is most of a short read's time.
            options = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
            reader = create_engine(f"sqlite:///{path}", pool_reset_on_return=None, hide_parameters=True, **options)
            for each in (engine.sync_engine, reader):
                event.listen(each, "connect", _configure)
        except OSError as error:
            raise LibraryError(f"The data directory {path.parent} cannot be written: {error.strerror}.") from error
        try:
            library_id = await _prepare(engine, path)
        except SQLAlchemyError as error:
            await engine.dispose()
            raise LibraryError(_cannot_open(path, error)) from error
        except LibraryError:
            await engine.dispose()
            raise
        return cls(engine, reader, library_id)

    async def integrity(self) -> integrity.Integrity:
        """Check pages, rows and vectors, in a thread and on a connection of its own. Raises LibraryError."""
        try:
            return await asyncio.to_thread(integrity.examine, Path(str(self._reader.url.database)))
        except sqlite3.Error as error:
            raise LibraryError(f"The library could not be checked ({error}).") from error

    async def close(self) -> None:
        """Close every connection, after the reads that are under way."""
        self._closed = True
        await self._engine.dispose()
        await asyncio.to_thread(self._readers.shutdown)
        self._reader.dispose()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` reads, in a thread that waits and makes objects beside the loop. Raises LibraryError.

        Going to the thread once takes half of what an asynchronous driver takes, which goes there for every call, and
        a fifth of its time on the loop.
        """
        if self._closed:
            raise LibraryError("The library is closed: open it again.")

        def reading() -> T:
            with self._reader.connect() as connection:
                return work(connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, reading)
        except SQLAlchemyError as error:
            raise LibraryError(f"The library could not be read ({reason_of(error)}).") from error

    async def rows(self, *statements: Select[Any]) -> list[Row[Any]]:
        """Return the rows of queries, one query after another. Raises LibraryError."""
        return await self.read(lambda connection: [row for one in statements for row in connection.execute(one)])

    async def scalar(self, statement: Select[Any]) -> Any:
        """Return the first column of the first row of a query, or None. Raises LibraryError."""
        return await self.read(lambda connection: connection.scalar(statement))

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection inside one transaction, committed whole or not at all. Raises LibraryError."""
        async with self.write_lock, self.transaction() as connection:
            yield connection

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection as `writing` does, for what changes shows: others notice by the revision."""
        async with self.writing() as connection:
            yield connection
            await self._bump_revision(connection)

    async def bump_revision(self) -> None:
        """Say that answers may differ from now on though no show was written. Raises LibraryError."""
        async with self.changing():
            pass

    async def _bump_revision(self, connection: AsyncConnection) -> None:
        now = await connection.scalar(select(facts.c.value).where(facts.c.key == "revision"))
        await _set_fact(connection, "revision", str(int(now or 0) + 1))
        self._bumped = True

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection inside a transaction, for those who hold `write_lock`. Raises LibraryError."""
        try:
            async with self._engine.begin() as connection:
                yield connection
            if self._bumped:  # what was read during the transaction is the old one
                self._revision, self._bumped = None, False
        except SQLAlchemyError as error:
            raise LibraryError(
                f"The library could not be written ({reason_of(error)}). Nothing of this step was stored."
            ) from error

    async def revision(self) -> int:
        """Return a number that grows with every change of the shows; another process's is seen a moment later."""
        now_s = time.monotonic()
        if self._revision is None or now_s > self._looked_s + _MOMENT_S:
            self._revision, self._looked_s = int(await self.get_meta("revision") or 0), now_s
        return self._revision

    async def get_meta(self, key: str) -> str | None:
        """Return a single fact about this library."""
        value: str | None = await self.scalar(select(facts.c.value).where(facts.c.key == key))
        return value

    async def facts(self, prefix: str) -> dict[str, str]:
        """Return the facts whose key begins so, without that beginning; an empty value counts as none."""
        rows = await self.rows(select(facts).where(facts.c.key.startswith(prefix, autoescape=True)))
        return {row.key.removeprefix(prefix): row.value for row in rows if row.value}

    async def set_meta(self, key: str, value: str) -> None:
        """Store a single fact about this library."""
        await self.set_meta_all({key: value})

    async def set_meta_all(self, values: Mapping[str, str]) -> None:
        """Store several facts at once."""
        async with self.writing() as connection:
            for key, value in values.items():
                await _set_fact(connection, key, value)

    async def add_to_meta(self, key: str, amount: float, *, most: float | None = None) -> bool:
        """Add to a fact that is a number, 0 until then, in one transaction that other processes wait for.

        Returns False, with nothing added, where the sum would exceed `most`. Raises LibraryError.
        """
        number = cast(facts.c.value, Float) + amount
        put = insert(facts).values(key=key, value=repr(amount))
        add = put.on_conflict_do_update(
            index_elements=[facts.c.key],
            set_={"value": cast(number, Text)},
            where=None if most is None else number <= most,
        )
        if most is not None and amount > most:
            return False
        async with self.writing() as connection:
            return (await connection.execute(add)).rowcount > 0


async def _prepare(engine: AsyncEngine, path: Path) -> str:
    async with engine.begin() as connection:
        version = await _version(connection)
    if 0 < version < VERSION:
        copy = await asyncio.to_thread(backup.copy_before_upgrade, path, version=version)
        log.warning("the library is upgraded; a copy of it as it was is %s", copy.name)
    async with engine.begin() as connection:
        version = await _version(connection)  # another process may have been quicker
        if 0 < version < VERSION:
            await connection.run_sync(partial(migrations.upgrade, version=version))
        await connection.run_sync(metadata.create_all)
        await connection.run_sync(_add_indexes)
        await connection.execute(text(words.CREATE))
        await connection.execute(text(f"PRAGMA user_version = {VERSION}"))
        known: str | None = await connection.scalar(select(facts.c.value).where(facts.c.key == "library_id"))
        if known is None:
            known = secrets.token_hex(6)
            await _set_fact(connection, "library_id", known)
        return known


def _add_indexes(connection: Connection) -> None:
    """Create the indexes that tables of an earlier version lack: they change no shape, so they need no step."""
    for table in metadata.sorted_tables:
        for index in table.indexes:
            connection.execute(CreateIndex(index, if_not_exists=True))


def _cannot_open(path: Path, error: SQLAlchemyError) -> str:
    """Tell a directory that may not be written from a file that cannot be read."""
    name = str(getattr(getattr(error, "orig", None), "sqlite_errorname", ""))
    existing = [place for place in (path.parent, path) if place.exists()]
    if name.startswith("SQLITE_READONLY") or not all(os.access(place, os.W_OK) for place in existing):
        return (
            f"The library {path} cannot be opened: it or its directory is read-only. Give yourself the right to write"
            " there, or name another directory with ANIMERAG_DATA_DIR."
        )
    return (
        f"The library {path} cannot be opened ({reason_of(error)}). Restore a backup with `animerag restore FILE`,"
        " or move the file aside to start a new one."
    )


async def _version(connection: AsyncConnection) -> int:
    version = int(await connection.scalar(text("PRAGMA user_version")) or 0)
    if version > VERSION:
        raise LibraryError(
            f"The library was written by a newer animerag (schema {version}, this one knows {VERSION}): upgrade it."
        )
    if 0 < version < BASELINE:
        raise LibraryError(
            f"The library was written by a version of animerag that was never released (schema {version}) and cannot be"
            " upgraded: name another directory with ANIMERAG_DATA_DIR and import your files there."
        )
    return version


def to_json(value: object) -> str:
    """Keep every script readable in the file, so that titles can be searched where they stand."""
    return json.dumps(value, ensure_ascii=False)


def _configure(connection: Any, _record: object) -> None:
    """Take transactions into our own hands: the driver would begin them late and commit behind our back."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 10000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    """A write that takes its lock first waits for others instead of failing half way."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


async def _set_fact(connection: AsyncConnection, key: str, value: str) -> None:
    statement = insert(facts).values(key=key, value=value)
    await connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def now() -> str:
    """Return the time as ISO 8601 text in UTC."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
