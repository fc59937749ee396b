"""Whether the pages of a SQLite file are sound: the check that the library, its backups and Chroma's data share.

Imports nothing but the driver, because Chroma's server has to start fast.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_STEPS = 10_000  # of SQLite's machine between two looks at the clock
_SHORT_READ = sqlite3.SQLITE_IOERR | (2 << 8)  # the file ends inside a page
_MOST = 3  # the first few findings tell as much as all of them


def is_corruption(error: sqlite3.Error) -> bool:
    """Tell whether the file itself is at fault, and not a lock, a right or a full disk."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code == _SHORT_READ or code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def open_read_only(path: Path) -> sqlite3.Connection:
    """Return a connection that can change nothing and returns text as bytes. Raises sqlite3.Error."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.text_factory = bytes
    return connection


def evidently_damaged(path: Path, *, limit_s: float) -> str | None:
    """Return what `damaged_pages` does, and None for a file that is locked or may not be read."""
    with suppress(sqlite3.Error):
        return damaged_pages(path, limit_s=limit_s)
    return None


def damaged_pages(path: Path, *, limit_s: float | None = None) -> str | None:
    """Return what SQLite finds wrong with the structure of a file, None where it is sound.

    A check that takes longer than `limit_s` seconds ends without a finding. Raises sqlite3.Error where the file cannot
    be read for a reason other than damage.
    """
    deadline_s = None if limit_s is None else time.monotonic() + limit_s
    try:
        with closing(open_read_only(path)) as connection:
            if deadline_s is not None:
                connection.set_progress_handler(lambda: time.monotonic() > deadline_s, _STEPS)
            findings = [text.decode(errors="replace") for (text,) in connection.execute(f"PRAGMA quick_check({_MOST})")]
    except sqlite3.Error as error:
        if is_corruption(error):
            return str(error)
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            return None
        raise
    return None if findings == ["ok"] else " ".join("; ".join(findings).split())
