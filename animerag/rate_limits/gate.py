"""The gate: the one place where calls to a provider are admitted, tried again and given up.

It knows priorities, models as names of separate limits, and `animerag.errors`; it knows no vendor. All of it belongs to
the event loop that uses it.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeVar

from animerag.errors import (
    ProviderError,
    ProviderUnusableError,
    RateLimitedError,
    RequestRefusedError,
    TransientProviderError,
    UnusableAnswerError,
)
from animerag.models import Priority
from animerag.rate_limits.admission import Admission, Call, Model
from animerag.rate_limits.concurrency import level_for
from animerag.rate_limits.token_bucket import Pace
from animerag.rate_limits.usage import current_meter
from animerag.rate_limits.window import WINDOW_S
from animerag.telemetry import tracing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from animerag.rate_limits.concurrency import LevelChoice

T = TypeVar("T")

# The call whose answer is read in this context: what an answer says of its tokens belongs to it and to no other.
_current_call: ContextVar[Call | None] = ContextVar("animerag_call", default=None)

INGEST_START, QUERY_START = 5, 3  # where `auto` begins
TRIES = 4
PAID_TRIES = 2  # where each was answered, and most likely paid for
FIRST_PAUSE_S = 0.5
PATIENCE_S = 120.0  # a provider that asks for more than this is not waited for
BREAKER_S = 30.0  # how long bulk work believes that a key is bad before one call looks again
DOWN_PATIENCE_S = 600.0  # bulk work waits so long for a provider that has stopped answering
REFUSED_PATIENCE_S = 60.0  # a live call is refused with 429 for so long; bulk work waits as for one that is down
RELAPSES = 2  # answered probes after which the calls themselves still failed
LONGEST_GAP_S = 0.5
LONGEST_GUESS_S = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """The gate at one moment, for a page to show. `reason` is why it is held up, empty while it is not."""

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

    @property
    def total_in_flight(self) -> int:
        """Return the calls under way, of all priorities."""
        return sum(self.in_flight.values())

    @property
    def total_waiting(self) -> int:
        """Return the calls that wait at the gate, of all priorities."""
        return sum(self.waiting.values())

    def words(self) -> str:
        """Say it in one plain sentence."""
        if self.cool_down_s > 0:
            return f"waiting {math.ceil(self.cool_down_s)} s, {self.reason}"
        if self.reason:
            return self.reason
        return f"{self.total_in_flight} in flight, {self.total_waiting or 'none'} waiting"


class Gate:
    """Admission and the one retry layer for all calls to one provider.

    LIVE goes before BATCH, BATCH before INGEST; within a priority first come, first served. INGEST has its own level,
    LIVE and BATCH share one, on top of which a fifth (at least 1) is LIVE's alone. With `capacity` the gate guards
    threads of our own instead of a provider: at most that many in all, only order, no shares and no feeling out.
    `max_rpm` and `max_tpm` are never exceeded in any `window_s` seconds, as far as the tokens are known beforehand.
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
        self._models: dict[str, Model] = {}
        self._new_are_cautious = capacity is None
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
        """Await `attempt` once admitted, and again where that may help; return what it returns.

        `tokens` is the estimate that token limits are paced by; `model` names the limits that apply. A RateLimitedError
        closes the gate for everybody and is tried again, for a minute if live and otherwise until nobody has been
        served for ten; a TransientProviderError is tried 4 times in all, an UnusableAnswerError twice, within
        `deadline_s` of attempts and pauses; waiting at the gate does not count. Where a model that has answered before
        fails five times in a row, bulk calls wait for it, up to ten minutes, and one each half minute tries: with
        `probe`, a cheap call, before its own. Raises what the last attempt raised; RateLimitedError where the provider
        asks for more than two minutes; ProviderUnusableError without an attempt where another call of bulk work was
        just told so, and where the provider stays away.
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
        """Do as `run` does, but keep the slot until the block ends: for streams, whose `attempt` opens them."""
        call = self._call(priority, tokens, model)
        value = await self._succeed(call, attempt, deadline_s, probe)
        try:
            yield value
            self._sample(call)
        finally:
            self._admission.leave(call)

    @asynccontextmanager
    async def slot(self, *, priority: Priority, tokens: int = 0, model: str = "") -> AsyncIterator[None]:
        """Hold a slot during the block; what happens in it is the caller's own affair."""
        call = self._call(priority, tokens, model)
        await self._admit(call)
        try:
            yield
            self._answered(call)
            self._sample(call)
        finally:
            self._admission.leave(call)

    def learn(self, headers: Mapping[str, str], *, model: str = "", unused_tokens: int = 0) -> None:
        """Take over limits from a response's headers; `unused_tokens` is by how much the estimate was too high."""
        known = self._model(model)
        announced = known.pace.learn(headers, self._clock(), alone=known.alone)
        if headers and not announced and not known.pace.known:
            self._new_are_cautious = False  # a provider that announces nothing here has nothing to feel out elsewhere
        for pace in (known.pace, self._admission.pace):
            pace.tokens.give_back(unused_tokens)
        call = _current_call.get()
        if unused_tokens and call is not None and call.granted is not None:
            call.granted.amount -= unused_tokens
            call.granted = None  # an answer is counted once
        if announced or unused_tokens:
            self._admission.pump()

    def level(self, priority: Priority) -> int:
        """Return how many calls of this priority may be in flight now."""
        return self._admission.level(priority)

    def rounds(self, priority: Priority) -> Iterator[int]:
        """Foretell the level of each round to come, without end, as long as nothing slows down."""
        return self._admission.lane(priority).rounds()

    def set_level(self, priority: Priority, choice: LevelChoice) -> None:
        """Change a level while running; LIVE and BATCH share theirs. What is in flight stays."""
        if priority is Priority.INGEST:
            self._admission.ingest = level_for(choice, INGEST_START)
        else:
            self._admission.query = level_for(choice, QUERY_START)
        self._admission.pump()

    def reset(self) -> None:
        """Forget that the provider was unusable: whoever starts a job means it to be tried."""
        for model in self._models.values():
            model.broken_by = None
            model.probe_at = 0.0
        self._admission.pump()

    def state(self) -> GateState:
        """Return what the gate does now."""
        now = self._clock()
        pace = self._tightest(now)
        cool_down_s, reason = self._held_up(now)
        return GateState(
            in_flight=dict(self._admission.in_flight),
            waiting=dict(self._admission.waiting),
            levels={priority: self.level(priority) for priority in Priority},
            cool_down_s=cool_down_s,
            reason=reason,
            requests_left=_whole(pace.left(now)[0]),
            tokens_left=_whole(pace.left(now)[1]),
            reset_s=max(0.0, pace.requests.reset_at - now) if pace.requests.known else None,
            rate_limited=self._rate_limited,
            retries=self._retries,
        )

    def _tightest(self, now: float) -> Pace:
        paces = [self._admission.pace, *(model.pace for model in self._models.values())]
        known = [pace for pace in paces if pace.known] or paces
        return min(known, key=lambda pace: min(pace.requests.fullness(now), pace.tokens.fullness(now)))

    def _held_up(self, now: float) -> tuple[float, str]:
        if self._admission.closed_until > now:
            return self._admission.closed_until - now, "the provider asked for it"
        probes = [model.probe_at for model in self._models.values() if model.down_since is not None]
        if probes and (self._admission.waiting[Priority.BATCH] or self._admission.waiting[Priority.INGEST]):
            return max(0.0, min(probes) - now), "the provider has stopped answering"
        throttled_s = self._admission.throttled_s()
        if throttled_s > 0:
            return throttled_s, "to stay within the provider's limits"
        reasons = [model.broken_by for model in self._models.values() if model.broken_by is not None]
        return 0.0, f"stopped: {reasons[0]}" if reasons else ""

    def _model(self, name: str) -> Model:
        if name not in self._models:
            self._models[name] = Model(name=name, cautious=self._new_are_cautious)
        return self._models[name]

    def _call(self, priority: Priority, tokens: int, name: str) -> Call:
        model = self._model(name)
        return Call(priority=priority, place=self._last_place(), tokens=tokens, model=model, meter=current_meter())

    def _last_place(self) -> int:
        self._places += 1
        return self._places

    async def _admit(self, call: Call) -> None:
        self._ask_breaker(call)
        await self._admission.admit(call)

    async def _succeed(
        self,
        call: Call,
        attempt: Callable[[], Awaitable[T]],
        deadline_s: float,
        probe: Callable[[], Awaitable[object]] | None,
    ) -> T:
        """Try until an attempt succeeds; the call then holds its slot."""
        while True:
            await self._admit(call)
            try:
                return await self._attempt(call, attempt, deadline_s, probe)
            except RateLimitedError as error:
                if (error.retry_after_s or 0.0) > PATIENCE_S:
                    raise
                self._check_patience(call)
            except TransientProviderError as error:
                paid = isinstance(error, UnusableAnswerError)
                if not paid and self._waits_for_return(call):
                    continue
                pause_s = self._pause_s(call)
                if call.tries >= (PAID_TRIES if paid else TRIES) or call.spent_s + pause_s >= deadline_s:
                    raise
                await self._pause(call, pause_s)

    async def _attempt(
        self,
        call: Call,
        attempt: Callable[[], Awaitable[T]],
        deadline_s: float,
        probe: Callable[[], Awaitable[object]] | None,
    ) -> T:
        """Make one attempt. What a failure says is taken in before its slot is free for the next call."""
        answered = False
        _current_call.set(call)
        try:
            if probe is not None and call.model.down_since is not None and call.priority is not Priority.LIVE:
                await self._within(deadline_s, probe)
                self._probe_answered(call.model)
            value = await self._within(max(0.0, deadline_s - call.spent_s), attempt)
            answered = True
            self._answered(call)
        except RateLimitedError as error:
            self._refused(call, error)
        except UnusableAnswerError:
            call.tries += 1
            call.spent_s += self._clock() - call.started_at
            self._is_up(call.model)
            raise
        except TransientProviderError:
            self._failed(call)
            raise
        except RequestRefusedError:
            self._is_up(call.model)
            raise
        except ProviderUnusableError as error:
            self._break(call, error, BREAKER_S)
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
            message = f"The provider did not answer within {seconds:.0f} s. Try again later."
            raise TransientProviderError(message) from error

    def _answered(self, call: Call) -> None:
        """Note a success: whatever was believed to be broken is not."""
        self._refusals_in_a_row = 0
        call.model.broken_by = None
        self._is_up(call.model)
        call.model.served_at = self._clock()
        call.model.pace.requests.accept(1, self._clock())
        if call.started_at >= self._closed_at:
            call.model.cautious = False

    def _is_up(self, model: Model) -> None:
        model.relapses = 0
        if model.answered():
            self._admission.pump()

    def _probe_answered(self, model: Model) -> None:
        """Let the others go again; whether the provider is of any use, only their own calls can tell."""
        model.relapses += 1
        if model.answered():
            self._admission.pump()

    def _sample(self, call: Call) -> None:
        now = self._clock()
        lane = self._admission.lane(call.priority)
        lane.succeed(call.round_number, call.model.name, now - call.started_at, now)

    def _failed(self, call: Call) -> None:
        call.tries += 1
        call.spent_s += self._clock() - call.started_at
        self._admission.lane(call.priority).fail()
        call.model.failed(self._clock())

    def _waits_for_return(self, call: Call) -> bool:
        """Send a bulk call to the end of its line while the provider is away; its failures are not the call's own.

        Raises ProviderUnusableError where the provider has been away for too long.
        """
        model = call.model
        if model.down_since is None or call.priority is Priority.LIVE:
            return False
        if self._clock() - model.down_since >= DOWN_PATIENCE_S or model.relapses >= RELAPSES:
            self._give_up(call, "The provider has stopped answering")
        call.tries, call.spent_s, call.place = 0, 0.0, self._last_place()
        return True

    def _check_patience(self, call: Call) -> None:
        """End a call that nothing but 429s have answered for too long.

        Raises RateLimitedError for a live call, ProviderUnusableError for bulk work.
        """
        now = self._clock()
        call.refused_at = now if call.refused_at is None else call.refused_at
        if call.priority is Priority.LIVE:
            if now - call.refused_at >= REFUSED_PATIENCE_S:
                raise RateLimitedError("The provider keeps asking to slow down. Try again in some minutes.")
        elif now - max(call.refused_at, call.model.served_at) >= DOWN_PATIENCE_S:
            self._give_up(call, "The provider only asks to slow down")

    def _give_up(self, call: Call, why: str) -> NoReturn:
        gone = f"{why}, and what waits for it was given up. Go on when it is back."
        self._break(call, ProviderUnusableError(gone), BREAKER_S)
        raise self._again(call.model)

    def _pause_s(self, call: Call) -> float:
        # The spread keeps calls that failed together from returning together.
        return float(FIRST_PAUSE_S * 2 ** (call.tries - 1) * (0.75 + 0.5 * self._chance()))

    async def _pause(self, call: Call, pause_s: float) -> None:
        self._retries += 1
        call.spent_s += pause_s
        call.meter.count(retries=1)
        call.meter.waited(throttled_s=pause_s)
        with tracing.span("throttled"):
            await self._sleep(pause_s)

    def _refused(self, call: Call, error: RateLimitedError) -> NoReturn:
        """Close the gate for everybody and raise; beyond anybody's patience with a sentence that says so."""
        now = self._clock()
        self._rate_limited += 1
        call.meter.count(rate_limited=1)
        # A gap of twice the time that a refusal takes lets the next one be seen before another request leaves.
        gap_s = max(self._admission.gap_s, 2 * (now - call.started_at))
        self._admission.gap_s = min(LONGEST_GAP_S, gap_s)
        stated_s = error.retry_after_s
        if stated_s is not None and stated_s > PATIENCE_S:
            self._break(call, error, stated_s)
            raise _wait_long(stated_s) from error
        if call.started_at >= self._closed_at:
            self._close(call, stated_s, now)
        else:  # it left before the last refusal came back and only repeats it
            self._admission.closed_until = max(self._admission.closed_until, now + (stated_s or 0.0))
            call.model.pace.requests.give_back(1)
        raise error

    def _close(self, call: Call, stated_s: float | None, now: float) -> None:
        self._refusals_in_a_row += 1
        # The first refusal is taken at its word; where nothing but refusals follows, the word was not worth much.
        trusted = stated_s is not None and self._refusals_in_a_row == 1
        guess_s = 0.0 if trusted else min(LONGEST_GUESS_S, 0.25 * 2**self._refusals_in_a_row)
        wait_s = max(stated_s or 0.0, guess_s)
        self._closed_at = now
        self._admission.closed_until = max(self._admission.closed_until, now + wait_s)
        self._new_are_cautious = True
        for model in self._models.values():
            model.cautious = True
        call.model.pace.refuse(call.tokens, wait_s, now)
        self._admission.lane(call.priority).refuse()

    def _break(self, call: Call, reason: ProviderError, seconds: float) -> None:
        """Let bulk work of this model fail at once, the waiting calls now and new ones for some time."""
        model = call.model
        model.broken_by = reason
        model.look_again_at = self._clock() + seconds
        self._admission.fail(model, lambda: self._again(model))

    def _ask_breaker(self, call: Call) -> None:
        """Send bulk calls away while the provider is known to refuse them; a live question always tries."""
        model = call.model
        if model.broken_by is None or call.priority is Priority.LIVE:
            return
        now = self._clock()
        if now < model.look_again_at:
            raise self._again(model)
        if isinstance(model.broken_by, RateLimitedError):
            model.broken_by = None  # the stated time is over
        else:
            model.look_again_at = now + BREAKER_S  # this one call looks, the others go on believing

    def _again(self, model: Model) -> ProviderError:
        # An exception raised in many tasks would collect the tracebacks of all: each gets its own.
        if isinstance(model.broken_by, RateLimitedError):
            return _wait_long(max(0.0, model.look_again_at - self._clock()))
        return ProviderUnusableError(str(model.broken_by))


def nobody_is_served(error: Exception) -> bool:
    """Tell whether every other call of bulk work would end alike: whoever has more to ask keeps it for later."""
    long = isinstance(error, RateLimitedError) and (error.retry_after_s or 0.0) > PATIENCE_S
    return long or isinstance(error, ProviderUnusableError)


def _wait_long(seconds: float) -> RateLimitedError:
    minutes = math.ceil(seconds / 60)
    span = f"{minutes} minutes" if minutes < 120 else f"{math.ceil(minutes / 60)} hours"
    return RateLimitedError(f"The provider asks to wait {span}. Start again after that.", retry_after_s=seconds)


def _whole(amount: float) -> int | None:
    return max(0, int(amount)) if math.isfinite(amount) else None
