"""A lock for each process that works on a data directory; the kernel frees it, however the process ends."""

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
    """A lock that the kernel gives back when the process that holds it ends."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path, thread_local=False)

    def acquire(self) -> bool:
        """Take the lock unless another process holds it, and tell whether it was taken."""
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()


class LockFiles:
    """The locks of a data directory, and this process's lease among them."""

    def __init__(self, data_dir: Path) -> None:
        """Take the lease. Raises LibraryError."""
        self._directory = data_dir / DIRECTORY
        self._held = take(self._directory)
        self.lease = self._held.lock_file
        self.imports: Lock = LockFile(data_dir / "import.lock")

    def is_free(self, lease: str) -> bool:
        """Tell whether a lease's process has ended; what it left is then removed."""
        return is_free(self._directory, lease)

    def clear_dead(self) -> bool:
        """Remove what killed processes left, and tell whether there were any."""
        return clear_dead(self._directory, Path(self.lease))

    def close(self) -> None:
        """Give back the lease."""
        drop(self._held)


def take(directory: Path) -> FileLock:
    """Hold a lock for as long as this process lives: a job whose lock is free was interrupted. Raises LibraryError."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(directory / f"{uuid.uuid4().hex}.lock", thread_local=False)
        lock.acquire(blocking=False)
    except OSError as error:
        raise LibraryError(f"The data directory {directory.parent} cannot be written: {error.strerror}.") from error
    return lock


def drop(lease: FileLock) -> None:
    """Let go of a lease; it leaves nothing behind."""
    with contextlib.suppress(OSError):  # Windows keeps a held file; the next start removes it
        Path(lease.lock_file).unlink(missing_ok=True)
    lease.release()


def clear_dead(directory: Path, own: Path) -> bool:
    """Remove what processes that were killed have left here, and tell whether there were any.

    A lock that has just been made may not be held yet: it stays.
    """
    before = time.time() - _NEW_S
    others = [path for path in directory.glob("*.lock") if path.name != own.name and path.stat().st_mtime < before]
    return bool([path for path in others if is_free(directory, path.name)])


def is_free(directory: Path, lease: str) -> bool:
    """Tell whether a lease's process has ended; what it left is then removed."""
    path = directory / lease.replace("\\", "/").rsplit("/", 1)[-1]
    if _held(path):
        return False
    path.unlink(missing_ok=True)
    return True


def any_alive(directory: Path) -> bool:
    """Tell whether any process works on the data directory now; what dead ones left stays, for the next start to see.

    A lock that has just been made counts as held: to try it could keep its process from taking it.
    """
    before = time.time() - _NEW_S
    return any(path.stat().st_mtime >= before or _held(path) for path in directory.glob("*.lock"))


def _held(path: Path) -> bool:
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except OSError:
        return True
    lock.release()
    return False
