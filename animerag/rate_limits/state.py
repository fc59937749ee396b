"""The state of a gate at one moment, for pages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.models.providers import Priority
from animerag.text.durations import rough

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from animerag.rate_limits.admission import Admission, Model
    from animerag.rate_limits.token_bucket import Pace

_PROVIDER = "the provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """The state of a gate; `reason` says why calls must wait, "" if they need not."""

    in_flight: Mapping[Priority, int]
    waiting: Mapping[Priority, int]
    levels: Mapping[Priority, int]
    cool_down_s: float = 0.0
    reason: str = ""
    requests_left: int | None = None
    tokens_left: int | None = None
    reset_s: float | None = None
    rate_limited: int = 0
    retries: int = 0
    refused_by: str = ""  # why the provider refuses all bulk work, "" if it does not

    @property
    def total_in_flight(self) -> int:
        """Return the number of calls in flight, of all priorities."""
        return sum(self.in_flight.values())

    @property
    def total_waiting(self) -> int:
        """Return the number of calls waiting at the gate, of all priorities."""
        return sum(self.waiting.values())

    def words(self, provider: str = _PROVIDER) -> str:
        """Return the state as one sentence, in which `provider` is how the provider is called."""
        reason = self.reason.replace(_PROVIDER, provider)
        if self.cool_down_s > 0:
            return f"waiting {math.ceil(self.cool_down_s)} s, {reason}"
        return reason or f"{self.total_in_flight} now, {self.total_waiting or 'none'} waiting"


def state_of(
    admission: Admission, models: Collection[Model], now: float, *, rate_limited: int, retries: int
) -> GateState:
    """Return the state of a gate; of several limits, the tightest."""
    models = list(models)
    pace = _tightest(admission, models, now)
    cool_down_s, reason = _held_up(admission, models, now)
    return GateState(
        in_flight=dict(admission.in_flight),
        waiting=dict(admission.waiting),
        levels={priority: admission.level(priority) for priority in Priority},
        cool_down_s=cool_down_s,
        reason=reason,
        requests_left=_whole(pace.left(now)[0]),
        tokens_left=_whole(pace.left(now)[1]),
        reset_s=max(0.0, pace.requests.reset_at - now) if pace.requests.known else None,
        rate_limited=rate_limited,
        retries=retries,
        refused_by=_refusal(models),
    )


def _tightest(admission: Admission, models: Collection[Model], now: float) -> Pace:
    paces = [admission.pace, *(model.pace for model in models)]
    known = [pace for pace in paces if pace.known] or paces
    return min(known, key=lambda pace: min(pace.requests.fullness(now), pace.tokens.fullness(now)))


def _held_up(admission: Admission, models: Collection[Model], now: float) -> tuple[float, str]:
    """Return how long calls must wait (0 if unknown) and why."""
    if admission.closed_until > now:
        return admission.closed_until - now, f"as {_PROVIDER} requested"
    permits = admission.permits
    if permits is not None and permits.is_away and any(admission.waiting.values()):
        return permits.retry_s(now), "because the database with the shared limits does not answer"
    away = [(model.probe_at, model.down_since) for model in models if model.down_since is not None]
    if away and (admission.waiting[Priority.BATCH] or admission.waiting[Priority.INGEST]):
        probe_at, down_since = min(away)
        return max(0.0, probe_at - now), f"because {_PROVIDER} has not answered for {rough(now - down_since)}"
    throttled_s = admission.throttled_s()
    if throttled_s > 0:
        return throttled_s, f"to stay within {_PROVIDER}'s limits"
    refused_by = _refusal(models)
    return 0.0, f"stopped: {refused_by}" if refused_by else ""


def _refusal(models: Collection[Model]) -> str:
    return next((str(model.broken_by) for model in models if model.broken_by is not None), "")


def _whole(amount: float) -> int | None:
    return max(0, int(amount)) if math.isfinite(amount) else None
