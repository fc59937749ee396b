"""Locks between processes as session-level advisory locks: the server releases them when a process disconnects."""

from __future__ import annotations

import contextlib
import secrets
import threading
import zlib
from typing import TYPE_CHECKING, Any

import psycopg

from animerag.errors import LibraryError, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from animerag.storage.locks import Lock

_IMPORTS = 0  # the number of the lock for imports; leases have other numbers
_PREFIX = "process:"  # metadata keys of processes that have not ended cleanly
_STARTED_MEANWHILE = "PostgreSQL was away, and another process has started an import meanwhile."
_WATCH_S = 1.0  # seconds between two checks of the connection
_RETURN_S = 5.0  # seconds within which every process takes its lease again after a restart of the server
_STARTED = "SELECT clock_timestamp() < pg_postmaster_start_time() + make_interval(secs => %s)"
_TAKE = "SELECT pg_try_advisory_lock(%s::int, %s::int)"
_HELD = (
    "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND classid::bigint = %s"
)


class SessionLocks:
    """The locks of a library on a separate connection; if it is lost, it is reopened with its locks.

    A thread watches the connection: after a restart of the server, other processes must not conclude that this one has
    ended.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], library_id: str, name: str) -> None:
        """Take the lease on a connection from `connect`, which raises LibraryError. `name` names the library in errors.

        Raises LibraryError.
        """
        self._connect, self._name = connect, name
        self._space = zlib.crc32(library_id.encode()) & 0x7FFFFFFF  # other libraries of the database use other numbers
        self._number = 1 + secrets.randbelow(2**31 - 2)
        self._held = {self._number}
        self._turn = threading.RLock()
        self.lease = f"{_PREFIX}{self._number}"
        self.imports: Lock = _AdvisoryLock(self)
        self._connection = self._opened()
        self._refuse_transaction_pooling()
        self.run("INSERT INTO facts (key, value) VALUES (%s, 'yes')", (self.lease,))
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="animerag-locks", daemon=True).start()

    def run(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """Return the rows of a statement; reconnect if the connection is lost. Raises LibraryError."""
        with self._turn:
            try:
                try:
                    return self._rows(statement, values)
                except psycopg.OperationalError:
                    self._connection = self._opened()
                    return self._rows(statement, values)
            except psycopg.Error as error:
                raise LibraryError(f"The locks of {self._name} cannot be used ({reason_of(error)}).") from error

    def take(self, number: int) -> bool:
        """Take a lock unless another session holds it; return whether it was acquired. Raises LibraryError."""
        with self._turn:
            ((acquired,),) = self.run(_TAKE, (self._space, number))
            if acquired:
                self._held.add(number)
            return bool(acquired)

    def release(self, number: int) -> None:
        """Release a lock; if the connection is lost, the server has released it."""
        with self._turn:
            self._held.discard(number)
            with contextlib.suppress(psycopg.OperationalError):
                self._rows("SELECT pg_advisory_unlock(%s::int, %s::int)", (self._space, number))

    def is_free(self, lease: str) -> bool:
        """Return whether the process of a lease has ended. Raises LibraryError."""
        number = lease.removeprefix(_PREFIX)
        if (
            not lease.startswith(_PREFIX) or not number.isdecimal()
        ):  # a lock file from before the library was moved to PostgreSQL
            return True
        return int(number) not in self._alive() and not self._has_just_started()

    def clear_dead(self) -> bool:
        """Remove the leases of killed processes; return whether there were any. Raises LibraryError."""
        if self._has_just_started():
            return False
        alive = self._alive() | {self._number}
        known = self.run("SELECT key FROM facts WHERE key LIKE %s", (f"{_PREFIX}%",))
        dead = [key for (key,) in known if int(key.removeprefix(_PREFIX)) not in alive]
        if dead:
            self.run("DELETE FROM facts WHERE key = ANY(%s) RETURNING key", (dead,))
        return bool(dead)

    def others(self) -> bool:
        """Return whether another process uses the library. Raises LibraryError."""
        return bool(self._alive() - {self._number, _IMPORTS})

    def close(self) -> None:
        """Release the lease; an unavailable server has already released it."""
        self._closed.set()
        with self._turn:
            with contextlib.suppress(psycopg.Error):
                self._rows("DELETE FROM facts WHERE key = %s", (self.lease,))
            self._connection.close()

    def _has_just_started(self) -> bool:
        """Return whether the server has started so recently that processes may not have acquired their leases again."""
        ((started,),) = self.run(_STARTED, (_RETURN_S,))
        return bool(started)

    def _watch(self) -> None:
        """Take the locks again as soon as the server is back."""
        while not self._closed.wait(_WATCH_S):
            with self._turn, contextlib.suppress(LibraryError):  # the next check tries again
                if not self._closed.is_set():
                    self.run("SELECT 1", ())

    def _alive(self) -> set[int]:
        return {number for (number,) in self.run(_HELD, (self._space,))}

    def _rows(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def _opened(self) -> psycopg.Connection[Any]:
        """Return a connection with all current locks. Raises LibraryError if another process has acquired one."""
        connection = self._connect()
        for number in sorted(self._held):
            row = connection.execute(_TAKE, (self._space, number)).fetchone()
            if not (row and row[0]):
                connection.close()
                raise LibraryError(_STARTED_MEANWHILE)
        return connection

    def _refuse_transaction_pooling(self) -> None:
        """Raise LibraryError for a pooler in transaction mode, which would lose the locks.

        Such a pooler gives the idle session to the next transaction.
        """
        ((session,),) = self.run("SELECT pg_backend_pid()", ())
        if session == self._connection.info.backend_pid:  # there is no pooler
            return
        with self._connect() as other, other.transaction():
            row = other.execute("SELECT pg_backend_pid()").fetchone()
        if row and row[0] == session:
            self._connection.close()
            raise LibraryError(
                f"The library {self._name} is behind a pooler in transaction mode, where locks do not hold:"
                " set pool_mode = session for it, or connect to PostgreSQL itself."
            )


class _AdvisoryLock:
    """The lock for imports."""

    def __init__(self, locks: SessionLocks) -> None:
        self._locks = locks

    def acquire(self) -> bool:
        return self._locks.take(_IMPORTS)

    def release(self) -> None:
        self._locks.release(_IMPORTS)
