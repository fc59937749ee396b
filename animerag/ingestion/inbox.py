"""The inbox folder. Only regular files in it are imported, never links or devices."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Links are not followed, and opening a FIFO without a writer does not block. Windows has none of these flags.
_SAFELY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


@dataclass(frozen=True, slots=True)
class InboxListing:
    """The files that can be imported, and for each other entry the reason why it cannot."""

    files: Sequence[Path]
    refused: Sequence[str]


def read_inbox(directory: Path) -> InboxListing:
    """List the inbox by name, without folders and hidden files; create the folder if it is missing."""
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
    """Return whether a file is the log of a database in the same folder."""
    name, _, ending = path.name.rpartition("-")
    return ending in ("wal", "shm", "journal") and path.with_name(name).exists() if name else False


def check_regular(path: Path) -> None:
    """Raise InvalidInputError, with cause and remedy, unless `path` is a readable regular file."""
    name = path.name.encode("utf-8", "backslashreplace").decode()
    if name != path.name:
        raise InvalidInputError(f"The name of {name} in the inbox is not valid UTF-8: rename the file.")
    if path.is_symlink():
        raise InvalidInputError(f"{name} in the inbox is a link: put the file itself there.")
    try:
        if not stat.S_ISREG(path.lstat().st_mode):  # merely opening a device can have an effect
            raise InvalidInputError(f"{name} in the inbox is not a regular file: put a file there.")
        opened = os.open(path, _SAFELY)
    except OSError as error:
        raise InvalidInputError(
            f"{name} in the inbox cannot be read ({error.strerror}): check its permissions."
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):  # it has just been replaced
            raise InvalidInputError(f"{name} in the inbox is not a regular file: put a file there.")
    finally:
        os.close(opened)
