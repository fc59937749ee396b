"""The interface of a database: two engines, tables, checks and locks; one implementation per database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from animerag.rate_limits.distributed_window import DistributedWindow, WindowLimits
    from animerag.storage.integrity import Integrity
    from animerag.storage.locks import Locks


class DatabaseEngine(Protocol):
    """A database that is open but not prepared. `str()` returns its location without a password.

    `shared` says whether processes on other machines can use it. `engine` begins write transactions, one at a time
    across processes; `reader` begins none. `locks_rows` says whether a transaction with the execution option
    `row_locks` waits only for writers of the same rows. `errors` are the exceptions of its driver and SQLAlchemy.
    """

    shared: bool
    engine: AsyncEngine
    reader: Engine
    errors: tuple[type[Exception], ...]
    locks_rows: bool

    async def prepare(self) -> str:
        """Bring the tables to the current schema and return the library's id. Raises LibraryError and `errors`."""

    def integrity(self) -> Integrity:
        """Check pages, rows and vectors on a separate connection. Raises LibraryError."""

    def size_bytes(self) -> int:
        """Return the size of the database on disk. Raises LibraryError."""

    def vacuum(self) -> None:
        """Prepare the tables for queries after a bulk change, where this is of use. Raises LibraryError."""

    def locks(self, data_dir: Path, library_id: str) -> Locks:
        """Take this process's lease, and return the locks between processes. Raises LibraryError."""

    def shared_window(self, provider: str, limits: WindowLimits) -> DistributedWindow:
        """Return the window of a provider's requests that all hosts share. Raises LibraryError in a local file."""

    def connection_arguments(self, name: str) -> dict[str, Any]:
        """Return psycopg's arguments for a connection of another library, listed as `name`. Raises LibraryError."""

    def cannot_open(self, error: Exception) -> str:
        """Return the message for one of `errors` while the database was opened."""

    def reason(self, error: Exception) -> str:
        """Return the reason of one of `errors`, without a full stop."""

    def advice(self, error: Exception) -> str:
        """Return what to do after one of `errors`: a sentence with a space before it, or nothing."""

    def is_gone(self, error: Exception) -> bool:
        """Return whether the connection was lost, so that a read may be retried on another one."""

    def is_away(self, error: Exception) -> bool:
        """Return whether the server does not answer at the moment."""


def engine_for(place: Path | str) -> DatabaseEngine:
    """Return the database at a path (SQLite) or a URL (PostgreSQL). Raises LibraryError."""
    if isinstance(place, str):
        from animerag.storage.postgresql.engine import PostgreSQL

        return PostgreSQL(place)
    from animerag.storage.sqlite.engine import SQLite

    return SQLite(place)
