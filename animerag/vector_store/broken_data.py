"""Chroma's data where it cannot be used any more: detected at the start of its server, and moved away.

Everything in it can be written again from the library, so a new index costs nothing; the old data stays for an
investigation.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from animerag.storage.sqlite.page_check import evidently_damaged

if TYPE_CHECKING:
    from pathlib import Path

_CHECK_S = 2.0  # of a start that may take 15; an index whose pages take longer to read is checked by its use


def reason_to_move(data: Path, reported: Path) -> str | None:
    """Return why a data directory that no server has open cannot be used; None where nothing is known against it.

    `reported` exists where a user of the server found the data broken, and holds what it saw.
    """
    if reported.exists():
        return reported.read_text("utf-8", errors="replace") or "it was reported"
    database = data / "chroma.sqlite3"
    return evidently_damaged(database, limit_s=_CHECK_S) if database.is_file() else None


def move_aside(root: Path, data: Path) -> Path | None:
    """Rename `data` to a dated name beside `root` and return it; None where there is no data. Raises OSError."""
    if not data.exists():
        return None
    target = root.with_name(f"{root.name}-broken-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")
    data.rename(target)
    return target
