"""The inbox folder: regular files within it, and nothing that leads elsewhere."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# A link is not followed, and to open a FIFO that nobody writes does not wait. Windows has neither flag.
_SAFELY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


@dataclass(frozen=True, slots=True)
class InboxListing:
    """The files that can be imported, and a sentence for each entry that cannot."""

    files: Sequence[Path]
    refused: Sequence[str]


def read_inbox(directory: Path) -> InboxListing:
    """Return what the inbox holds, by name; folders and hidden files are left out. Makes the folder if need be."""
    directory.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    refused: list[str] = []
    for path in sorted(directory.iterdir()):
        if path.name.startswith(".") or (path.is_dir() and not path.is_symlink()) or _beside_database(path):
            continue
        try:
            check_regular(path)
        except InvalidInputError as error:
            refused.append(str(error))
        else:
            files.append(path)
    return InboxListing(files, refused)


def _beside_database(path: Path) -> bool:
    """Tell whether a file is the log of a database that lies beside it."""
    name, _, ending = path.name.rpartition("-")
    return ending in ("wal", "shm", "journal") and path.with_name(name).exists() if name else False


def check_regular(path: Path) -> None:
    """Raise InvalidInputError, with cause and remedy, unless `path` itself is a regular file that can be read."""
    name = path.name.encode("utf-8", "backslashreplace").decode()
    if name != path.name:
        raise InvalidInputError(f"{name} in the inbox has a name that is not UTF-8: rename it.")
    if path.is_symlink():
        raise InvalidInputError(f"{name} in the inbox is a link: put the file itself there.")
    try:
        if not stat.S_ISREG(path.lstat().st_mode):  # to open a device can already do something
            raise InvalidInputError(f"{name} in the inbox is not a regular file: put a file there.")
        opened = os.open(path, _SAFELY)
    except OSError as error:
        raise InvalidInputError(f"{name} in the inbox cannot be read: {error.strerror}.") from error
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):  # it was replaced since
            raise InvalidInputError(f"{name} in the inbox is not a regular file: put a file there.")
    finally:
        os.close(opened)
