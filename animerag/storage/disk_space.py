"""Disk space: whether an import will fit, and whether a full disk explains a failure."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

_COPIES = 4  # of a vector: in the library, in Chroma's log, in its graph, and in transit
_TEXT = 8 * 2**10  # bytes of a show's record, its full text and its links in the graph
_SHORT = 32 * 2**20  # bytes; with less, a full disk is the most likely cause of any failure


class Space:
    """The disk that holds a data directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def require(self, shows: int, dimensions: int) -> None:
        """Raise InvalidInputError if so many new shows do not fit on the disk."""
        needed = shows * (_COPIES * 4 * dimensions + _TEXT)
        if needed > (free := self._free()):
            raise InvalidInputError(
                f"{shows:,} new shows need about {_mb(needed)} of disk, and {self._directory} has {_mb(free)} left:"
                " free some, or set ANIMERAG_DATA_DIR to another disk."
            )

    def explain(self, reason: str) -> str:
        """Return the reason of a failure, and mention a full disk if that may be the cause."""
        free = self._free()
        if free >= _SHORT:
            return reason
        return (
            f"The disk of {self._directory} is full, {_mb(free)} left: free some and start again;"
            f" everything stored so far is kept. ({reason})"
        )

    def _free(self) -> int:
        return shutil.disk_usage(self._directory).free


def _mb(size: int) -> str:
    return f"{size / 2**20:,.0f} MB"
