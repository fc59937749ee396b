"""Makes animerag's files private: new ones through the process's umask, existing ones at each start."""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

_OTHERS = 0o077
# Files that animerag creates in a data directory. All other files there belong to the user and are not changed.
_OWN = ("cache", "chroma", "inbox", "logs", "processes", "scratch", "uploads")


def restrict_umask() -> None:
    """Make new files and directories of this process and its children private; call it at process start."""
    os.umask(_OTHERS)


def tighten(data_dir: Path, database: Path | None) -> None:
    """Remove the permissions of group and others from a data directory and its database.

    Files of another user are not changed; a warning is logged.
    """
    if os.name == "nt":  # user folders are private on Windows, and modes have no meaning
        return
    refused = [path for path in _existing(data_dir, database) if not _tightened(path)]
    if refused:
        log.warning("other users of this machine may be able to read %s: it belongs to another user", refused[0])


def _existing(data_dir: Path, database: Path | None) -> Iterator[Path]:
    """Yield a directory's content before the directory: after an interruption, the next start repeats it."""
    if database is not None:
        yield from database.parent.glob(f"{database.name}*")
    try:
        closed = not data_dir.stat().st_mode & _OTHERS
    except OSError:  # it does not exist yet
        return
    if closed:  # no other user can reach its content
        return
    for name in _OWN:
        for directory, _, files in os.walk(data_dir / name, topdown=False):
            yield from (Path(directory, file) for file in files)
            yield Path(directory)
    yield data_dir


def _tightened(path: Path) -> bool:
    with suppress(FileNotFoundError):  # another process has just removed it
        try:
            mode = path.lstat().st_mode
            if mode & _OTHERS and not stat.S_ISLNK(mode):
                path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
        except PermissionError:
            return False
        except OSError as error:  # a read-only file system
            log.warning("%s could not be made private: %s", path, error.strerror)
    return True
