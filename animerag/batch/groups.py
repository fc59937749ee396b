"""Rows that ask the same: one of them is asked, and all have its answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from animerag.readers.questions import asked_as

if TYPE_CHECKING:
    from collections.abc import Mapping

    from animerag.models.answers import Answer
    from animerag.models.providers import Usage
    from animerag.readers.questions import QuestionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroup:
    """Rows that ask the same: the first is asked, the others share its answer."""

    numbers: tuple[int, ...]
    row: QuestionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedAnswer:
    """One group's answer, when it was begun, and how often a provider was called for it."""

    group: RowGroup
    answer: Answer
    began_at: float
    attempts: int

    def with_usage(self, usage: Usage) -> LandedAnswer:
        """Add what was used beside the answer."""
        return replace(self, answer=replace(self.answer, usage=self.answer.usage + usage))


def grouped(rows: Mapping[int, QuestionRow]) -> list[RowGroup]:
    """Put rows that ask the same together, in the order of the first of each; rows that cannot be asked stay alone.

    So do rows of a conversation, where the same words may ask something else.
    """
    groups: dict[object, list[int]] = {}
    for number, row in rows.items():
        single = row.problem is not None or not row.question.strip() or bool(row.thread)
        groups.setdefault(number if single else asked_as(row), []).append(number)
    return [RowGroup(numbers=tuple(numbers), row=rows[numbers[0]]) for numbers in groups.values()]
