"""Detects damaged Chroma data when its server starts, and moves it aside.

The index can be rebuilt from the library at no cost; the damaged data is kept so that it can be examined.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from animerag.storage.sqlite.page_check import evidently_damaged

if TYPE_CHECKING:
    from pathlib import Path

_CHECK_S = 2.0  # out of 15 s that a start may take; larger indexes are not checked completely


def reason_to_move(data: Path, reported: Path) -> str | None:
    """Return why the data of a stopped server cannot be used; None if no damage is known.

    The file `reported` exists if a client of the server detected damage, and contains the error.
    """
    if reported.exists():
        return reported.read_text("utf-8", errors="replace") or "it was reported"
    database = data / "chroma.sqlite3"
    return evidently_damaged(database, limit_s=_CHECK_S) if database.is_file() else None


def move_aside(root: Path, data: Path) -> Path | None:
    """Rename `data` to a dated name beside `root` and return that; None if there is no data. Raises OSError."""
    if not data.exists():
        return None
    target = root.with_name(f"{root.name}-broken-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")
    data.rename(target)
    return target
