"""Spans: what ran when, on one monotonic clock. Knows nothing of providers, pages or charts."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of work, in seconds of `time.perf_counter`. `lane` groups spans of one item."""

    name: str
    start_s: float
    end_s: float
    lane: int = 0

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return self.end_s - self.start_s


@dataclass(slots=True)
class Recorder:
    """Collects spans; tasks started under `recording` inherit it."""

    spans: list[Span] = field(default_factory=list)

    def add(self, name: str, start_s: float, end_s: float, lane: int = 0) -> None:
        """Record one span."""
        self.spans.append(Span(name, start_s, end_s, lane))

    def total(self, name: str) -> float:
        """Return the summed seconds of all spans called `name`."""
        return sum(span.seconds for span in self.spans if span.name == name)


_recorder: ContextVar[Recorder | None] = ContextVar("animerag_recorder", default=None)
_lane: ContextVar[int] = ContextVar("animerag_lane", default=0)


@contextmanager
def recording() -> Iterator[Recorder]:
    """Collect the spans of this block and of the tasks it starts."""
    recorder = Recorder()
    token = _recorder.set(recorder)
    try:
        yield recorder
    finally:
        _recorder.reset(token)


@contextmanager
def lane(number: int) -> Iterator[None]:
    """Mark the spans of this block as belonging to item `number`."""
    token = _lane.set(number)
    try:
        yield
    finally:
        _lane.reset(token)


@contextmanager
def span(name: str) -> Iterator[None]:
    """Record this block as one span; free when nobody records."""
    recorder = _recorder.get()
    if recorder is None:
        yield
        return
    start_s = time.perf_counter()
    try:
        yield
    finally:
        recorder.add(name, start_s, time.perf_counter(), _lane.get())


def add(name: str, start_s: float, end_s: float) -> None:
    """Record a stretch whose name is known only at its end; free when nobody records."""
    recorder = _recorder.get()
    if recorder is not None:
        recorder.add(name, start_s, end_s, _lane.get())
