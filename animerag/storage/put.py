"""What to do with rows that may exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Table


@dataclass(frozen=True, slots=True)
class Put:
    """How to write rows of a table: `keys` identify them; with `replace` they overwrite what exists."""

    table: Table
    keys: tuple[str, ...] = ()
    replace: bool = False

    @property
    def replaced(self) -> list[str]:
        """Return the columns that are overwritten."""
        return [column.name for column in self.table.c if not column.primary_key and column.name not in self.keys]
