"""A library in one SQLite file, which processes share: every write transaction begins with `BEGIN IMMEDIATE`."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, text
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from animerag.errors import LibraryError, reason_of
from animerag.storage import library_metadata, migrations
from animerag.storage.async_engine import AsyncConnection, create_async_engine
from animerag.storage.schema import metadata
from animerag.storage.schema_version import BASELINE, VERSION
from animerag.storage.serialization import to_json
from animerag.storage.sqlite import copies, full_text, integrity
from animerag.storage.sqlite.process_locks import LockFiles

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from animerag.rate_limits.distributed_window import DistributedWindow, WindowLimits
    from animerag.storage.integrity import Integrity
    from animerag.storage.locks import Locks

log = logging.getLogger(__name__)


class _WriteConnection(sqlite3.Connection):
    """A connection whose transaction ends when it is closed.

    SQLite keeps a closed connection with an open cursor, such as that of a cancelled task, and with it the write lock.
    """

    def close(self) -> None:
        if self.in_transaction:
            self.rollback()
        super().close()


class SQLite:
    """One SQLite file as a database."""

    shared = False
    errors: tuple[type[Exception], ...] = (SQLAlchemyError,)
    locks_rows = False

    def __init__(self, path: Path) -> None:
        """Open engines on a file, which is created if necessary. Raises LibraryError."""
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LibraryError(
                f"The data directory {path.parent} cannot be written: {error.strerror}. Check its permissions."
            ) from error
        self.engine = create_async_engine(
            f"sqlite+aiosqlite:///{path}",
            json_serializer=to_json,
            hide_parameters=True,
            connect_args={"factory": _WriteConnection},
        )
        event.listen(self.engine.sync_engine, "begin", _begin_immediate)
        # Switching a connection to AUTOCOMMIT and back, and rolling back nothing, is most of a short read's time.
        options = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
        self.reader = create_engine(f"sqlite:///{path}", pool_reset_on_return=None, hide_parameters=True, **options)
        for each in (self.engine.sync_engine, self.reader):
            event.listen(each, "connect", _configure)

    def __str__(self) -> str:
        return str(self._path)

    async def prepare(self) -> str:
        """Upgrade the tables to the current schema, after copying an older file, and return the library's id."""
        async with self.engine.begin() as connection:
            version = await _version(connection)
        if 0 < version < VERSION:
            copy = await asyncio.to_thread(copies.copy_before_upgrade, self._path, version=version)
            log.warning("the library is being upgraded; a copy of the earlier version is %s", copy.name)
        async with self.engine.begin() as connection:
            version = await _version(connection)  # another process may have upgraded it already
            if 0 < version < VERSION:
                await connection.run_sync(partial(migrations.upgrade, version=version))
            await connection.run_sync(_add_missing)
            await connection.execute(text(full_text.CREATE))
            await connection.execute(text(f"PRAGMA user_version = {VERSION}"))
            return await library_metadata.library_id(connection)

    def integrity(self) -> Integrity:
        """Check pages, rows and vectors. Raises LibraryError."""
        try:
            return integrity.examine(self._path)
        except sqlite3.Error as error:
            raise LibraryError(f"The library could not be checked ({error}): try again.") from error

    def size_bytes(self) -> int:
        """Return the size of the file, including SQLite's write-ahead log."""
        parts = [self._path, self._path.with_name(f"{self._path.name}-wal")]
        return sum(part.stat().st_size for part in parts if part.exists())

    def vacuum(self) -> None:
        """Do nothing: SQLite needs neither statistics nor marks of its pages."""

    def locks(self, data_dir: Path, library_id: str) -> Locks:  # noqa: ARG002 - a data directory has one library
        """Return lock files in the data directory. Raises LibraryError."""
        return LockFiles(data_dir)

    def shared_window(self, provider: str, limits: WindowLimits) -> DistributedWindow:  # noqa: ARG002 - one host
        """Raise LibraryError: other hosts cannot reach a file."""
        raise LibraryError(f"The library {self} cannot be shared with other machines: move it to PostgreSQL first.")

    def connection_arguments(self, name: str) -> dict[str, Any]:
        """Raise LibraryError: other hosts cannot reach a file."""
        raise LibraryError(f"{name} needs a library in PostgreSQL: set ANIMERAG_DATABASE_URL=postgresql://…")

    def cannot_open(self, error: Exception) -> str:
        """Return the error message for a directory that is not writable or a file that cannot be read."""
        return _cannot_open(self._path, error)

    def reason(self, error: Exception) -> str:
        """Return SQLite's message."""
        return reason_of(error)

    def advice(self, _error: Exception) -> str:
        """Return nothing: the reason says what is wrong with the file or the disk."""
        return ""

    def is_gone(self, error: Exception) -> bool:  # noqa: ARG002 - a file has no connection to lose
        """Return False: a retry on a file would fail again."""
        return False

    def is_away(self, error: Exception) -> bool:  # noqa: ARG002 - a file has no server
        """Return False."""
        return False


def _add_missing(connection: Connection) -> None:
    """Create the tables and indexes that are missing; a new index does not change the schema and needs no migration."""
    existing = set(connection.exec_driver_sql("SELECT name FROM sqlite_master").scalars())
    for name, statement in _statements():
        if name not in existing:
            connection.exec_driver_sql(statement)


@cache
def _statements() -> tuple[tuple[str, str], ...]:
    """Return the names of all tables and indexes with the statements that create them."""
    sqlite = dialect()
    tables = [(table.name, str(CreateTable(table).compile(dialect=sqlite))) for table in metadata.sorted_tables]
    indexes = [
        (str(index.name), str(CreateIndex(index).compile(dialect=sqlite)))
        for table in metadata.sorted_tables
        for index in table.indexes
    ]
    return *tables, *indexes


def _cannot_open(path: Path, error: Exception) -> str:
    """Return the error message for a directory that is not writable or a file that cannot be read."""
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
            f"The library was written by a newer animerag (schema {version}, this version supports {VERSION}):"
            " upgrade animerag."
        )
    if 0 < version < BASELINE:
        raise LibraryError(
            f"The library was written by a version of animerag that was never released (schema {version}) and cannot be"
            " upgraded: set ANIMERAG_DATA_DIR to another directory and import your files there."
        )
    return version


def _configure(connection: Any, _record: object) -> None:
    """Begin and commit transactions explicitly: the driver would begin late and commit implicitly."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 10000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    """Take the write lock at the start: a write then waits for others instead of failing in the middle."""
    snapshot = connection.get_execution_options().get("snapshot", False)
    connection.exec_driver_sql("BEGIN" if snapshot else "BEGIN IMMEDIATE")
