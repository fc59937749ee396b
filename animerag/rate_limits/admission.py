"""Decides which call starts next, by priority, order, pacing and cool-down. It knows nothing of errors or retries."""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from animerag.models.providers import Priority
from animerag.rate_limits.token_bucket import Pace
from animerag.telemetry import tracing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Iterator

    from animerag.errors import ProviderError
    from animerag.rate_limits.concurrency import FixedLevel
    from animerag.rate_limits.permits import HeldPermit, Permits
    from animerag.rate_limits.usage import Meter
    from animerag.rate_limits.window import Grant

LIVE_SHARE = 0.2
DOWN_AFTER = 5  # failures in a row; a single call fails at most four times
PROBE_S = 30.0  # seconds between two probes of a provider that has stopped answering
FIRST_GAP_S = 0.007  # longer than a refusal takes on loopback, and negligible beside an answer


@dataclass(slots=True, kw_only=True)
class Model:
    """The state of one model. While it is `cautious`, requests start one by one until one is answered.

    `down_since` is when it stopped answering; bulk calls then start one by one, the next at `probe_at`.
    """

    name: str
    cautious: bool
    pace: Pace = field(default_factory=Pace)
    last: int = 0
    in_flight: set[int] = field(default_factory=set)
    broken_by: ProviderError | None = None
    retry_at: float = 0.0
    has_answered: bool = False
    served_at: float = -math.inf  # when a call last succeeded
    failures: int = 0  # since the last answer
    down_since: float | None = None
    probe_at: float = 0.0
    relapses: int = 0  # successful probes whose following calls failed

    def failed(self, now: float) -> None:
        """Count a failure; several in a row mean that a model that has answered before is down."""
        self.failures += 1
        if self.has_answered and self.down_since is None and self.failures >= DOWN_AFTER:
            self.down_since, self.probe_at = now, now + PROBE_S

    def answered(self) -> bool:
        """Record an answer; return whether the model was down until then."""
        was_away = self.down_since is not None
        self.has_answered, self.failures, self.down_since = True, 0, None
        return was_away


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """One call at the gate; it keeps its place in line during retries."""

    priority: Priority
    place: int
    tokens: int
    model: Model
    meter: Meter
    deadline_s: float = 60.0  # for attempts and pauses
    probe: Callable[[], Awaitable[object]] | None = None
    tries: int = 0
    paid_tries: int = 0  # attempts with an unusable answer
    spent_s: float = 0.0
    refused_at: float | None = None  # its first 429
    number: int = 0  # number of the request in flight, 0 without one
    round_number: int = 0
    started_at: float = 0.0
    granted: Grant | None = None  # configured tokens that the request in flight was granted
    permit: HeldPermit | None = None  # permit of the window that all hosts share


@dataclass(slots=True, kw_only=True, eq=False)
class _Waiter:
    call: Call
    admitted: asyncio.Future[None]
    since: float
    throttled_before_s: float
    throttled_share: float = 0.0  # share of the wait that was caused by limits, known at its end


@dataclass(slots=True, kw_only=True)
class _Line:
    """The waiting calls of one priority and model; `throttled_s` grows while the first has a slot but must wait."""

    waiters: list[tuple[int, _Waiter]] = field(default_factory=list)
    throttled: bool = False
    throttled_s: float = 0.0
    updated_at: float = 0.0

    def update(self, now: float) -> None:
        if self.throttled:
            self.throttled_s += now - self.updated_at
        self.updated_at = now

    def first(self) -> _Waiter | None:
        while self.waiters and self.waiters[0][1].admitted.done():
            heapq.heappop(self.waiters)
        if not self.waiters:
            self.throttled = False
            return None
        return self.waiters[0][1]


class Admission:
    """Admits calls: LIVE before BATCH before INGEST, first in, first out within a priority and model."""

    def __init__(
        self,
        *,
        ingest: FixedLevel,
        query: FixedLevel,
        capacity: int | None,
        pace: Pace,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.ingest, self.query = ingest, query
        self.pace = pace  # the configured limits, which apply to all models together
        self.in_flight = dict.fromkeys(Priority, 0)
        self.waiting = dict.fromkeys(Priority, 0)
        self.closed_until = -math.inf
        self.gap_s = FIRST_GAP_S
        self.permits: Permits | None = None  # for limits that apply to several hosts together
        self._capacity = capacity
        self._clock, self._sleep = clock, sleep
        self._lines: dict[tuple[Priority, str], _Line] = {}
        self._numbers = 0
        self._timer: asyncio.Task[None] | None = None
        self._timer_at = math.inf
        self._cautious_at = -math.inf  # when the last cautious request started

    def lane(self, priority: Priority) -> FixedLevel:
        """Return the level of a priority."""
        return self.ingest if priority is Priority.INGEST else self.query

    def level(self, priority: Priority) -> int:
        """Return how many calls of a priority may be in flight; LIVE has a share on top of BATCH's level."""
        level = self.lane(priority).now
        if priority is Priority.LIVE and self._capacity is None:
            return level + max(1, math.ceil(LIVE_SHARE * level))
        return level

    async def admit(self, call: Call) -> None:
        """Wait until the call may start. Raises the error given to `fail`; a cancelled wait releases everything."""
        line = self._lines.setdefault((call.priority, call.model.name), _Line())
        waiter = self._join(line, call)
        try:
            self.pump()
            if not waiter.admitted.done():
                began_s, throttled_first = time.perf_counter(), line.throttled
                cause = "unavailable" if _held_back(call) else "throttled"
                with tracing.showing(cause if throttled_first else "queue"):
                    await waiter.admitted
                _show_wait(began_s, cause, waiter.throttled_share, throttled_first=throttled_first)
        except asyncio.CancelledError:
            if call.number:  # admitted and cancelled at the same time
                self.leave(call)
            raise
        finally:
            if not waiter.admitted.done() or waiter.admitted.cancelled() or waiter.admitted.exception():
                self._depart(line, waiter, self._clock())
                self.pump()

    def leave(self, call: Call) -> None:
        """Release the slot of a call, if it has one."""
        if not call.number:
            return
        self.in_flight[call.priority] -= 1
        call.model.in_flight.discard(call.number)
        call.number = 0
        call.meter.end(self._clock())
        self.pump()

    def fail(self, model: Model, reason: Callable[[], ProviderError]) -> None:
        """Fail the waiting bulk calls of a model, each with an error of its own."""
        self._fail(reason, lambda priority, name: name == model.name and priority is not Priority.LIVE)

    def fail_all(self, reason: Callable[[], ProviderError], priorities: Container[Priority]) -> None:
        """Fail the waiting calls of some priorities, each with an error of its own."""
        self._fail(reason, lambda priority, _name: priority in priorities)

    def _fail(self, reason: Callable[[], ProviderError], concerned: Callable[[Priority, str], bool]) -> None:
        for (priority, name), line in self._lines.items():
            for _, waiter in line.waiters if concerned(priority, name) else ():
                if not waiter.admitted.done():
                    waiter.admitted.set_exception(reason())

    def throttled_s(self) -> float:
        """Return the seconds until a call that has a slot but must wait may start; 0 without such a call."""
        throttled = any(line.first() is not None and line.throttled for line in self._lines.values())
        return max(0.0, self._timer_at - self._clock()) if throttled and math.isfinite(self._timer_at) else 0.0

    def pump(self) -> None:
        """Admit all calls that may start now, and schedule the next check."""
        now = self._clock()
        line, check_at = self._ready(now)
        while line is not None:
            self._let_through(line, now)
            line, check_at = self._ready(now)
        self._schedule(check_at)

    def _join(self, line: _Line, call: Call) -> _Waiter:
        now = self._clock()
        line.update(now)
        admitted = asyncio.get_running_loop().create_future()
        waiter = _Waiter(call=call, admitted=admitted, since=now, throttled_before_s=line.throttled_s)
        heapq.heappush(line.waiters, (call.place, waiter))
        self.waiting[call.priority] += 1
        return waiter

    def _depart(self, line: _Line, waiter: _Waiter, now: float) -> None:
        """Remove a waiting call and record what it waited for."""
        line.update(now)
        self.waiting[waiter.call.priority] -= 1
        throttled_s = line.throttled_s - waiter.throttled_before_s
        waited_s = now - waiter.since
        waiter.throttled_share = min(1.0, throttled_s / waited_s) if waited_s > 0 else 0.0
        waiter.call.meter.waited(throttled_s=throttled_s, queued_s=max(0.0, waited_s - throttled_s))

    def _ready(self, now: float) -> tuple[_Line | None, float]:
        """Return the first line whose first call may start, otherwise the time of the next check."""
        check_at = math.inf
        held_up = set[str]()
        all_held_up = False
        for line, call in self._in_order():
            line.update(now)
            if not self._has_room(call.priority):
                line.throttled = False
                continue
            common_s, own_s = self._common_wait_s(call, now), self._own_wait_s(call, now)
            if common_s <= 0 and own_s <= 0 and not all_held_up and call.model.name not in held_up:
                common_s = self._permit_wait_s(call, now)
                if common_s <= 0:
                    return line, check_at
            # Later calls must not take what an earlier one is waiting for.
            line.throttled = True
            all_held_up = all_held_up or common_s > 0
            held_up.add(call.model.name)
            wait_s = common_s if common_s > 0 else own_s
            check_at = min(check_at, now + wait_s) if wait_s > 0 else check_at
        return None, check_at

    def _in_order(self) -> Iterator[tuple[_Line, Call]]:
        firsts = [(line, waiter.call) for line in self._lines.values() if (waiter := line.first()) is not None]
        return iter(sorted(firsts, key=lambda first: (first[1].priority, first[1].place)))

    def _has_room(self, priority: Priority) -> bool:
        if self._capacity is not None and sum(self.in_flight.values()) >= self._capacity:
            return False
        if priority is Priority.INGEST:
            return self.in_flight[priority] < self.level(priority)
        asked = self.in_flight[Priority.LIVE] + self.in_flight[Priority.BATCH]
        return asked < self.level(Priority.LIVE) and (
            priority is Priority.LIVE or self.in_flight[priority] < self.level(priority)
        )

    def _common_wait_s(self, call: Call, now: float) -> float:
        return max(self.closed_until - now, self.pace.wait_s(call.tokens, now))

    def _permit_wait_s(self, call: Call, now: float) -> float:
        bulk = call.priority is not Priority.LIVE
        return self.permits.wait_s(call.tokens, now, bulk=bulk) if self.permits is not None else 0.0

    def _own_wait_s(self, call: Call, now: float) -> float:
        gap_s = self._cautious_at + self.gap_s - now if call.model.cautious else 0.0
        probe_s = call.model.probe_at - now if _held_back(call) else 0.0
        return max(gap_s, probe_s, call.model.pace.wait_s(call.tokens, now))

    def _let_through(self, line: _Line, now: float) -> None:
        waiter = heapq.heappop(line.waiters)[1]
        call, model = waiter.call, waiter.call.model
        self._depart(line, waiter, now)
        self._numbers += 1
        self.in_flight[call.priority] += 1
        call.number = model.last = self._numbers
        model.in_flight.add(call.number)
        call.started_at = now
        if model.cautious:  # for all models, which may share a limit
            self._cautious_at = now
        if _held_back(call):
            model.probe_at = now + PROBE_S
        model.pace.spend(call.tokens, now)
        call.granted = self.pace.spend(call.tokens, now)
        if self.permits is not None:
            call.permit = self.permits.take()
        call.round_number = self.lane(call.priority).begin(self._lane_in_flight(call.priority), now)
        call.meter.start(now)
        waiter.admitted.set_result(None)

    def _lane_in_flight(self, priority: Priority) -> int:
        if priority is Priority.INGEST:
            return self.in_flight[priority]
        return self.in_flight[Priority.LIVE] + self.in_flight[Priority.BATCH]

    def _schedule(self, at: float) -> None:
        if at == self._timer_at and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = at
        if math.isfinite(at):
            self._timer = asyncio.get_running_loop().create_task(self._check_later(at - self._clock()))

    async def _check_later(self, seconds: float) -> None:
        await self._sleep(seconds)
        self._timer, self._timer_at = None, math.inf
        self.pump()


def _held_back(call: Call) -> bool:
    return call.model.down_since is not None and call.priority is not Priority.LIVE


def _show_wait(began_s: float, cause: str, throttled_share: float, *, throttled_first: bool) -> None:
    """Record a finished wait by what it waited for: `cause`, a slot, or one after the other."""
    ended_s = time.perf_counter()
    if 0.05 < throttled_share < 0.95:
        share = throttled_share if throttled_first else 1 - throttled_share
        turned_s = began_s + share * (ended_s - began_s)
        tracing.add(cause if throttled_first else "queue", began_s, turned_s)
        tracing.add("queue" if throttled_first else cause, turned_s, ended_s)
    else:
        tracing.add(cause if throttled_share >= 0.95 else "queue", began_s, ended_s)
