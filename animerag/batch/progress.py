"""How far a run of questions is while it is at work, and what its job reports at the end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from animerag.models.answers import Answer, AnswerStatus
from animerag.models.jobs import Progress
from animerag.models.providers import Usage
from animerag.storage.batch_runs import FAILED

if TYPE_CHECKING:
    from animerag.jobs.jobs import Control
    from animerag.rate_limits.usage import Meter
    from animerag.readers.questions import QuestionRow


@dataclass(slots=True, kw_only=True)
class RunProgress:
    """A run at work, for pages to look at; only the run writes it."""

    run_id: str | None
    total: int
    meter: Meter
    began_s: float = field(default_factory=time.perf_counter)
    done: int = 0
    failed: int = 0
    asking: int = 0
    dearest_usd: float = 0.0
    usage: Usage = field(default_factory=Usage)
    stopped_by: str | None = None

    def count(self, rows: int, answer: Answer) -> None:
        """Note an answer that as many rows share."""
        self.done += rows
        self.failed += rows * (answer.status in FAILED)
        self.usage += answer.usage
        self.dearest_usd = max(self.dearest_usd, answer.usage.cost_usd or 0.0)

    def show(self, control: Control, stage: str) -> None:
        """Show how far the run is."""
        control.progress = Progress(done=self.done, total=self.total, stage=stage, elapsed_s=self.elapsed_s)

    def unreached(self, row: QuestionRow) -> Answer:
        """Return what becomes of a row that was not asked."""
        status = AnswerStatus.ERROR if self.stopped_by else AnswerStatus.CANCELLED
        return Answer(question=row.question, status=status, error=self.stopped_by)

    @property
    def elapsed_s(self) -> float:
        """Return how long it has been at work."""
        return time.perf_counter() - self.began_s

    @property
    def per_second(self) -> float:
        """Return rows answered a second."""
        return self.done / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Return the seconds left at this pace; None before the first answer."""
        return (self.total - self.done) / self.per_second if self.done else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """Answers in question order, as many as there were questions."""

    rows: tuple[QuestionRow, ...]
    answers: tuple[Answer, ...]
    seconds: float

    @property
    def failed(self) -> int:
        """Count the questions that ended in an error or were not reached."""
        return sum(answer.status in (AnswerStatus.ERROR, AnswerStatus.CANCELLED) for answer in self.answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What one job did for a run; its answers are in the journal. `left` counts rows failed or not reached.

    `usage` is that of the whole run, earlier jobs included, as far as its cost goes.
    """

    run_id: str
    answered: int
    left: int
    seconds: float
    rate_limited: int = 0
    retries: int = 0
    peak_in_flight: int = 0
    usage: Usage = field(default_factory=Usage)
    stopped_by: str | None = None
