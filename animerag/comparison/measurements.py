"""What one run measured, and how many seconds its requests took. No clock, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING

from animerag.telemetry.statistics import percentile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from animerag.comparison.plan import Mode
    from animerag.telemetry.tracing import Span

FEW = 100  # below that many requests a 99th percentile is the maximum by another name
_BLOCKED_S = 0.1  # an event loop that comes back later than this was blocked
_OVERDUE = 1.25  # requests in flight for a quarter longer than the provider needed were not being waited for


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Seconds of `n` requests. Percentiles by the nearest rank; all 0 when there were none."""

    n: int = 0
    mean: float = 0.0
    p50: float = 0.0
    p90: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    min: float = 0.0
    max: float = 0.0

    @classmethod
    def of(cls, values: Iterable[float]) -> Distribution:
        """Summarise values."""
        ordered = sorted(values)
        if not ordered:
            return cls()
        return cls(
            n=len(ordered),
            mean=mean(ordered),
            p50=percentile(ordered, 50),
            p90=percentile(ordered, 90),
            p95=percentile(ordered, 95),
            p99=percentile(ordered, 99),
            min=ordered[0],
            max=ordered[-1],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRun:
    """One run as it was measured. Spans are in seconds since its start.

    `provider_s` is the sum of what the provider itself spent on the requests, where it reports that (the simulator
    does).
    """

    mode: Mode
    concurrency: int
    repeat: int
    wall_s: float
    items: int
    errors: int = 0
    rate_limited: int = 0
    retries: int = 0
    throttled_s: float = 0.0
    concurrency_mean: float = 0.0
    concurrency_peak: int = 0
    latency_s: Distribution = Distribution()
    ttft_s: Distribution = Distribution()
    loop_lag_p95_s: float = 0.0
    loop_lag_max_s: float = 0.0
    provider_s: float | None = None
    spans: tuple[Span, ...] = ()
    error: str | None = None

    @property
    def throughput(self) -> float:
        """Return items a second, without those that failed."""
        return (self.items - self.errors) / self.wall_s if self.wall_s else 0.0

    @property
    def blocked(self) -> str | None:
        """Describe a blocked event loop, or return None.

        By Little's law (Operations Research 9, 1961) requests in flight are their rate times their latency. Counted
        here that is the time they were waited for; counted by the provider, the time it needed. A loop that stands
        still makes the first longer than the second.
        """
        waited_s = self.concurrency_mean * self.wall_s
        lag = f"lag p95 {self.loop_lag_p95_s * 1000:.0f} ms, longest {self.loop_lag_max_s * 1000:.0f} ms"
        overdue = self.provider_s is not None and waited_s > _OVERDUE * self.provider_s
        if self.loop_lag_p95_s > _BLOCKED_S and overdue:
            return (
                f"The event loop was blocked ({lag}): requests were in flight for {waited_s:.1f} s in total, of which "
                f"the provider needed {self.provider_s:.1f} s. Something in this process computes on the loop."
            )
        if self.loop_lag_p95_s > _BLOCKED_S:
            return f"The event loop was blocked ({lag}). Something in this process computes on the loop."
        return None
