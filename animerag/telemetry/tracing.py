"""Spans: start and end of pieces of work, on one monotonic clock. It knows nothing of providers, pages or charts."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Span:
    """Start and end of a piece of work, in seconds of `time.perf_counter`. `lane` groups the spans of one item."""

    name: str
    start_s: float
    end_s: float
    lane: int = 0

    @property
    def seconds(self) -> float:
        """Return the duration."""
        return self.end_s - self.start_s


@dataclass(slots=True)
class Recorder:
    """Collects spans; tasks started under `recording` inherit it, and an outer recorder receives them, too."""

    spans: list[Span] = field(default_factory=list)
    parent: Recorder | None = None
    _open: dict[object, Span] = field(default_factory=dict)

    @contextmanager
    def showing(self, name: str, lane: int) -> Iterator[float]:
        """Include this block in `until` while it runs; yields its start."""
        key, start_s = object(), time.perf_counter()
        for one in self._chain():
            one._open[key] = Span(name, start_s, start_s, lane)  # noqa: SLF001 - the same class
        try:
            yield start_s
        finally:
            for one in self._chain():
                del one._open[key]  # noqa: SLF001 - as above

    def until(self, now_s: float, since_s: float = 0.0) -> list[Span]:
        """Return the spans that ended after `since_s`, and those still running, up to now; safe from any thread."""
        going = [replace(span, end_s=now_s) for span in list(self._open.values())]
        return [span for span in list(self.spans) if span.end_s > since_s] + going

    def add(self, name: str, start_s: float, end_s: float, lane: int = 0) -> None:
        """Record one span."""
        for one in self._chain():
            one.spans.append(Span(name, start_s, end_s, lane))

    def _chain(self) -> Iterator[Recorder]:
        one: Recorder | None = self
        while one is not None:
            yield one
            one = one.parent

    def total(self, name: str) -> float:
        """Return the summed seconds of all spans called `name`."""
        return sum(span.seconds for span in self.spans if span.name == name)


_recorder: ContextVar[Recorder | None] = ContextVar("animerag_recorder", default=None)
_lane: ContextVar[int] = ContextVar("animerag_lane", default=0)


@contextmanager
def recording(recorder: Recorder | None = None) -> Iterator[Recorder]:
    """Collect the spans of this block and of the tasks it starts, in a new or a given recorder."""
    recorder = recorder or Recorder(parent=_recorder.get())
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
    """Record this block as one span; costs nothing without a recorder."""
    recorder = _recorder.get()
    if recorder is None:
        yield
        return
    number = _lane.get()
    with recorder.showing(name, number) as start_s:
        try:
            yield
        finally:
            recorder.add(name, start_s, time.perf_counter(), number)


@contextmanager
def showing(name: str) -> Iterator[None]:
    """Include this block in `until` without recording it: its name is known only at its end."""
    recorder = _recorder.get()
    if recorder is None:
        yield
        return
    with recorder.showing(name, _lane.get()):
        yield


def add(name: str, start_s: float, end_s: float) -> None:
    """Record a span whose name is known only at its end; costs nothing without a recorder."""
    recorder = _recorder.get()
    if recorder is not None:
        recorder.add(name, start_s, end_s, _lane.get())


# ── Traces: finished work, for subscribers ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A finished piece of work: its spans, models, tokens and status, but never its texts."""

    name: str
    spans: Sequence[Span]
    about: Mapping[str, str | int | float]


_subscribers: list[Callable[[Trace], None]] = []


@contextmanager
def subscribe(receive: Callable[[Trace], None]) -> Iterator[None]:
    """Call `receive` with every trace that ends in this block, on the trace's own loop; it must not block."""
    _subscribers.append(receive)
    try:
        yield
    finally:
        _subscribers.remove(receive)


def emit(name: str, spans: Sequence[Span], **about: str | float | None) -> None:
    """Send finished work to the subscribers; costs nothing without any.

    A `__` in a name stands for a dot; values of None are left out.
    """
    if _subscribers and spans:
        known = {key.replace("__", "."): value for key, value in about.items() if value is not None}
        trace = Trace(name=name, spans=tuple(spans), about=known)
        for hear in _subscribers:
            hear(trace)
