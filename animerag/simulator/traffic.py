"""The rate limits of a simulated provider, as token buckets, and its statistics."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Endpoint = Literal["embeddings", "responses", "chat"]
_ROUNDING = 1e-9  # a client that waits exactly as long as asked is accepted
_MOST_VISITS = 100_000


class SimulatedBucket:
    """A limit in requests or tokens: starts full with `capacity`, refills continuously at `per_minute`."""

    def __init__(self, *, per_minute: int, capacity: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._capacity = capacity
        self._level = float(capacity)
        self._clock = clock
        self._filled_at_s = clock()

    def wait_s(self, amount: int) -> float:
        """Return the seconds until `amount` is available, infinity if it never will be."""
        if amount > self._capacity:
            return math.inf
        missing = amount - self._refilled()
        return missing * 60 / self.per_minute if missing > _ROUNDING else 0.0

    def take(self, amount: int) -> None:
        """Take units out."""
        self._level = self._refilled() - amount

    @property
    def remaining(self) -> int:
        """Whole units left now."""
        return max(0, math.floor(self._refilled() + _ROUNDING))

    @property
    def reset_s(self) -> float:
        """Seconds until the bucket is full."""
        return (self._capacity - self._refilled()) * 60 / self.per_minute

    def _refilled(self) -> float:
        now_s = self._clock()
        self._level = min(self._capacity, self._level + (now_s - self._filled_at_s) * self.per_minute / 60)
        self._filled_at_s = now_s
        return self._level


@dataclass(slots=True, kw_only=True)
class Visit:
    """One request, in seconds since the statistics began; `status` is an HTTP status, `drop`, or `gone`."""

    endpoint: Endpoint
    arrived_s: float
    finished_s: float | None = None
    status: str = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorStats:
    """The statistics of a provider; `peak_in_flight` has a number per endpoint and `overall`."""

    requests: dict[str, int]
    in_flight: int
    peak_in_flight: dict[str, int]
    statuses: dict[str, int]
    rate_limited: int
    texts: int
    tokens: int
    faults: dict[str, int]
    times: tuple[Visit, ...] = ()


class Ledger:
    """Collects the statistics."""

    def __init__(self) -> None:
        self.rate_limited = 0
        self.texts = 0
        self.tokens = 0
        self.faults: Counter[str] = Counter()
        self._began_s = time.perf_counter()
        self._requests: Counter[str] = Counter()
        self._in_flight: Counter[str] = Counter()
        self._peak: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._visits: deque[Visit] = deque(maxlen=_MOST_VISITS)

    def arrive(self, endpoint: Endpoint) -> Visit:
        """Record the arrival of a request."""
        visit = Visit(endpoint=endpoint, arrived_s=time.perf_counter() - self._began_s)
        self._visits.append(visit)
        self._requests[endpoint] += 1
        for name in (endpoint, "overall"):
            self._in_flight[name] += 1
            self._peak[name] = max(self._peak[name], self._in_flight[name])
        return visit

    def leave(self, visit: Visit) -> None:
        """Record the end of a request with its status."""
        visit.finished_s = time.perf_counter() - self._began_s
        self._statuses[visit.status] += 1
        self._in_flight.subtract((visit.endpoint, "overall"))

    def stats(self, *, times: bool = False) -> SimulatorStats:
        """Return the statistics so far; `times` adds every request."""
        return SimulatorStats(
            requests=dict(self._requests),
            in_flight=self._in_flight["overall"],
            peak_in_flight=dict(self._peak),
            statuses=dict(self._statuses),
            rate_limited=self.rate_limited,
            texts=self.texts,
            tokens=self.tokens,
            faults=dict(self.faults),
            times=tuple(self._visits) if times else (),
        )
