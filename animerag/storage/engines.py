"""What the library needs of a database: two engines, tables, checks and locks. One implementation a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from animerag.storage.integrity import Integrity
    from animerag.storage.locks import Locks


class DatabaseEngine(Protocol):
    """One database, opened but not prepared. `str()` names it without its password.

    `engine` begins write transactions, of which one runs at a time in all processes; `reader` begins none at all.
    `errors` are what its driver and SQLAlchemy raise.
    """

    engine: AsyncEngine
    reader: Engine
    errors: tuple[type[Exception], ...]

    async def prepare(self) -> str:
        """Bring the tables to the current schema and return the library's id. Raises LibraryError and `errors`."""

    def integrity(self) -> Integrity:
        """Check pages, rows and vectors, on a connection of its own. Raises LibraryError."""

    def size_bytes(self) -> int:
        """Return what the database takes on disk. Raises LibraryError."""

    def locks(self, data_dir: Path, library_id: str) -> Locks:
        """Take this process's lease, and return the locks between processes. Raises LibraryError."""

    def cannot_open(self, error: Exception) -> str:
        """Return the sentence for an error of `errors` while the database was opened."""

    def reason(self, error: Exception) -> str:
        """Return the reason of an error of `errors`, without a full stop."""

    def is_gone(self, error: Exception) -> bool:
        """Tell whether the connection was lost, so that a read may be tried again on another one."""


def engine_for(place: Path) -> DatabaseEngine:
    """Return the database at a path. Raises LibraryError."""
    from animerag.storage.sqlite.engine import SQLite

    return SQLite(place)
