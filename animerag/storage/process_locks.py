"""A lock for each process that works on a data directory; the kernel frees it, however the process ends."""

from __future__ import annotations

import contextlib
import time
import uuid
from pathlib import Path

from filelock import FileLock

from animerag.errors import LibraryError

DIRECTORY = "processes"  # in the data directory
_NEW_S = 5.0


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
