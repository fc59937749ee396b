"""Opens a Shoko database read-only: its tables and columns in any version, and short queries.

A running server can keep writing: queries are short and hold no locks.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAIN = "AniDB_Anime"
_NEEDED = ("AnimeID", "MainTitle")
_BUSY_S = 5.0
_WAL = 2  # bytes 18 and 19 of a database whose changes go into a log beside it


class Schema:
    """The tables of an open database, by name, with their columns."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read the names. Raises sqlite3.Error."""
        self._connection = connection
        named = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'"  # no view or module
        ).fetchall()
        self._columns = {
            str(name): {str(row[0]) for row in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))}
            for (name,) in named
        }

    def has(self, table: str, *columns: str) -> bool:
        """Return whether a table exists and has these columns."""
        return table in self._columns and self._columns[table].issuperset(columns)

    def columns(self, table: str) -> Sequence[str]:
        """Return the columns of a table, sorted by name."""
        return sorted(self._columns.get(table, ()))

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query. Raises sqlite3.Error."""
        return self._connection.execute(statement, values).fetchall()


@contextmanager
def opened(path: Path, name: str) -> Iterator[Schema]:
    """Open a database. Raises InvalidInputError if it is damaged, locked, or not Shoko's."""
    try:
        # An import reads a file in several threads, one after another.
        with closing(sqlite3.connect(_address(path), _BUSY_S, uri=True, check_same_thread=False)) as connection:
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA query_only = ON")
            schema = Schema(connection)
            if not schema.has(MAIN, *_NEEDED):
                raise InvalidInputError(
                    f"{name} is an SQLite database without Shoko's table {MAIN}: choose JMMServer.db3, or export a"
                    " table from it as CSV."
                )
            yield schema
    except sqlite3.Error as error:
        raise InvalidInputError(_sentence(name, error)) from error


def _address(path: Path) -> str:
    """Return a read-only URI; a database that is not in use is opened without creating files beside it."""
    own = path.absolute()
    with own.open("rb") as file:
        logged = _WAL in file.read(20)[18:20]
    in_use = any(Path(f"{own}{ending}").exists() for ending in ("-wal", "-shm"))
    return f"{own.as_uri()}?mode=ro" + ("&immutable=1" if logged and not in_use else "")


def _sentence(name: str, error: sqlite3.Error) -> str:
    reason = str(error)
    if "locked" in reason or "busy" in reason:
        return f"{name} is locked: Shoko is writing to it. Try again in a minute, or stop Shoko first."
    if "readonly" in reason or "unable to open" in reason:
        return f"{name} cannot be opened for reading ({reason}): stop Shoko, or copy the file and its -wal file."
    return f"{name} is a damaged database ({reason}): restore it from a backup of Shoko and try again."
