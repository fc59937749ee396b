"""Room on the disk: whether an import is going to fit, and whether a full disk is why one failed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

_COPIES = 4  # of a vector: one in the library, one in Chroma's log, one in its graph, one on its way between them
_TEXT = 8 * 2**10  # bytes of a show's record, its words and its links in the graph
_SHORT = 32 * 2**20  # bytes; with less, whatever fails has most likely failed for that


class Space:
    """The disk that holds a data directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def require(self, shows: int, dimensions: int) -> None:
        """Raise InvalidInputError where so many new shows would not fit."""
        needed = shows * (_COPIES * 4 * dimensions + _TEXT)
        if needed > (free := self._free()):
            raise InvalidInputError(
                f"{shows:,} new shows need about {_mb(needed)} of disk, and {self._directory} has {_mb(free)} left:"
                " free some, or set ANIMERAG_DATA_DIR to another disk."
            )

    def explain(self, reason: str) -> str:
        """Return the reason of a failure, with what a full disk has to do with it."""
        free = self._free()
        if free >= _SHORT:
            return reason
        return (
            f"The disk of {self._directory} is full, {_mb(free)} left: free some and start again; what was stored"
            f" stays. ({reason})"
        )

    def _free(self) -> int:
        return shutil.disk_usage(self._directory).free


def _mb(size: int) -> str:
    return f"{size / 2**20:,.0f} MB"
