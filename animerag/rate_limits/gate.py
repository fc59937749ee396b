"""The gate: the only place where calls to a provider are admitted, retried and given up.

It knows priorities, models as names of separate limits, and `animerag.errors`, but no vendor. It belongs to the event
loop that uses it.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NoReturn, TypeVar

from animerag.errors import (
    ProviderUnusableError,
    RateLimitedError,
    RequestRefusedError,
    TransientProviderError,
    UnusableAnswerError,
)
from animerag.models.providers import Priority
from animerag.rate_limits.admission import Admission, Call
from animerag.rate_limits.circuit_breaker import CircuitBreaker, asks_long, long_wait
from animerag.rate_limits.concurrency import level_for
from animerag.rate_limits.headers import AnnouncedLimits
from animerag.rate_limits.shared_limits import Models
from animerag.rate_limits.state import GateState, state_of
from animerag.rate_limits.token_bucket import Pace
from animerag.rate_limits.usage import current_meter
from animerag.rate_limits.window import WINDOW_S
from animerag.telemetry import tracing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from animerag.rate_limits.concurrency import LevelChoice
    from animerag.rate_limits.distributed_window import DistributedWindow

T = TypeVar("T")

# The call whose answer is read in this context, which the token usage in the answer belongs to.
_current_call: ContextVar[Call | None] = ContextVar("animerag_call", default=None)

INGEST_START, QUERY_START = 5, 3  # the first levels of `auto`
TRIES = 4
PAID_TRIES = 2  # with an unusable answer, which has most likely been paid for
FIRST_PAUSE_S = 0.5
LONGEST_GAP_S = 0.5
LONGEST_GUESS_S = 8.0


class Gate:
    """Admission and the only retry layer for all calls to one provider.

    LIVE goes before BATCH, and BATCH before INGEST; within a priority, first in, first out. INGEST has its own level;
    LIVE and BATCH share one, and LIVE may use a fifth more (at least 1). With `capacity`, the gate guards the app's own
    threads instead of a provider: at most that many calls in total, in order. `max_rpm` and `max_tpm` hold in every
    period of `window_s` seconds, as far as tokens can be estimated. With `shared`, that window of several hosts gives
    the permission for each request instead.
    """

    def __init__(
        self,
        *,
        ingest: LevelChoice = "auto",
        query: LevelChoice = "auto",
        capacity: int | None = None,
        max_rpm: float | None = None,
        max_tpm: float | None = None,
        window_s: float = WINDOW_S,
        shared: DistributedWindow | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock, self._sleep, self._chance = clock, sleep, chance
        self._admission = Admission(
            ingest=level_for(capacity or ingest, INGEST_START),
            query=level_for(capacity or query, QUERY_START),
            capacity=capacity,
            pace=Pace(max_rpm=max_rpm, max_tpm=max_tpm, window_s=window_s),
            clock=clock,
            sleep=sleep,
        )
        if shared is not None:
            from animerag.rate_limits.permits import Permits

            self._admission.permits = Permits(
                shared, clock=clock, on_answer=self._admission.pump, on_failure=self._admission.fail_all
            )
        self._breaker = CircuitBreaker(self._admission, clock)
        self._models = Models()
        self._models.new_are_cautious = capacity is None
        self._places = 0
        self._closed_at = -math.inf
        self._refusals_in_a_row = 0
        self._rate_limited = self._retries = 0

    async def run(
        self,
        attempt: Callable[[], Awaitable[T]],
        *,
        priority: Priority,
        tokens: int = 0,
        model: str = "",
        deadline_s: float = 60.0,
        probe: Callable[[], Awaitable[object]] | None = None,
    ) -> T:
        """Await `attempt` once it is admitted, retry it if that may help, and return its result.

        `tokens` is the estimate for the token limits; `model` names the limits that apply. A RateLimitedError closes
        the gate for all calls and is retried: for a minute if live, otherwise until no call has succeeded for ten
        minutes. A TransientProviderError is tried 4 times in total and an UnusableAnswerError twice, within
        `deadline_s` of attempts and pauses; waiting at the gate does not count. If a model that has answered before
        fails five times in a row, bulk calls wait for it for up to ten minutes, and one of them tries every 30 s,
        preceded by `probe`, a cheap call. Raises the error of the last attempt; RateLimitedError if the provider asks
        for a wait of more than two minutes; ProviderUnusableError, without an attempt, if another bulk call has just
        got it or the provider stays down.
        """
        async with self.held(
            attempt, priority=priority, tokens=tokens, model=model, deadline_s=deadline_s, probe=probe
        ) as value:
            return value

    @asynccontextmanager
    async def held(
        self,
        attempt: Callable[[], Awaitable[T]],
        *,
        priority: Priority,
        tokens: int = 0,
        model: str = "",
        deadline_s: float = 60.0,
        probe: Callable[[], Awaitable[object]] | None = None,
    ) -> AsyncIterator[T]:
        """Do what `run` does, but hold the slot until the block ends: for streams, which `attempt` opens."""
        call = self._call(priority, tokens, model)
        call.deadline_s, call.probe = deadline_s, probe
        value = await self._succeed(call, attempt)
        try:
            yield value
            self._sample(call)
        finally:
            self._admission.leave(call)

    @asynccontextmanager
    async def slot(self, *, priority: Priority, tokens: int = 0, model: str = "") -> AsyncIterator[None]:
        """Hold a slot for a block, without retries."""
        call = self._call(priority, tokens, model)
        await self._admit(call)
        try:
            yield
            self._answered(call)
            self._sample(call)
        finally:
            self._admission.leave(call)

    async def next_request(self) -> None:
        """Wait for permission to send a further request within the current attempt; outside of one, return at once.

        Raises what `run` raises before an attempt.
        """
        call = _current_call.get()
        if call is not None and call.number:
            self._admission.leave(call)
            await self._admit(call)

    def learn(self, headers: Mapping[str, str], *, model: str = "", unused_tokens: int = 0) -> None:
        """Learn the limits in the headers of a response; `unused_tokens` is the unused part of the estimate."""
        known, limits, call = self._models.get(model), AnnouncedLimits.of(headers), _current_call.get()
        now = self._clock()
        if limits is not None:
            self._models.learn(known, limits, now if call is None else call.started_at, now)
        elif headers and not known.pace.known:
            self._models.new_are_cautious = False  # a provider without such headers has no limits to find out
        for pace in (known.pace, self._admission.pace):
            pace.tokens.give_back(unused_tokens)
        if unused_tokens and call is not None and call.granted is not None:
            call.granted.amount -= unused_tokens
            call.granted = None  # count each answer once
            if self._admission.permits is not None and call.permit is not None:
                self._admission.permits.give_back(call.permit, unused_tokens)
        if limits is not None or unused_tokens:
            self._admission.pump()

    def level(self, priority: Priority) -> int:
        """Return how many calls of this priority may be in flight now."""
        return self._admission.level(priority)

    def rounds(self, priority: Priority) -> Iterator[int]:
        """Predict the level of each coming round, without end, if the provider does not slow down."""
        return self._admission.lane(priority).rounds()

    def set_level(self, priority: Priority, choice: LevelChoice) -> None:
        """Change a level; LIVE and BATCH share one. Calls in flight continue."""
        if priority is Priority.INGEST:
            self._admission.ingest = level_for(choice, INGEST_START)
        else:
            self._admission.query = level_for(choice, QUERY_START)
        self._admission.pump()

    def reset(self) -> None:
        """Forget that the provider was unusable, because a new job should try it."""
        for model in self._models:
            model.broken_by = None
            model.probe_at = 0.0
        self._admission.pump()

    def state(self) -> GateState:
        """Return the current state of the gate."""
        return state_of(
            self._admission, list(self._models), self._clock(), rate_limited=self._rate_limited, retries=self._retries
        )

    async def disconnect(self) -> None:
        """Close the connection to the shared window, if there is one."""
        if self._admission.permits is not None:
            await self._admission.permits.disconnect()

    def _call(self, priority: Priority, tokens: int, name: str) -> Call:
        model = self._models.get(name)
        return Call(priority=priority, place=self._last_place(), tokens=tokens, model=model, meter=current_meter())

    def _last_place(self) -> int:
        self._places += 1
        return self._places

    async def _admit(self, call: Call) -> None:
        """Wait for a slot and permission; a permit that became void on the way is exchanged for a new one."""
        while True:
            self._breaker.check(call)
            await self._admission.admit(call)
            permits = self._admission.permits
            if permits is None or call.permit is None or not permits.is_void(call.permit, self._clock()):
                return
            self._admission.leave(call)

    async def _succeed(self, call: Call, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until an attempt succeeds; the call then holds its slot."""
        while True:
            await self._admit(call)
            try:
                return await self._attempt(call, attempt)
            except RateLimitedError as error:
                if asks_long(error):
                    raise
                self._breaker.check_refusals(call)
            except TransientProviderError as error:
                paid = isinstance(error, UnusableAnswerError)
                if not paid and self._breaker.is_away(call):  # at the end of the line, like a new call
                    call.tries, call.spent_s, call.place = 0, 0.0, self._last_place()
                    continue
                pause_s = self._pause_s(call)
                enough = call.tries >= TRIES or call.paid_tries >= PAID_TRIES
                if enough or call.spent_s + pause_s >= call.deadline_s:
                    raise
                await self._pause(call, pause_s)

    async def _attempt(self, call: Call, attempt: Callable[[], Awaitable[T]]) -> T:
        """Make one attempt; a failure is recorded before its slot is free for the next call."""
        answered = False
        _current_call.set(call)
        try:
            if call.probe is not None and call.model.down_since is not None and call.priority is not Priority.LIVE:
                await self._within(call.deadline_s, call.probe)
                self._breaker.probed(call.model)
                await self.next_request()
            value = await self._within(max(0.0, call.deadline_s - call.spent_s), attempt)
            answered = True
            self._answered(call)
        except RateLimitedError as error:
            self._refused(call, error)
        except UnusableAnswerError:
            call.tries += 1
            call.paid_tries += 1
            call.spent_s += self._clock() - call.started_at
            self._breaker.answered(call.model)
            raise
        except TransientProviderError:
            self._failed(call)
            raise
        except RequestRefusedError:
            self._breaker.answered(call.model)
            raise
        except ProviderUnusableError as error:
            self._breaker.open(call, error)
            raise
        finally:
            if not answered:
                self._admission.leave(call)
        return value

    async def _within(self, seconds: float, attempt: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(seconds):
                return await attempt()
        except TimeoutError as error:
            message = f"The provider did not answer within {seconds:.0f} s: try again later."
            raise TransientProviderError(message) from error

    def _answered(self, call: Call) -> None:
        """Record a success: the provider works."""
        self._refusals_in_a_row = 0
        call.model.broken_by = None
        self._breaker.answered(call.model)
        call.model.served_at = self._clock()
        call.model.pace.requests.accept(self._clock())
        if call.started_at >= self._closed_at:
            call.model.cautious = False

    def _sample(self, call: Call) -> None:
        now = self._clock()
        lane = self._admission.lane(call.priority)
        lane.succeed(call.round_number, call.model.name, now - call.started_at, now)

    def _failed(self, call: Call) -> None:
        call.tries += 1
        call.spent_s += self._clock() - call.started_at
        self._admission.lane(call.priority).fail()
        call.model.failed(self._clock())

    def _pause_s(self, call: Call) -> float:
        # Random pauses keep calls that failed together from retrying together.
        return float(FIRST_PAUSE_S * 2 ** (call.tries - 1) * (0.75 + 0.5 * self._chance()))

    async def _pause(self, call: Call, pause_s: float) -> None:
        self._retries += 1
        call.spent_s += pause_s
        call.meter.count(retries=1)
        call.meter.waited(throttled_s=pause_s)
        with tracing.span("throttled"):
            await self._sleep(pause_s)

    def _refused(self, call: Call, error: RateLimitedError) -> NoReturn:
        """Close the gate for all calls and raise; a wait beyond the limit of patience ends bulk work."""
        now = self._clock()
        self._rate_limited += 1
        call.meter.count(rate_limited=1)
        # A gap of twice the time of a refusal shows the next refusal before another request starts.
        gap_s = max(self._admission.gap_s, 2 * (now - call.started_at))
        self._admission.gap_s = min(LONGEST_GAP_S, gap_s)
        stated_s = error.retry_after_s
        if stated_s is not None and asks_long(error):
            self._breaker.open(call, error, stated_s)
            raise long_wait(stated_s) from error
        if call.started_at >= self._closed_at:
            self._close(call, stated_s, now)
        else:  # it started before the last refusal arrived and only repeats it
            self._close_for(stated_s or 0.0, now)
            call.model.pace.requests.give_back(1)
        raise error

    def _close(self, call: Call, stated_s: float | None, now: float) -> None:
        self._refusals_in_a_row += 1
        # The stated wait is trusted once; if only refusals follow, it was too short.
        trusted = stated_s is not None and self._refusals_in_a_row == 1
        guess_s = 0.0 if trusted else min(LONGEST_GUESS_S, 0.25 * 2**self._refusals_in_a_row)
        wait_s = max(stated_s or 0.0, guess_s)
        self._closed_at = now
        self._close_for(wait_s, now)
        self._models.new_are_cautious = True
        for model in self._models:
            model.cautious = True
        call.model.pace.refuse(call.tokens, wait_s, now)
        self._admission.lane(call.priority).refuse()

    def _close_for(self, seconds: float, now: float) -> None:
        self._admission.closed_until = max(self._admission.closed_until, now + seconds)
        if self._admission.permits is not None:
            self._admission.permits.close_for(seconds)
