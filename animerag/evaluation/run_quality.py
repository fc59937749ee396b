"""Judges a run whose sheet has known answers, and compares two runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from animerag.evaluation.evaluation import UNKNOWN, EvaluatedQuestion, Evaluation, Expectation
from animerag.models.answers import AnswerStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.storage.batch_runs import BatchRun, RunRow

_JUDGED = (AnswerStatus.OK, AnswerStatus.NO_MATCH, AnswerStatus.REFUSED, AnswerStatus.TRUNCATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A question to which two runs retrieved the expected show at different ranks."""

    question: str
    kind: Literal["better", "worse"]
    before: EvaluatedQuestion
    after: EvaluatedQuestion


def has_ground_truth(run: BatchRun) -> bool:
    """Return whether the sheet says which shows are right."""
    return any(heading.strip().lower().replace(" ", "_") == "expected_ids" for heading in run.headings)


def evaluated(rows: Sequence[RunRow]) -> Evaluation:
    """Judge the answered rows of such a run; failed and unanswered rows are left out."""
    return Evaluation(
        outcomes=tuple(
            EvaluatedQuestion(
                index=row.number,
                expectation=Expectation(
                    question=row.asked.question,
                    expected=row.asked.expected_ids,
                    kind=row.asked.kind or UNKNOWN,
                    filters=row.asked.filters,
                ),
                retrieved=tuple(source.show_id for source in row.answer.sources),
                titles=tuple(source.title for source in row.answer.sources[:3]),
                no_match=row.status is AnswerStatus.NO_MATCH,
            )
            for row in rows
            if row.answer is not None and row.status in _JUDGED
        )
    )


def changes(before: Evaluation, after: Evaluation) -> list[Change]:
    """Return the questions that the runs rank differently, those that got worse first."""
    earlier = {outcome.expectation.question.strip(): outcome for outcome in before.outcomes}
    changed = []
    for outcome in after.outcomes:
        old = earlier.get(outcome.expectation.question.strip())
        if old is not None and (difference := _worth(outcome) - _worth(old)):
            kind: Literal["better", "worse"] = "better" if difference > 0 else "worse"
            changed.append(Change(question=outcome.expectation.question, kind=kind, before=old, after=outcome))
    return sorted(changed, key=lambda change: change.kind, reverse=True)


def _worth(outcome: EvaluatedQuestion) -> float:
    """Return 1 for the right show in first place, less for lower ranks, 0 if it is missing."""
    if not outcome.expectation.expected:
        return float(outcome.no_match)
    return 1 / outcome.rank if outcome.rank else 0.0
