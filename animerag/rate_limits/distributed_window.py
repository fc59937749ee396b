"""The window of requests and tokens that several hosts share: what it holds, and what fits into it.

A database stores the state and gives the time, so that the clocks of the hosts do not matter. A permit is void if it is
not used within `FENCE_S`: a host that was granted a request and then stalled must not send it in a later window.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

from animerag.rate_limits.token_bucket import BURST_S
from animerag.rate_limits.window import WINDOW_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from animerag.models.json_types import JsonObject

FENCE_S = 0.3  # a permit that is older is void
TRANSIT_S = 0.5  # seconds by which the travel times of two requests to the provider may differ
BULK_SHARE = 0.8  # share of the limits for sheets and imports; live questions may use all of them
SLOTS = 120  # slots of a window; requests are counted by slot, so that the state stays small
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowLimits:
    """The most `requests` and `tokens` in any `window_s` seconds; None is no limit."""

    requests: float | None = None
    tokens: float | None = None
    window_s: float = WINDOW_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """The permission for one request, counted in `slot`."""

    slot: int
    tokens: float
    bulk: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The seconds until a request may fit."""

    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedGrant:
    """A part of a permit that was not used: tokens, and the request itself if the permit was void."""

    permit: Permit
    tokens: float
    requests: int = 0


class DistributedWindow(Protocol):
    """The state of the window, stored where all hosts reach it."""

    async def request(self, tokens: float, *, bulk: bool, unused: Sequence[UnusedGrant] = ()) -> Permit | Refusal:
        """Give back what was not used and ask for a request, in one transaction. Raises LibraryError."""

    async def close_for(self, seconds: float) -> None:
        """Let no host send a request for some time, because the provider asked for it. Raises LibraryError."""

    async def disconnect(self) -> None:
        """Close the connection."""


@dataclass(slots=True)
class _Slot:
    requests: float = 0
    tokens: float = 0.0
    bulk_requests: float = 0
    bulk_tokens: float = 0.0

    def add(self, requests: float, tokens: float, *, bulk: bool) -> None:
        self.requests += requests
        self.tokens += tokens
        if bulk:
            self.bulk_requests += requests
            self.bulk_tokens += tokens


@dataclass(slots=True, kw_only=True)
class WindowState:
    """The requests of the last window by slot, and until when the provider is closed; times are the database's."""

    closed_until: float = 0.0
    slots: defaultdict[int, _Slot] = field(default_factory=lambda: defaultdict(_Slot))
    # By unit: the time of the last change, and the units left then.
    bursts: dict[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: JsonObject) -> Self:
        """Return the state from its JSON."""
        slots = defaultdict(_Slot, {int(number): _Slot(*counts) for number, *counts in stored.get("slots", [])})
        bursts = {unit: (at, left) for unit, (at, left) in stored.get("bursts", {}).items()}
        return cls(closed_until=stored.get("closed_until", 0.0), slots=slots, bursts=bursts)

    def as_json(self) -> JsonObject:
        """Return the state as JSON."""
        slots = [
            [number, slot.requests, slot.tokens, slot.bulk_requests, slot.bulk_tokens]
            for number, slot in sorted(self.slots.items())
        ]
        return {"closed_until": self.closed_until, "slots": slots, "bursts": self.bursts}

    def give_back(self, unused: Iterable[UnusedGrant]) -> None:
        """Subtract what was not used from the slots where it was counted."""
        for part in unused:
            if (slot := self.slots.get(part.permit.slot)) is not None:
                slot.add(-part.requests, -part.tokens, bulk=part.permit.bulk)

    def request(self, tokens: float, limits: WindowLimits, now: float, *, bulk: bool) -> Permit | Refusal:
        """Count a request if it fits; otherwise return how long it has to wait."""
        self._expire(limits, now)
        wait_s = max(
            self.closed_until - now,
            self._wait_s("requests", 1, limits.requests, limits, now, bulk=bulk),
            self._wait_s("tokens", tokens, limits.tokens, limits, now, bulk=bulk),
        )
        if wait_s > _ROUNDING:
            return Refusal(wait_s=wait_s)
        permit = Permit(slot=math.floor(now / _slot_s(limits)), tokens=tokens, bulk=bulk)
        self.slots[permit.slot].add(1, tokens, bulk=bulk)
        if bulk:
            self._drain("requests", 1, limits.requests, limits, now)
            self._drain("tokens", tokens, limits.tokens, limits, now)
        return permit

    def _wait_s(
        self, unit: str, amount: float, limit: float | None, limits: WindowLimits, now: float, *, bulk: bool
    ) -> float:
        if limit is None or amount <= 0:
            return 0.0
        wait_s = self._until_room_s(unit, amount, limit, limits, now)
        if bulk:
            share = _bulk_limit(unit, limit)
            wait_s = max(wait_s, self._until_room_s(f"bulk_{unit}", amount, share, limits, now))
            rate, capacity = _burst(share, limits)
            # Bulk work is spread over the window, because a provider may enforce a limit over a shorter time.
            wait_s = max(wait_s, (min(amount, capacity) - self._left(unit, rate, capacity, now)) / rate)
        return wait_s

    def _until_room_s(self, counted: str, amount: float, limit: float, limits: WindowLimits, now: float) -> float:
        """Return the seconds until `amount` fits; an amount above the limit waits for an empty window."""
        counts = [(number, getattr(slot, counted)) for number, slot in sorted(self.slots.items())]
        excess = sum(count for _, count in counts) + min(amount, limit) - limit
        expiry = now
        for number, count in counts:
            if excess <= _ROUNDING:
                break
            excess -= count
            expiry = _expires_at(number, limits)
        return max(0.0, expiry - now)

    def _left(self, unit: str, rate: float, capacity: float, now: float) -> float:
        at, left = self.bursts.get(unit, (now, capacity))
        return min(capacity, left + rate * max(0.0, now - at))

    def _drain(self, unit: str, amount: float, limit: float | None, limits: WindowLimits, now: float) -> None:
        if limit is not None:
            rate, capacity = _burst(_bulk_limit(unit, limit), limits)
            self.bursts[unit] = (now, self._left(unit, rate, capacity, now) - amount)

    def _expire(self, limits: WindowLimits, now: float) -> None:
        # A slot of the future is from before the database's clock was set back.
        latest = math.floor(now / _slot_s(limits)) + SLOTS
        for number in [number for number in self.slots if number > latest or _expires_at(number, limits) <= now]:
            del self.slots[number]


def _slot_s(limits: WindowLimits) -> float:
    return limits.window_s / SLOTS


def _expires_at(slot: int, limits: WindowLimits) -> float:
    return (slot + 1) * _slot_s(limits) + limits.window_s + FENCE_S + TRANSIT_S


def _bulk_limit(unit: str, limit: float) -> float:
    return max(1, math.floor(BULK_SHARE * limit)) if unit == "requests" else BULK_SHARE * limit


def _burst(limit: float, limits: WindowLimits) -> tuple[float, float]:
    """Return the rate at which a limit is used, and how much of it at once."""
    rate = limit / limits.window_s
    return rate, max(1.0, rate * BURST_S * limits.window_s / WINDOW_S)
