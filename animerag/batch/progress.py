"""The progress of a running sheet, and the report of its job at the end."""

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
    from animerag.models.questions import QuestionRow
    from animerag.rate_limits.usage import Meter


@dataclass(slots=True, kw_only=True)
class RunProgress:
    """The progress of a run: written by the run, read by pages."""

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
        """Count an answer that `rows` rows share."""
        self.done += rows
        self.failed += rows * (answer.status in FAILED)
        self.usage += answer.usage
        self.dearest_usd = max(self.dearest_usd, answer.usage.cost_usd or 0.0)

    def show(self, control: Control, stage: str) -> None:
        """Publish the progress of the run."""
        control.progress = Progress(done=self.done, total=self.total, stage=stage, elapsed_s=self.elapsed_s)

    def unreached(self, row: QuestionRow) -> Answer:
        """Return the answer of a row that was not asked."""
        status = AnswerStatus.ERROR if self.stopped_by else AnswerStatus.CANCELLED
        return Answer(question=row.question, status=status, error=self.stopped_by)

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since the start."""
        return time.perf_counter() - self.began_s

    @property
    def per_second(self) -> float:
        """Return the rows answered per second."""
        return self.done / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Return the remaining seconds at this rate; None before the first answer."""
        return (self.total - self.done) / self.per_second if self.done else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """The answers in question order, one for each question."""

    rows: tuple[QuestionRow, ...]
    answers: tuple[Answer, ...]
    seconds: float

    @property
    def failed(self) -> int:
        """Return the number of questions that failed or were not asked."""
        return sum(answer.status in (AnswerStatus.ERROR, AnswerStatus.CANCELLED) for answer in self.answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """The result of one job of a run; the answers are in the journal. `left` counts rows that failed or were not asked.

    The cost in `usage` is that of the whole run, earlier jobs included.
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
