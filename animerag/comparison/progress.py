"""An experiment while it runs, as a page reads it: what is finished, what is at work, and how far all of it is."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.comparison.measurements import MeasuredRun
    from animerag.comparison.plan import Mode
    from animerag.telemetry.tracing import Span

_ANSWER_SPAN = "answer"  # from the first word on; the model's second span covers the same time
_HALF_PREPARED_S = 2.0  # how long preparing a run takes is not known: after each of these, half of the rest is shown


@dataclass(slots=True)
class ExperimentProgress:
    """An experiment under way. Spans and times are in seconds of `time.perf_counter`.

    `requests` is how many requests of the main kind each of `runs` makes; `main_span` is the name of their spans.
    """

    runs: int
    requests: int
    main_span: str
    finished: list[MeasuredRun] = field(default_factory=list)
    current: tuple[Mode, int, int] | None = None
    measuring: bool = False  # False while the provider starts and modes warm up
    waiting_since_s: float = field(default_factory=time.perf_counter)
    started_s: float = 0.0  # 0 until the current run's clock has started
    spans: Sequence[Span] = ()

    def begin(self, setting: tuple[Mode, int, int], *, measuring: bool) -> None:
        """Note that a run of (mode, level, repeat) is being prepared."""
        self.spans, self.started_s, self.current, self.measuring = (), 0.0, setting, measuring
        if measuring:
            self.waiting_since_s = time.perf_counter()

    @property
    def requests_done(self) -> int:
        """Return how many requests of the current run have ended."""
        return min(len({span.lane for span in tuple(self.spans) if span.name == self.main_span}), self.requests)

    @property
    def drawn_spans(self) -> list[Span]:
        """Return the spans so far that charts draw."""
        return drawn_spans(self.spans)

    def fraction(self, now_s: float) -> float:
        """Return 0 to 1: the requests of all runs that are done.

        Starting, and preparing each run, count as one more request each, part of which is done at any time.
        """
        each = self.requests + 1
        prepared = 1 - math.exp2(-max(now_s - self.waiting_since_s, 0.0) / _HALF_PREPARED_S)
        if not self.measuring:
            done = prepared
        else:
            current = 1.0 + self.requests_done if self.started_s else prepared
            done = 1 + len(self.finished) * each + (current if self.current else 0.0)
        return min(done / (1 + self.runs * each), 1.0)


def drawn_spans(spans: Sequence[Span]) -> list[Span]:
    """Return the spans that charts of runs draw: without those that cover the time of another of the same request."""
    return [span for span in tuple(spans) if span.name != _ANSWER_SPAN]
