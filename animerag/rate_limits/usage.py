"""Counts the requests, retries and waiting times of one job through a context variable."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Meter:
    """The counts of one job. Waiting times are summed over its calls, so they may exceed the wall time."""

    requests: int = 0  # including refused and failed ones
    rate_limited: int = 0
    retries: int = 0
    throttled_s: float = 0.0  # cool-down, pacing, and pauses before retries
    queued_s: float = 0.0  # waiting for a slot
    peak_in_flight: int = 0
    in_flight: int = 0
    _parent: Meter | None = None
    _first_at: float | None = None
    _changed_at: float = 0.0
    _area: float = field(default=0.0, repr=False)

    @property
    def in_flight_s(self) -> float:
        """Seconds in flight, summed over all finished requests."""
        return self._area

    @property
    def mean_in_flight(self) -> float:
        """Mean requests in flight, from the start of the first to the last change."""
        if self._first_at is None:
            return 0.0
        elapsed_s = self._changed_at - self._first_at
        return self._area / elapsed_s if elapsed_s > 0 else 0.0

    def start(self, now: float) -> None:
        """Record the start of a request."""
        for meter in self._chain():
            meter._move(1, now)  # noqa: SLF001 - the same class
            meter.requests += 1

    def end(self, now: float) -> None:
        """Record the end of a request."""
        for meter in self._chain():
            meter._move(-1, now)  # noqa: SLF001 - as above

    def waited(self, *, queued_s: float = 0.0, throttled_s: float = 0.0) -> None:
        """Add waiting times."""
        for meter in self._chain():
            meter.queued_s += queued_s
            meter.throttled_s += throttled_s

    def count(self, *, rate_limited: int = 0, retries: int = 0) -> None:
        """Add refusals and retries."""
        for meter in self._chain():
            meter.rate_limited += rate_limited
            meter.retries += retries

    def _chain(self) -> Iterator[Meter]:
        meter: Meter | None = self
        while meter is not None:
            yield meter
            meter = meter._parent  # noqa: SLF001 - as above

    def _move(self, step: int, now: float) -> None:
        if self._first_at is None:
            self._first_at = self._changed_at = now
        self._area += self.in_flight * (now - self._changed_at)
        self._changed_at = now
        self.in_flight += step
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)


_meter: ContextVar[Meter | None] = ContextVar("animerag_meter", default=None)


@contextmanager
def metering() -> Iterator[Meter]:
    """Count the provider calls of a block and of the tasks that it starts; an outer meter counts them as well."""
    meter = Meter(_parent=_meter.get())
    token = _meter.set(meter)
    try:
        yield meter
    finally:
        _meter.reset(token)


def current_meter() -> Meter:
    """Return the meter of this context, or a new one without a parent."""
    return _meter.get() or Meter()
