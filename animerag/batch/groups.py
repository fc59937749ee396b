"""Groups the rows of a sheet that ask the same question, so that it is asked once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from animerag.models.questions import asked_as

if TYPE_CHECKING:
    from collections.abc import Mapping

    from animerag.models.answers import Answer
    from animerag.models.providers import Usage
    from animerag.models.questions import QuestionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroup:
    """Rows with the same question: the first is asked, the others share its answer."""

    numbers: tuple[int, ...]
    row: QuestionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedAnswer:
    """The answer of a group, when it was started, and how many requests it took."""

    group: RowGroup
    answer: Answer
    began_at: float
    attempts: int

    def with_usage(self, usage: Usage) -> LandedAnswer:
        """Add usage that is not counted in the answer."""
        return replace(self, answer=replace(self.answer, usage=self.answer.usage + usage))


def grouped(rows: Mapping[int, QuestionRow]) -> list[RowGroup]:
    """Group rows with the same question, in the order of the first row of each group.

    Rows that cannot be asked are not grouped, nor are rows of a conversation, where the same words may mean something
    else.
    """
    groups: dict[object, list[int]] = {}
    for number, row in rows.items():
        single = row.problem is not None or not row.question.strip() or bool(row.thread)
        groups.setdefault(number if single else asked_as(row), []).append(number)
    return [RowGroup(numbers=tuple(numbers), row=rows[numbers[0]]) for numbers in groups.values()]
