"""A lock for each process that uses a data directory; the kernel releases it however the process ends."""

from __future__ import annotations

import contextlib
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from animerag.errors import LibraryError

if TYPE_CHECKING:
    from animerag.storage.locks import Lock

DIRECTORY = "processes"  # in the data directory
_NEW_S = 5.0


class LockFile:
    """A lock that the kernel releases when its process ends."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path, thread_local=False)

    def acquire(self) -> bool:
        """Take the lock unless another process holds it; return whether it was taken."""
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        return True

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()


class LockFiles:
    """The locks of a data directory, including this process's lease."""

    def __init__(self, data_dir: Path) -> None:
        """Take the lease. Raises LibraryError."""
        self._directory = data_dir / DIRECTORY
        self._held = take(self._directory)
        self.lease = self._held.lock_file
        self.imports: Lock = LockFile(data_dir / "import.lock")

    def others(self) -> bool:
        """Return whether another process is using the data directory."""
        return any_alive(self._directory, Path(self.lease).name)

    def is_free(self, lease: str) -> bool:
        """Return whether a lease's process has ended; if so, remove its file."""
        return is_free(self._directory, lease)

    def clear_dead(self) -> bool:
        """Remove the lock files of killed processes, and tell whether there were any."""
        return clear_dead(self._directory, Path(self.lease))

    def close(self) -> None:
        """Release the lease."""
        drop(self._held)


def take(directory: Path) -> FileLock:
    """Take a lock for the life of this process; a job whose lock is free was interrupted. Raises LibraryError."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(directory / f"{uuid.uuid4().hex}.lock", thread_local=False)
        lock.acquire(blocking=False)
    except OSError as error:
        raise LibraryError(
            f"The data directory {directory.parent} cannot be written: {error.strerror}. Check its permissions."
        ) from error
    return lock


def drop(lease: FileLock) -> None:
    """Release a lease and remove its file."""
    with contextlib.suppress(OSError):  # Windows keeps a held file; the next start removes it
        Path(lease.lock_file).unlink(missing_ok=True)
    lease.release()


def clear_dead(directory: Path, own: Path) -> bool:
    """Remove the lock files of killed processes, and tell whether there were any.

    A file that was created a moment ago stays, because its lock may not be taken yet.
    """
    before = time.time() - _NEW_S
    others = [path for path in directory.glob("*.lock") if path.name != own.name and path.stat().st_mtime < before]
    return bool([path for path in others if is_free(directory, path.name)])


def is_free(directory: Path, lease: str) -> bool:
    """Return whether a lease's process has ended; if so, remove its file."""
    path = directory / lease.replace("\\", "/").rsplit("/", 1)[-1]
    if _held(path):
        return False
    path.unlink(missing_ok=True)
    return True


def any_alive(directory: Path, own: str = "") -> bool:
    """Return whether any process is using the data directory; files of dead processes stay for the next start.

    A file that was created a moment ago counts as locked: testing it could prevent its process from locking it.
    """
    before = time.time() - _NEW_S
    others = (path for path in directory.glob("*.lock") if path.name != own)
    return any(path.stat().st_mtime >= before or _held(path) for path in others)


def _held(path: Path) -> bool:
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except OSError:
        return True
    lock.release()
    return False
