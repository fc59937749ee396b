"""A question of a sheet, with the other values of its row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from animerag.models.filters import Filters

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionRow:
    """A question and the other columns of its row, which exports return unchanged.

    `problem` says why the row cannot be asked.
    """

    question: str
    columns: Mapping[str, object] = field(default_factory=dict)
    k: int | None = None
    filters: Filters = field(default_factory=Filters)
    expected_ids: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def kind(self) -> str:
        """Return the sheet's name for this kind of question, or ""."""
        return self._column("kind")

    @property
    def thread(self) -> str:
        """Return the conversation that the row belongs to, or ""."""
        return self._column("thread")

    def _column(self, wanted: str) -> str:
        result = (value for name, value in self.columns.items() if plain(name) == wanted and value is not None)
        return str(next(result, "")).strip()


def asked_as(row: QuestionRow) -> tuple[str, int | None, Filters, str]:
    """Return the key of a question: rows with equal keys are asked once."""
    return row.question.strip(), row.k, row.filters, row.thread


def plain(heading: str) -> str:
    """Return a heading in lower case with underscores, as columns are compared."""
    return heading.strip().lower().replace(" ", "_")
