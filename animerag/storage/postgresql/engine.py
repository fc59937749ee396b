"""A library in a PostgreSQL database: opened with psycopg, versioned, and written by one process at a time.

As in SQLite, a write transaction begins by taking a lock: writers cannot deadlock, and each sees the changes of the
previous one. Reads do not wait.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from animerag.errors import LibraryError
from animerag.storage import library_metadata, migrations
from animerag.storage.async_engine import AsyncConnection, create_async_engine
from animerag.storage.integrity import Integrity, VectorKey, is_sound
from animerag.storage.postgresql import full_text, keepalives, rate_limits
from animerag.storage.postgresql.rate_limits import SharedWindow
from animerag.storage.schema import JOBS_RUNNING, facts, jobs_running_key, metadata, vectors
from animerag.storage.schema_version import VERSION
from animerag.storage.serialization import to_json

try:
    import psycopg
    from psycopg.types.string import StrDumperUnknown
except ImportError as missing:  # pragma: no cover - psycopg is an extra, which the tests install
    raise LibraryError("PostgreSQL needs a driver: run pip install 'animerag[postgres]'.") from missing

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection
    from sqlalchemy.engine import URL

    from animerag.rate_limits.distributed_window import DistributedWindow, WindowLimits
    from animerag.storage.locks import Locks

jobs_running_key.dialect_options["postgresql"]["where"] = text(JOBS_RUNNING)

_SCHEMA = "schema_version"  # metadata that SQLite stores in its header
_WRITERS = 0x616E6901  # the first half of the write lock's number; the other half comes from the schema's name
_CONNECT_S = 10
_LOCK_S = 60  # how long a write waits for another process
_READERS = 4  # connections, as many as `Database` has parallel reads
_ROWS = 1000  # vectors in memory while they are checked
_AWAY = ("", "08000", "08001", "08003", "08006", "53300", "57P01", "57P02", "57P03")  # no connection, or shutting down


class PostgreSQL:
    """The first schema of a database's search path."""

    shared = True
    errors: tuple[type[Exception], ...] = (SQLAlchemyError, psycopg.Error)
    locks_rows = True

    def __init__(self, url: str) -> None:
        """Create engines for a URL without connecting. Raises LibraryError."""
        try:
            self.url: URL = make_url(url).set(drivername="postgresql+psycopg")
        except (ArgumentError, ValueError) as error:  # a ValueError where the port is not a number
            raise LibraryError(
                "ANIMERAG_DATABASE_URL is not a valid URL: use the form postgresql://user@host:5432/database."
            ) from error
        usual = {"connect_timeout": _CONNECT_S, "application_name": "animerag", **keepalives.OF_CLIENT}
        given = {name: value for name, value in usual.items() if name not in self.url.query}
        options: dict[str, Any] = {"hide_parameters": True, "json_serializer": to_json, "connect_args": given}
        self.engine = create_async_engine(self.url, pool_size=2, pool_pre_ping=True, **options)
        self.reader = create_engine(
            self.url,
            pool_size=_READERS,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            pool_reset_on_return=None,
            **options,
        )
        event.listen(self.engine.sync_engine, "begin", _begin_exclusive)
        for each in (self.engine.sync_engine, self.reader):
            event.listen(each, "connect", _configure)

    def __str__(self) -> str:
        return self.url.set(drivername="postgresql").render_as_string(hide_password=True)

    async def prepare(self) -> str:
        """Create or upgrade the tables in one transaction, and return the library's id."""
        async with self.engine.begin() as connection:
            if await connection.scalar(text("SHOW server_encoding")) != "UTF8":
                raise LibraryError(f"The database {self} is not in UTF-8: create one with ENCODING 'UTF8'.")
            version = await self._version(connection)
            if 0 < version < VERSION:
                await connection.run_sync(partial(migrations.upgrade, version=version))
            if version < VERSION:
                await connection.run_sync(metadata.create_all)
                await connection.run_sync(full_text.metadata.create_all)
                await full_text.count_words(connection)
                await connection.run_sync(rate_limits.metadata.create_all)
                await library_metadata.put(connection, _SCHEMA, str(VERSION))
            return await library_metadata.library_id(connection)

    async def _version(self, connection: AsyncConnection) -> int:
        """Return the schema version, 0 if there are no tables yet. Raises LibraryError."""
        if await connection.scalar(text("SELECT to_regclass('facts')")) is None:
            if taken := await connection.scalar(text("SELECT to_regclass('shows')")):
                raise LibraryError(f"The database {self} has a table {taken} of another program: use another database.")
            return 0
        query = select(facts.c.value).where(facts.c.key == _SCHEMA)
        version = int(await connection.scalar(query) or 0)
        if version > VERSION:
            raise LibraryError(
                f"The library was written by a newer animerag (schema {version}, this version supports {VERSION}):"
                " upgrade animerag."
            )
        return version

    def integrity(self) -> Integrity:
        """Check every vector; PostgreSQL checks pages and encodings itself. Raises LibraryError."""
        try:
            with self.reader.connect() as connection:
                return Integrity(unsound_vectors=tuple(_unsound(connection)))
        except SQLAlchemyError as error:
            raise LibraryError(f"The library could not be checked ({self.reason(error)}): try again.") from error

    def size_bytes(self) -> int:
        """Return the size of the database. Raises LibraryError."""
        try:
            with self.reader.connect() as connection:
                return int(connection.scalar(select(func.pg_database_size(func.current_database()))) or 0)
        except SQLAlchemyError as error:
            raise LibraryError(f"The library could not be read ({self.reason(error)}).") from error

    def vacuum(self) -> None:
        """Update the planner's statistics, and mark pages as visible to all, so that an index is enough to read them.

        PostgreSQL does so itself a minute or more after a bulk change; until then, a word search takes twenty times as
        long. Raises LibraryError.
        """
        own = text("SELECT relname FROM pg_stat_user_tables WHERE schemaname = current_schema() ORDER BY relname")
        try:
            with self.reader.connect() as connection:
                quoted = connection.dialect.identifier_preparer.quote
                tables = ", ".join(quoted(row.relname) for row in connection.execute(own))
                connection.exec_driver_sql(f"VACUUM (ANALYZE) {tables}")
        except SQLAlchemyError as error:
            raise LibraryError(f"The tables could not be analysed ({self.reason(error)}).") from error

    def locks(self, data_dir: Path, library_id: str) -> Locks:
        """Return session locks of the database; the data directory is for uploads and Chroma. Raises LibraryError."""
        from animerag.storage.postgresql.session_locks import SessionLocks

        try:
            data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LibraryError(
                f"The data directory {data_dir} cannot be written: {error.strerror}. Check its permissions."
            ) from error
        return SessionLocks(self.connect, library_id, str(self))

    def shared_window(self, provider: str, limits: WindowLimits) -> DistributedWindow:
        """Return the window of a provider's requests that all hosts share."""
        return SharedWindow(partial(self.connect, "animerag rate limits"), str(self), provider, limits)

    def connection_arguments(self, name: str) -> dict[str, Any]:
        """Return psycopg's arguments for a connection outside the pools, with its name in `pg_stat_activity`."""
        usual = {"connect_timeout": _CONNECT_S, "application_name": name, **keepalives.OF_CLIENT}
        return {**usual, **self.reader.dialect.create_connect_args(self.url)[1]}

    def connect(self, name: str = "animerag locks") -> psycopg.Connection[Any]:
        """Return a psycopg connection outside the pools. Raises LibraryError."""
        try:
            connection = psycopg.connect(**self.connection_arguments(name), autocommit=True)
            connection.execute(keepalives.OF_SERVER)
        except psycopg.Error as error:
            raise LibraryError(self.cannot_open(error)) from error
        return connection

    def cannot_open(self, error: Exception) -> str:
        """Return a message about the server, the password, the database or missing permissions."""
        reason, state = self.reason(error), _state(error)
        remedy = "Start PostgreSQL, or correct ANIMERAG_DATABASE_URL."
        if "resolve host" in reason:
            remedy = "Correct the host in ANIMERAG_DATABASE_URL."
        elif reason.startswith("invalid "):
            remedy = "Correct what follows the question mark in ANIMERAG_DATABASE_URL."
        elif state.startswith("28") or "password" in reason or "role" in reason:
            remedy = "Correct user and password in ANIMERAG_DATABASE_URL or in the file that PGPASSFILE names."
        elif state == "3D000" or ("database" in reason and "does not exist" in reason):
            remedy = "Create it with `createdb`, or correct ANIMERAG_DATABASE_URL."
        elif "permission denied for table" in reason:
            remedy = "Use the user that created the library: a user needs all rights on its tables and sequences."
        elif state == "42501" or "permission denied" in reason:
            remedy = "Let the user create tables: GRANT CREATE ON SCHEMA public TO the user."
        elif state in ("3F000", "42P06"):
            remedy = "Create a schema, or correct the search path."
        return f"The library {self} cannot be opened ({reason}). {remedy}"

    def reason(self, error: Exception) -> str:
        """Return the server's message on one line."""
        cause = getattr(error, "orig", None) or error
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        first = _without_prefixes(lines[0]) if lines else type(cause).__name__
        return first.rstrip(".") if not self.is_gone(error) else f"PostgreSQL does not answer: {first.rstrip('.')}"

    def advice(self, error: Exception) -> str:
        """Say what to do where the server was not reached or ended the connection."""
        return " Start PostgreSQL, or check the connection to it, and try again." if self.is_away(error) else ""

    def is_gone(self, error: Exception) -> bool:
        """Return whether the connection was lost."""
        return isinstance(error, DBAPIError) and bool(error.connection_invalidated)

    def is_away(self, error: Exception) -> bool:
        """Return whether the server is stopped, starting, out of connections, or not reached."""
        lost = isinstance(getattr(error, "orig", error), psycopg.OperationalError | psycopg.InterfaceError)
        return lost and _state(error)[:5] in _AWAY


class _WithoutNul(StrDumperUnknown):
    """Text in which NUL, which PostgreSQL rejects, is replaced by the replacement character."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in obj else obj)


def _configure(connection: Any, _record: object) -> None:
    driver = getattr(connection, "driver_connection", connection)
    driver.adapters.register_dumper(str, _WithoutNul)
    driver.prepare_threshold = None  # a pooler may use another session, which does not have the prepared statement
    cursor = connection.cursor()
    cursor.execute(f"SET lock_timeout = '{_LOCK_S}s'")
    cursor.execute("SET jit = off")  # compiling takes longer than our queries
    cursor.execute(keepalives.OF_SERVER)
    cursor.close()
    if not driver.autocommit:
        connection.commit()


def _begin_exclusive(connection: Connection) -> None:
    """Wait for the write of another process, as in SQLite; reads do not wait."""
    if connection.get_execution_options().get("snapshot", False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return
    if connection.get_execution_options().get("row_locks", False):
        return
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS}, hashtext(current_schema()))")


def _unsound(connection: Connection) -> list[VectorKey]:
    connection.execution_options(isolation_level="READ COMMITTED", yield_per=_ROWS)  # a cursor needs a transaction
    rows = connection.execute(select(vectors))
    return [
        VectorKey(row.model, row.dimensions, row.text_hash)
        for row in rows
        if not is_sound(row.vector, row.dimensions, row.checksum)
    ]


def _without_prefixes(message: str) -> str:
    """Return the server's answer to a connection, or the reason it failed, without psycopg's and libpq's prefixes."""
    answer = message.rpartition("FATAL:  ")[2]
    return answer.removeprefix("connection failed: ").removeprefix("connection is bad: ")


def _state(error: Exception) -> str:
    return str(getattr(getattr(error, "orig", error), "sqlstate", None) or "")
