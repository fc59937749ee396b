"""Close what animerag writes to other users: new files by the process's umask, older ones at each start."""

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
# What animerag itself makes in a data directory. Anything else there is the user's, whose own choice counts.
_OWN = ("chroma", "inbox", "logs", "processes", "scratch", "uploads")


def restrict_umask() -> None:
    """Close new files and directories of this process and its children to other users; call it at process start."""
    os.umask(_OTHERS)


def tighten(data_dir: Path, database: Path) -> None:
    """Take existing files of a data directory, and its database, away from group and others.

    What belongs to another user is left as it is, with a warning in the log.
    """
    if os.name == "nt":  # a user's own folders are private there, and modes say nothing
        return
    refused = [path for path in _existing(data_dir, database) if not _tightened(path)]
    if refused:
        log.warning("other users of this machine may be able to read %s: it belongs to another user", refused[0])


def _existing(data_dir: Path, database: Path) -> Iterator[Path]:
    """Yield what is inside first: a directory is closed last, and an interrupted look starts over."""
    yield from database.parent.glob(f"{database.name}*")
    try:
        closed = not data_dir.stat().st_mode & _OTHERS
    except OSError:  # there is none yet
        return
    if closed:  # no other user reaches what is inside
        return
    for name in _OWN:
        for directory, _, files in os.walk(data_dir / name, topdown=False):
            yield from (Path(directory, file) for file in files)
            yield Path(directory)
    yield data_dir


def _tightened(path: Path) -> bool:
    with suppress(FileNotFoundError):  # another process has removed it meanwhile
        try:
            mode = path.lstat().st_mode
            if mode & _OTHERS and not stat.S_ISLNK(mode):
                path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
        except PermissionError:
            return False
        except OSError as error:  # a read-only file system
            log.warning("%s could not be closed to other users: %s", path, error.strerror)
    return True
