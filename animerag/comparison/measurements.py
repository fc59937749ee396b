"""The figures of one run, and the distribution of its request latencies. No clock, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING

from animerag.telemetry.statistics import percentile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from animerag.comparison.plan import Mode
    from animerag.telemetry.tracing import Span

FEW = 100  # with fewer requests, the 99th percentile is just the maximum
_BLOCKED_S = 0.1  # a larger event-loop lag counts as blocked
_OVERDUE = 1.25  # requests in flight longer than this factor of the provider's time were held up in this process


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Seconds of `n` requests, with nearest-rank percentiles; all 0 without requests."""

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
        """Return the distribution of some values."""
        ordered = sorted(values)
        if not ordered:
            return cls()
        return cls(
            n=len(ordered),
            mean=mean(ordered),
            **{f"p{share}": percentile(ordered, share) for share in (50, 90, 95, 99)},
            min=ordered[0],
            max=ordered[-1],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRun:
    """The figures of one run. Spans are in seconds since its start.

    `provider_s` is the time that the provider itself spent on all requests, which only the simulator reports.
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
        """Return the items per second, without failed ones."""
        return (self.items - self.errors) / self.wall_s if self.wall_s else 0.0

    @property
    def blocked(self) -> str | None:
        """Describe a blocked event loop, or return None.

        By Little's law (Operations Research 9, 1961), the mean requests in flight are the request rate times the
        latency. Measured here, the latency is the time that this process waited; measured by the provider, it is the
        time that it needed. A blocked loop makes the first longer than the second.
        """
        waited_s = self.concurrency_mean * self.wall_s
        lag = f"lag p95 {self.loop_lag_p95_s * 1000:.0f} ms, longest {self.loop_lag_max_s * 1000:.0f} ms"
        overdue = self.provider_s is not None and waited_s > _OVERDUE * self.provider_s
        if self.loop_lag_p95_s > _BLOCKED_S and overdue:
            return (
                f"The event loop was blocked ({lag}): requests were in flight for {waited_s:.1f} s in total, and the "
                f"provider needed {self.provider_s:.1f} s of that. Code in this process runs too long on the loop."
            )
        if self.loop_lag_p95_s > _BLOCKED_S:
            return f"The event loop was blocked ({lag}). Code in this process runs too long on the loop."
        return None
