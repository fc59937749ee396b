"""A sliding window: never more than the limit within any minute, as the provider counts."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

WINDOW_S = 60.0
# The provider counts when requests arrive, this window when they leave; transit times may differ by this much.
JITTER_S = 0.3
_ROUNDING = 1e-9


@dataclass(slots=True, eq=False)
class Grant:
    """The amount that a request was admitted with; it shrinks if the provider counts less than estimated."""

    at: float
    amount: float


class Window:
    """Admits at most `limit` units in any `seconds`; None is no limit."""

    def __init__(self, limit: float | None, *, seconds: float = WINDOW_S) -> None:
        self._limit = limit
        self._seconds = seconds + JITTER_S
        self._grants: deque[Grant] = deque()

    def wait_s(self, amount: float, now: float) -> float:
        """Return the seconds until `amount` fits; an amount above the limit waits for an empty window."""
        if self._limit is None or amount <= 0:
            return 0.0
        self._expire(now)
        excess = sum(grant.amount for grant in self._grants) + min(amount, self._limit) - self._limit
        if excess <= _ROUNDING:
            return 0.0
        for grant in self._grants:
            excess -= grant.amount
            if excess <= _ROUNDING:
                break
        return max(0.0, grant.at + self._seconds - now)

    def spend(self, amount: float, now: float) -> Grant:
        """Record the start of a request."""
        grant = Grant(now, amount)
        if self._limit is not None:
            self._expire(now)
            self._grants.append(grant)
        return grant

    def left(self, now: float) -> float:
        """Return the units left now, infinite without a limit."""
        if self._limit is None:
            return float("inf")
        self._expire(now)
        return max(0.0, self._limit - sum(grant.amount for grant in self._grants))

    def _expire(self, now: float) -> None:
        while self._grants and self._grants[0].at + self._seconds <= now:
            self._grants.popleft()
