"""Checks the pages of a SQLite file: the library, its backups and Chroma's data share this check.

It imports only the driver, because Chroma's server has to start fast.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_STEPS = 10_000  # of SQLite's virtual machine between two checks of the time limit
_SHORT_READ = sqlite3.SQLITE_IOERR | (2 << 8)  # the file ends inside a page
_MOST = 3  # the first few messages are as helpful as all of them


def is_corruption(error: sqlite3.Error) -> bool:
    """Return whether the file is damaged, rather than locked, forbidden or on a full disk."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code == _SHORT_READ or code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def open_read_only(path: Path) -> sqlite3.Connection:
    """Return a read-only connection that returns text as bytes. Raises sqlite3.Error."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.text_factory = bytes
    return connection


def evidently_damaged(path: Path, *, limit_s: float) -> str | None:
    """Return the result of `damaged_pages`; None for a file that is locked or not readable."""
    with suppress(sqlite3.Error):
        return damaged_pages(path, limit_s=limit_s)
    return None


def damaged_pages(path: Path, *, limit_s: float | None = None) -> str | None:
    """Return SQLite's description of the damage in a file, or None.

    A check that takes longer than `limit_s` seconds is stopped and returns None. Raises sqlite3.Error if the file
    cannot be read for a reason other than damage.
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
