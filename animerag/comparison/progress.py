"""The progress of a running experiment: finished runs, the current run, and the overall fraction."""

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

_ANSWER_SPAN = "answer"  # the span from the first token on; the model's second span covers the same time
_HALF_PREPARED_S = (
    2.0  # seconds; the preparation takes an unknown time, so each of these periods advances by half of the rest
)


@dataclass(slots=True)
class ExperimentProgress:
    """The progress of an experiment. Spans and times are those of `time.perf_counter`.

    Each of `runs` makes `requests` requests of the main kind; `main_span` is the name of their spans.
    """

    runs: int
    requests: int
    main_span: str
    finished: list[MeasuredRun] = field(default_factory=list)
    current: tuple[Mode, int, int] | None = None
    measuring: bool = False  # False while the provider starts and modes warm up
    waiting_since_s: float = field(default_factory=time.perf_counter)
    started_s: float = 0.0  # 0 until the clock of the current run has started
    spans: Sequence[Span] = ()

    def begin(self, setting: tuple[Mode, int, int], *, measuring: bool) -> None:
        """Start the preparation of a run of (mode, level, repeat)."""
        self.spans, self.started_s, self.current, self.measuring = (), 0.0, setting, measuring
        if measuring:
            self.waiting_since_s = time.perf_counter()

    @property
    def requests_done(self) -> int:
        """Return the number of requests in the current run that have ended."""
        return min(len({span.lane for span in tuple(self.spans) if span.name == self.main_span}), self.requests)

    @property
    def drawn_spans(self) -> list[Span]:
        """Return the spans so far, for charts."""
        return drawn_spans(self.spans)

    def fraction(self, now_s: float) -> float:
        """Return the share of all requests that are done, from 0 to 1.

        The start and the preparation of each run count as one request each and grow with time.
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
    """Return the spans for charts, without those that cover the time of another span of the same request."""
    return [span for span in tuple(spans) if span.name != _ANSWER_SPAN]
