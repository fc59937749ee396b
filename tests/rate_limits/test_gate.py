"""The gate with a fake clock: slots, order, pacing, cool-down, retries, levels and counts."""

import asyncio
import heapq
import itertools
import math
import random
import re
from email.utils import formatdate
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animerag.errors import (
    ProviderUnusableError,
    RateLimitedError,
    RequestRefusedError,
    TransientProviderError,
    UnusableAnswerError,
)
from animerag.models.providers import Priority
from animerag.rate_limits import Gate, budgeted, estimate_tokens, metering, nobody_is_served, retry_after_s, spending
from animerag.rate_limits.concurrency import AutoLevel
from animerag.rate_limits.headers import announcement
from animerag.rate_limits.token_bucket import Bucket, Pace
from animerag.telemetry.tracing import recording

LIVE, BATCH, INGEST = Priority
LATENCY_S = 1.5


class FakeTime:
    """A clock that jumps to the next wake-up as soon as all tasks sleep."""

    def __init__(self):
        self.now = 0.0
        self._sleepers = []
        self._order = itertools.count()

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        sleeper = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + max(0.0, seconds), next(self._order), sleeper))
        await sleeper

    async def run(self, work):
        task = asyncio.ensure_future(work)
        while True:
            for _ in range(25):
                await asyncio.sleep(0)
            if task.done():
                return task.result()
            while self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            self.now, _, sleeper = heapq.heappop(self._sleepers)
            sleeper.set_result(None)

    def gate(self, **options):
        return Gate(clock=self.clock, sleep=self.sleep, chance=lambda: 0.5, **options)


def on_own_loop(story):
    """Run a coroutine on its own loop, for hypothesis tests."""
    asyncio.run(story())


@pytest.fixture
def fake():
    return FakeTime()


def work(fake, seconds=1.0, started=None, name=None):
    async def attempt():
        if started is not None:
            started.append(name)
        await fake.sleep(seconds)
        return name

    return attempt


def failing(*errors, then="done"):
    """Raise one error after the other, then succeed."""
    left = list(errors)

    async def attempt():
        if left:
            raise left.pop(0)
        return then

    return attempt


def slow_down(seconds=None):
    return RateLimitedError("The provider asks to slow down.", retry_after_s=seconds)


# Slots and places

CALLS = st.lists(
    st.tuples(st.sampled_from(Priority), st.integers(1, 5), st.integers(0, 6)), min_size=1, max_size=25
)  # priority, seconds of work, second of arrival


@settings(max_examples=40)
@given(calls=CALLS, ingest=st.integers(1, 4), query=st.integers(1, 4))
def test_no_more_calls_are_in_flight_than_the_level_allows(calls, ingest, query):
    async def story():
        fake = FakeTime()
        gate = fake.gate(ingest=ingest, query=query)
        peaks = dict.fromkeys(Priority, 0)

        async def call(priority, seconds, arrival):
            await fake.sleep(arrival)
            async with gate.slot(priority=priority):
                for each, count in gate.state().in_flight.items():
                    peaks[each] = max(peaks[each], count)
                assert gate.state().in_flight[LIVE] + gate.state().in_flight[BATCH] <= gate.level(LIVE)
                await fake.sleep(seconds)

        await fake.run(asyncio.gather(*(call(*each) for each in calls)))

        assert all(peaks[priority] <= gate.level(priority) for priority in Priority)

    on_own_loop(story)


@settings(max_examples=40)
@given(priorities=st.lists(st.sampled_from(Priority), min_size=1, max_size=15))
def test_live_goes_before_batch_before_ingest_and_each_in_order_of_arrival(priorities):
    async def story():
        fake = FakeTime()
        gate = fake.gate(capacity=1)
        started = []

        async def crowd():
            async with gate.slot(priority=INGEST):
                calls = [
                    asyncio.create_task(gate.run(work(fake, 1, started, (priority, place)), priority=priority))
                    for place, priority in enumerate(priorities)
                ]
                await fake.sleep(1)
            await asyncio.gather(*calls)

        await fake.run(crowd())

        assert started == sorted(started)
        assert len(started) == len(priorities)

    on_own_loop(story)


@settings(max_examples=60)
@given(
    calls=CALLS,
    cancels=st.lists(st.tuples(st.integers(0, 24), st.sampled_from([0.0, 0.01, 0.5, 1.0, 2.0, 3.5])), max_size=20),
    rpm=st.sampled_from([None, 60]),
    refusals=st.integers(0, 3),
)
def test_cancelled_calls_leave_no_slot_behind(calls, cancels, rpm, refusals):
    async def story():
        fake = FakeTime()
        gate = fake.gate(ingest=2, query=2, max_rpm=rpm)
        left = [refusals]

        async def attempt():
            await fake.sleep(0.5)
            if left[0]:
                left[0] -= 1
                raise slow_down(0.5)

        async def call(priority, seconds, arrival):
            await fake.sleep(arrival / 2)
            async with gate.held(attempt, priority=priority):
                await fake.sleep(seconds)

        async def crowd():
            tasks = [asyncio.create_task(call(*each)) for each in calls]
            for place, after in sorted(cancels, key=lambda cancel: cancel[1]):
                await fake.sleep(max(0.0, after - fake.now))
                tasks[place % len(tasks)].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await gate.run(work(fake), priority=INGEST)

        await fake.run(crowd())

        state = gate.state()
        assert (state.total_in_flight, state.total_waiting) == (0, 0)
        assert not [task for task in asyncio.all_tasks() if "look_later" in repr(task) and not task.cancelling()]

    on_own_loop(story)


async def test_a_call_that_is_admitted_and_cancelled_at_once_frees_its_slot(fake):
    gate = fake.gate(capacity=1)

    async def story():
        async with gate.slot(priority=INGEST):
            waiting = asyncio.create_task(gate.run(work(fake), priority=INGEST))
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert gate.state().total_in_flight == 0
        return await gate.run(work(fake, name="next"), priority=INGEST)

    assert await fake.run(story()) == "next"


async def test_a_live_question_does_not_wait_behind_bulk_work(fake):
    gate = fake.gate(ingest=5, query=5)
    bulk = [gate.run(work(fake, 100), priority=priority) for priority in (BATCH, INGEST) for _ in range(20)]

    async def question():
        await fake.sleep(1)
        before = fake.now
        await gate.run(work(fake, 1), priority=LIVE)
        return fake.now - before

    assert await fake.run(asyncio.wait_for(question(), None)) == pytest.approx(1.0)
    crowd = asyncio.gather(*bulk, question())
    assert (await fake.run(crowd))[-1] == pytest.approx(1.0, abs=0.05)


async def test_a_level_changed_while_running_takes_effect_at_once(fake):
    gate = fake.gate(ingest=1)

    async def story():
        calls = [asyncio.create_task(gate.run(work(fake, 10), priority=INGEST)) for _ in range(4)]
        await fake.sleep(1)
        before = gate.state().in_flight[INGEST]
        gate.set_level(INGEST, 4)
        await fake.sleep(1)
        after = gate.state().in_flight[INGEST]
        await asyncio.gather(*calls)
        return before, after

    assert await fake.run(story()) == (1, 4)


async def test_a_held_slot_is_free_when_its_block_ends(fake):
    gate = fake.gate(query=1)

    async def story():
        async with gate.held(work(fake, name="stream"), priority=BATCH) as value:
            assert value == "stream"
            assert gate.state().in_flight[BATCH] == 1
        assert gate.state().in_flight[BATCH] == 0
        with pytest.raises(KeyError):
            async with gate.held(work(fake), priority=BATCH):
                raise KeyError
        assert gate.state().in_flight[BATCH] == 0

    await fake.run(story())


# Pacing


@settings(max_examples=100)
@given(
    per_minute=st.integers(6, 6000),
    amounts=st.lists(st.tuples(st.floats(0.1, 50), st.floats(0, 5)), min_size=1, max_size=40),
)
def test_a_bucket_never_gives_more_than_it_held_and_gained(per_minute, amounts):
    bucket = Bucket(per_minute=per_minute)
    rate, now, spent = per_minute / 60, 0.0, 0.0

    for amount, pause in amounts:
        now += pause
        now += bucket.wait_s(amount, now)
        bucket.spend(amount, now)
        spent += amount

        # One request may be larger than the whole bucket; the next one waits for the excess.
        assert spent - amount <= bucket.capacity + rate * (now + 0.1)


@settings(max_examples=50)
@given(per_minute=st.integers(6, 600), count=st.integers(2, 60))
def test_a_bucket_is_not_slower_than_its_rate(per_minute, count):
    bucket = Bucket(per_minute=per_minute)
    now = 0.0

    for _ in range(count):
        now += bucket.wait_s(1, now)
        bucket.spend(1, now)

    assert now <= max(0.0, count - bucket.capacity) / (per_minute / 60) + 0.2


class LimitedServer:
    """Allows `capacity` requests at once and `rate` a second; announces it in one of the ways that servers do."""

    def __init__(
        self,
        fake,
        *,
        rate=0.5,
        capacity=5,
        at="arrival",
        strict=False,
        window=None,
        jitter=0.0,
        taken=0,
        latency_s=LATENCY_S,
    ):
        self.fake, self.rate, self.capacity = fake, rate, capacity
        self.at, self.strict, self.window, self.jitter = at, strict, window, jitter
        self.left, self.counted_at, self.latency_s = float(capacity - taken), 0.0, latency_s
        self.refusals = []
        self.served = []
        self.chance = random.Random(7)

    def refill(self):
        if self.window:
            if self.fake.now >= self.counted_at + self.window or not self.served:
                self.left, self.counted_at = float(self.capacity), self.fake.now
            return
        self.left = min(self.capacity, self.left + (self.fake.now - self.counted_at) * self.rate)
        self.counted_at = self.fake.now

    def headers(self):
        self.refill()
        reset_s = (self.capacity - self.left) / self.rate
        if self.window:
            reset_s = self.counted_at + self.window - self.fake.now
        return {
            "x-ratelimit-limit-requests": str(round(self.rate * 60)),
            "x-ratelimit-remaining-requests": str(math.floor(self.left + 1e-9)),
            "x-ratelimit-reset-requests": f"{reset_s:.3f}s",
        }

    async def answer(self, gate, name, model=""):
        await self.fake.sleep(0.002)
        self.refill()
        if self.left < 1 - 1e-9:
            await self.refuse(gate, model)
        self.left -= 1
        self.served.append(name)
        headers = self.headers()
        await self.fake.sleep(self.latency_s * (1 + self.jitter * (2 * self.chance.random() - 1)))
        gate.learn(headers if self.at == "arrival" else self.headers(), model=model)

    async def refuse(self, gate, model):
        wait_s = self.window - (self.fake.now - self.counted_at) if self.window else (1 - self.left) / self.rate
        if self.strict:
            self.left, wait_s = 0.0, 1 / self.rate
        self.refusals.append(self.fake.now)
        headers = self.headers()
        await self.fake.sleep(0.002)
        gate.learn(headers, model=model)
        raise slow_down(wait_s)

    def worst_window(self):
        return max((sum(first <= each < first + 10 for each in self.refusals) for first in self.refusals), default=0)


def through(server, gate, count):
    calls = (gate.run(lambda place=place: server.answer(gate, place), priority=INGEST) for place in range(count))
    return asyncio.gather(*calls)


@pytest.mark.parametrize("level", [3, 5, 10, 20, "auto"])
@pytest.mark.parametrize(
    "ways",
    [
        {},
        {"at": "response"},
        {"strict": True},
        {"at": "response", "jitter": 0.5},
        {"taken": 1},
        {"taken": 1, "at": "response", "latency_s": 0.5},
        {"taken": 1, "at": "response", "latency_s": 0.7, "jitter": 0.5},
        {"taken": 3, "latency_s": 0.5},
    ],
)
async def test_a_provider_of_five_in_ten_seconds_refuses_once_at_most(fake, level, ways):
    server = LimitedServer(fake, **ways)
    gate = fake.gate(ingest=level)

    await fake.run(through(server, gate, 15))

    assert sorted(server.served) == list(range(15))
    assert server.worst_window() <= 1
    assert fake.now <= 1.10 * (20 + 2 * ways.get("taken", 0) + server.latency_s)


def through_models(servers, gate, count):
    """Send calls to servers by the name of their model, one after the other."""

    def call(number):
        model = list(servers)[number % len(servers)]
        return gate.run(lambda: servers[model].answer(gate, number, model), priority=INGEST, model=model)

    return asyncio.gather(*map(call, range(count)))


@pytest.mark.parametrize("level", [3, 5, 10, 20, "auto"])
@pytest.mark.parametrize("ways", [{}, {"at": "response"}, {"at": "response", "jitter": 0.5}, {"taken": 2}])
async def test_models_that_share_a_limit_are_counted_together(fake, level, ways):
    server = LimitedServer(fake, **ways)
    gate = fake.gate(ingest=level)

    await fake.run(through_models({"chat": server, "embedding": server}, gate, 15))

    assert server.worst_window() <= 1
    assert fake.now <= 1.10 * (20 + 2 * ways.get("taken", 0) + server.latency_s)


async def test_models_with_equal_limits_of_their_own_do_not_hold_each_other_up(fake):
    servers = {name: LimitedServer(fake, rate=1, capacity=20) for name in ("chat", "embedding")}
    gate = fake.gate(ingest=20)

    await fake.run(through_models(servers, gate, 100))

    assert all(server.worst_window() <= 1 for server in servers.values())
    assert fake.now <= 1.4 * (30 + LATENCY_S), "and not the 80 s that one limit for both would take"


async def test_a_limit_of_thirty_in_ten_seconds_is_used_up(fake):
    server = LimitedServer(fake, rate=3, capacity=30)
    gate = fake.gate(ingest=20)

    await fake.run(through(server, gate, 60))

    assert server.worst_window() <= 1
    assert fake.now <= 1.10 * (10 + LATENCY_S)


@pytest.mark.parametrize("level", [5, 10])
async def test_windows_that_reset_at_once_are_used_up(fake, level):
    server = LimitedServer(fake, window=10)
    gate = fake.gate(ingest=level)

    await fake.run(through(server, gate, 15))

    assert server.worst_window() <= 1
    assert fake.now <= 1.10 * (20 + LATENCY_S)


async def test_a_provider_that_announces_nothing_is_learnt_from_its_refusals(fake):
    server = LimitedServer(fake)
    server.headers = dict
    gate = fake.gate(ingest=10)

    await fake.run(through(server, gate, 15))

    assert len(server.refusals) <= 5
    assert fake.now <= 1.10 * (20 + LATENCY_S)


async def test_cautious_starts_cost_almost_nothing_with_an_unlimited_provider(fake):
    gate = fake.gate(ingest=5)

    await fake.run(asyncio.gather(*(gate.run(work(fake, 1.5), priority=INGEST) for _ in range(15))))

    assert fake.now <= 4.5 + 0.05


async def test_configured_limits_apply_from_the_first_request(fake):
    gate = fake.gate(ingest=50, max_rpm=60)
    started = []

    async def attempt():
        started.append(fake.now)

    await fake.run(asyncio.gather(*(gate.run(attempt, priority=INGEST) for _ in range(20))))

    assert fake.now == pytest.approx(15, abs=0.2)
    assert all(later - earlier >= 0.9 for earlier, later in itertools.pairwise(started[6:]))


@settings(max_examples=60)
@given(
    limits=st.tuples(st.integers(1, 40), st.integers(200, 4000)),
    pauses=st.lists(st.one_of(st.just(0.0), st.floats(0, 3), st.floats(0, 90)), min_size=1, max_size=150),
    tokens=st.lists(st.tuples(st.integers(1, 200), st.floats(0, 1)), min_size=1, max_size=20),
    jitters=st.lists(st.floats(0, 0.3), min_size=1, max_size=20),
)
def test_no_minute_holds_more_than_the_set_number_as_the_provider_counts(limits, pauses, tokens, jitters):
    requests, most = limits
    pace = Pace(max_rpm=requests, max_tpm=most)
    now, arrivals = 0.0, []

    for pause, (estimated, share), jitter in zip(
        pauses, itertools.cycle(tokens), itertools.cycle(jitters), strict=False
    ):
        now += pause
        while (wait_s := pace.wait_s(estimated, now)) > 0:
            now += wait_s
        grant = pace.spend(estimated, now)
        used = math.ceil(estimated * share)
        pace.tokens.give_back(estimated - used)
        grant.amount = used
        arrivals.append((now + jitter, used))

    for first, _ in arrivals:
        within = [used for at, used in arrivals if first <= at < first + 60 - 1e-6]
        assert len(within) <= requests
        assert sum(within) <= most


async def test_a_minute_is_fully_used_but_never_exceeded(fake):
    gate = fake.gate(ingest=50, max_rpm=60)
    started = []

    async def attempt():
        started.append(fake.now)

    await fake.run(asyncio.gather(*(gate.run(attempt, priority=INGEST) for _ in range(180))))

    assert max(sum(first <= each < first + 60 for each in started) for first in started) == 60
    assert fake.now <= 1.1 * 175


async def test_unused_tokens_are_given_back_to_the_window_by_the_call_that_took_them(fake):
    gate = fake.gate(ingest=50, max_tpm=6000)

    async def attempt():
        await fake.sleep(1.0)
        gate.learn({}, unused_tokens=400)

    calls = (gate.run(attempt, priority=INGEST, tokens=500) for _ in range(50))
    await fake.run(asyncio.gather(*calls))

    assert fake.now <= 60  # 50 × 100 tokens are less than a minute's, 50 × 500 would be four minutes'


async def test_tokens_are_paced_and_what_was_not_used_is_given_back(fake):
    gate = fake.gate(ingest=50, max_tpm=6000)  # 100 a second, 500 at once

    async def attempt():
        gate.learn({}, unused_tokens=400)

    await fake.run(asyncio.gather(*(gate.run(attempt, priority=INGEST, tokens=500) for _ in range(11))))

    assert fake.now == pytest.approx(10, abs=1)


async def test_pacing_keeps_the_order_of_arrival(fake):
    gate = fake.gate(ingest=50, max_rpm=60)
    started = []

    await fake.run(asyncio.gather(*(gate.run(work(fake, 0.1, started, place), priority=INGEST) for place in range(20))))

    assert started == list(range(20))


async def test_limits_of_one_model_do_not_hold_up_another(fake):
    gate = fake.gate(ingest=50)
    full = {"x-ratelimit-limit-requests": "1", "x-ratelimit-remaining-requests": "0"}
    gate.learn(full, model="slow")

    async def story():
        slow = asyncio.create_task(gate.run(work(fake), priority=INGEST, model="slow"))
        await gate.run(work(fake), priority=INGEST, model="fast")
        slow.cancel()
        return fake.now

    assert await fake.run(story()) <= 1.1


# Refusals


async def test_a_429_closes_the_gate_for_all_calls_and_uses_no_attempt(fake):
    gate = fake.gate(ingest=3)
    begun = []

    async def other():
        begun.append(fake.now)

    async def story():
        refused = asyncio.create_task(gate.run(failing(*[slow_down(6)] * 6), priority=INGEST))
        await fake.sleep(1)
        await gate.run(other, priority=LIVE)
        return await refused

    with metering() as meter:
        assert await fake.run(story()) == "done"

    assert min(begun) >= 6
    assert (meter.rate_limited, meter.retries) == (6, 0)


async def test_the_gate_gives_the_reason_for_its_wait(fake):
    gate = fake.gate(ingest=3)

    async def story():
        call = asyncio.create_task(gate.run(failing(slow_down(6)), priority=INGEST))
        await fake.sleep(0.5)
        words = gate.state().words()
        await call
        return words

    assert await fake.run(story()) == "waiting 6 s, as the provider requested"
    assert gate.state().words() == "0 now, none waiting"
    assert gate.state().rate_limited == 1


async def test_a_wait_of_minutes_is_reported_instead_of_awaited(fake):
    gate = fake.gate(ingest=1)

    async def story():
        calls = [gate.run(failing(slow_down(3600)), priority=INGEST) for _ in range(5)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        with pytest.raises(RateLimitedError, match="minutes"):
            await gate.run(work(fake), priority=BATCH)
        live = await gate.run(work(fake, name="live"), priority=LIVE)
        return outcomes, live, await gate.run(work(fake, name="bulk again"), priority=INGEST)

    outcomes, *later = await fake.run(story())

    assert [type(outcome) for outcome in outcomes] == [RateLimitedError] * 5
    assert "60 minutes" in str(outcomes[0])
    assert later == ["live", "bulk again"]


@pytest.mark.parametrize("stated", [1.0, 0.05, None])
async def test_many_refusals_cause_few_requests_and_no_failed_call(fake, stated):
    gate = fake.gate()
    attempts = []

    async def attempt():
        attempts.append(fake.now)
        await fake.sleep(0.05)
        if fake.now < 60:
            raise slow_down(stated)
        await fake.sleep(1)

    await fake.run(asyncio.gather(*(gate.run(attempt, priority=INGEST) for _ in range(100))))

    assert len(attempts) <= 1.2 * 100 + 10
    assert gate.level(INGEST) >= 5
    assert fake.now <= 120


# Other failures


async def test_transient_errors_are_retried_up_to_four_attempts(fake):
    gate = fake.gate()
    trouble = TransientProviderError("The provider has trouble.")

    with metering() as meter:
        assert await fake.run(gate.run(failing(*[trouble] * 3), priority=INGEST)) == "done"
    assert (meter.requests, meter.retries) == (4, 3)

    with pytest.raises(TransientProviderError, match="trouble"):
        await fake.run(gate.run(failing(*[trouble] * 4), priority=INGEST))


async def test_a_transient_failure_is_not_a_paid_attempt(fake):
    passing, useless = TransientProviderError("passing"), UnusableAnswerError("useless")
    attempt = failing(passing, useless)
    assert await fake.run(fake.gate().run(attempt, priority=INGEST)) == "done"
    with pytest.raises(UnusableAnswerError):
        await fake.run(fake.gate().run(failing(useless, passing, useless), priority=INGEST))


async def test_attempts_end_at_the_deadline(fake):
    gate = fake.gate()
    attempts = []

    async def attempt():
        attempts.append(fake.now)
        await fake.sleep(25)
        raise TransientProviderError("The provider has trouble.")

    with pytest.raises(TransientProviderError):
        await fake.run(gate.run(attempt, priority=INGEST, deadline_s=50))

    assert len(attempts) == 2


async def test_an_attempt_that_outlasts_the_deadline_is_cut():
    gate = Gate()

    with pytest.raises(TransientProviderError, match="did not answer"):
        await gate.run(lambda: asyncio.sleep(60), priority=INGEST, deadline_s=0.02)

    assert gate.state().total_in_flight == 0


async def test_waiting_at_the_gate_does_not_count_against_the_deadline(fake):
    gate = fake.gate(ingest=1)
    calls = [gate.run(work(fake, 40, name=place), priority=INGEST, deadline_s=60) for place in range(4)]

    assert await fake.run(asyncio.gather(*calls)) == [0, 1, 2, 3]


@pytest.mark.parametrize("error", [RequestRefusedError("no."), ProviderUnusableError("no key."), KeyError("a bug")])
async def test_permanent_errors_are_raised_without_a_retry(fake, error):
    gate = fake.gate()

    with metering() as meter, pytest.raises(type(error)):
        await fake.run(gate.run(failing(error), priority=INGEST))

    assert meter.requests == 1
    assert gate.state().total_in_flight == 0


async def test_an_unusable_provider_stops_bulk_work_but_not_the_next_live_question(fake):
    gate = fake.gate(ingest=1, query=1)
    attempts = []

    async def attempt():
        attempts.append(fake.now)
        await fake.sleep(1)
        raise ProviderUnusableError("The provider refuses the key.")

    async def story():
        bulk = await asyncio.gather(*(gate.run(attempt, priority=INGEST) for _ in range(10)), return_exceptions=True)
        with pytest.raises(ProviderUnusableError):
            await gate.run(work(fake), priority=BATCH)
        words = gate.state().words()
        await gate.run(work(fake), priority=LIVE)
        return bulk, words, await gate.run(work(fake, name="bulk again"), priority=INGEST)

    bulk, words, later = await fake.run(story())

    assert {str(error) for error in bulk} == {"The provider refuses the key."}
    assert len({id(error) for error in bulk}) == 10
    assert len(attempts) == 1
    assert words == "stopped: The provider refuses the key."
    assert later == "bulk again"


def unavailable(fake, since_s, until_s):
    """Return attempts at a provider with an outage, and their times."""
    attempts = []

    async def attempt():
        attempts.append(fake.now)
        await fake.sleep(1)
        if since_s <= fake.now < until_s:
            raise TransientProviderError("The provider cannot be reached.")

    return attempt, attempts


async def test_bulk_work_waits_for_a_provider_that_is_down_with_few_probes(fake):
    gate = fake.gate(query=3)
    attempt, attempts = unavailable(fake, 10, 310)

    async def story():
        bulk = asyncio.gather(*(gate.run(attempt, priority=BATCH) for _ in range(60)))
        await fake.sleep(100)
        words = gate.state().words()
        with pytest.raises(TransientProviderError):
            await gate.run(attempt, priority=LIVE)
        live = fake.now
        await bulk
        return words, live

    words, live = await fake.run(story())

    assert re.fullmatch(r"waiting \d+ s, because the provider has not answered for \d+ s", words)
    assert live < 110, "a person who waits gets the error after four tries"
    meanwhile = [at for at in attempts if 12 < at < 310]
    assert len(meanwhile) <= 3 + 4 + 300 / 30 + 1, "once each half minute, beside the first failures and the live ones"
    assert fake.now < 310 + 30 + 60


async def test_bulk_work_gives_up_a_provider_that_stays_down_until_a_reset(fake):
    gate = fake.gate(query=3)
    attempt, attempts = unavailable(fake, 5, 2000)

    async def story():
        await gate.run(attempt, priority=BATCH)
        bulk = await asyncio.gather(*(gate.run(attempt, priority=BATCH) for _ in range(60)), return_exceptions=True)
        given_up = fake.now
        gate.reset()
        asked = len(attempts)
        with pytest.raises(ProviderUnusableError):
            await gate.run(attempt, priority=BATCH)
        again = len(attempts) - asked
        await fake.sleep(2000)
        gate.reset()
        await gate.run(attempt, priority=BATCH)
        return bulk, given_up, again

    bulk, given_up, again = await fake.run(story())

    kinds = {type(error) for error in bulk}
    assert kinds == {type(None), ProviderUnusableError}
    assert all(nobody_is_served(error) for error in bulk if error)
    assert 600 <= given_up <= 660
    assert again == 1


async def test_bulk_work_does_not_wait_after_one_bad_call_or_for_an_unknown_provider(fake):
    gate = fake.gate(query=1)
    trouble = TransientProviderError("The provider has trouble.")

    async def story():
        with pytest.raises(TransientProviderError, match="trouble"):  # nothing shows that it ever worked
            await gate.run(failing(*[trouble] * 9), priority=BATCH)
        await gate.run(work(fake), priority=BATCH)
        with pytest.raises(TransientProviderError, match="trouble"):
            await gate.run(failing(*[trouble] * 4), priority=BATCH)
        await gate.run(work(fake), priority=BATCH)

    await fake.run(story())
    assert fake.now < 15


async def test_a_request_that_is_refused_shows_that_the_provider_is_back(fake):
    gate = fake.gate(query=1)
    trouble = TransientProviderError("The provider cannot be reached.")

    async def story():
        await gate.run(work(fake), priority=BATCH)
        calls = [failing(*[trouble] * 4), failing(trouble, RequestRefusedError("no.")), work(fake)]
        return await asyncio.gather(*(gate.run(call, priority=BATCH) for call in calls), return_exceptions=True)

    outcomes = await fake.run(story())
    assert [type(one) for one in outcomes] == [TransientProviderError, RequestRefusedError, type(None)]
    assert fake.now < 45


async def test_bulk_work_probes_again_after_30_s_or_a_reset(fake):
    gate = fake.gate()
    bad_key = ProviderUnusableError("The provider refuses the key.")

    async def story():
        for before in (lambda: fake.sleep(31), lambda: asyncio.sleep(0, gate.reset())):
            with pytest.raises(ProviderUnusableError):
                await gate.run(failing(bad_key), priority=INGEST)
            await before()
            assert await gate.run(work(fake, name="fine"), priority=INGEST) == "fine"

    await fake.run(story())


async def test_a_wrong_model_name_does_not_stop_another_model(fake):
    gate = fake.gate()

    async def story():
        with pytest.raises(ProviderUnusableError):
            await gate.run(failing(ProviderUnusableError("no such model.")), priority=BATCH, model="gpt-typo")
        return await gate.run(work(fake, name="embedded"), priority=INGEST, model="embedder")

    assert await fake.run(story()) == "embedded"


# Levels that find themselves


def crowded(fake, room, jitter, seed):
    """Return an attempt at a server that works on `room` requests at a time."""
    places = asyncio.Semaphore(room)
    chance = random.Random(seed)

    async def attempt():
        async with places:
            await fake.sleep(1 + jitter * (2 * chance.random() - 1))

    return attempt


@pytest.mark.parametrize("seed", range(5))
async def test_varying_latencies_are_not_mistaken_for_a_knee(fake, seed):
    gate = fake.gate()
    attempt = crowded(fake, 1000, 0.5, seed)

    await fake.run(asyncio.gather(*(gate.run(attempt, priority=INGEST) for _ in range(250))))

    assert gate.level(INGEST) == 64


@pytest.mark.parametrize("jitter", [0.0, 0.5])
async def test_the_level_settles_near_the_providers_capacity(fake, jitter):
    gate = fake.gate()
    attempt = crowded(fake, 10, jitter, 1)

    await fake.run(asyncio.gather(*(gate.run(attempt, priority=INGEST) for _ in range(400))))

    assert 5 <= gate.level(INGEST) <= 20
    assert fake.now <= 1.10 * 40


async def test_each_prompt_answer_lets_two_requests_follow_while_the_level_doubles(fake):
    gate = fake.gate()
    started = []

    async def attempt(seconds):
        started.append(fake.now)
        await fake.sleep(seconds)

    calls = [gate.run(partial(attempt, 1 + 0.05 * place), priority=INGEST) for place in range(13)]
    await fake.run(asyncio.gather(*calls))

    after_first = [now for now in started if now < 1.05]
    assert len(after_first) == 5 + 2, "one answer: its own place and one more"


def test_unanswered_calls_do_not_block_the_level_permanently():
    level = AutoLevel(5)
    lost, answered = [level.begin(place, 0.0) for place in range(1, 5)], level.begin(5, 0.0)
    level.succeed(answered, "m", 1.0, 1.0)
    for now in range(2, 40):
        level.succeed(level.begin(level.now, now - 1), "m", 1.0, float(now))

    assert set(lost) == {answered}
    assert level.now > 10


async def test_auto_starts_at_five_and_three_and_stays_there_without_demand(fake):
    gate = fake.gate()

    async def one_by_one():
        for _ in range(20):
            await gate.run(work(fake), priority=INGEST)

    await fake.run(one_by_one())

    assert (gate.level(INGEST), gate.level(BATCH), gate.level(LIVE)) == (5, 3, 4)


async def test_refusals_do_not_change_a_fixed_level(fake):
    gate = fake.gate(ingest=7)

    await fake.run(gate.run(failing(slow_down(1)), priority=INGEST))

    assert gate.level(INGEST) == 7


async def test_a_429_halves_the_automatic_level(fake):
    gate = fake.gate()

    await fake.run(gate.run(failing(slow_down(1)), priority=INGEST))

    assert gate.level(INGEST) == 2


# Counts


async def test_an_outer_meter_counts_the_calls_of_an_inner_one_too(fake):
    gate = fake.gate(ingest=2)

    async def job(count):
        with metering() as meter:
            await asyncio.gather(*(gate.run(work(fake, 10), priority=INGEST) for _ in range(count)))
        return meter

    with metering() as outer:
        first, second = await fake.run(asyncio.gather(job(2), job(2)))

    assert (first.requests, second.requests, outer.requests) == (2, 2, 4)
    assert outer.peak_in_flight == 2
    assert outer.mean_in_flight == pytest.approx(2, abs=0.01)
    assert second.queued_s == pytest.approx(20, abs=0.1)
    assert second.throttled_s == pytest.approx(0, abs=0.1)


async def test_waiting_for_a_limit_is_not_counted_as_waiting_for_a_slot(fake):
    gate = fake.gate(ingest=1, max_rpm=60)

    with metering() as meter:
        await fake.run(asyncio.gather(*(gate.run(work(fake, 0), priority=INGEST) for _ in range(8))))

    assert meter.queued_s == pytest.approx(0, abs=0.1)
    assert meter.throttled_s == pytest.approx(1 + 2 + 3, abs=0.3)


async def test_waiting_is_recorded_as_spans(fake):
    gate = fake.gate(ingest=1)

    with recording() as recorder:
        await fake.run(asyncio.gather(*(gate.run(work(fake), priority=INGEST) for _ in range(2))))
        await fake.run(gate.run(failing(slow_down(1)), priority=INGEST))

    assert {span.name for span in recorder.spans} == {"queue", "throttled"}


async def test_waiting_for_a_slot_behind_the_first_cautious_requests_is_no_throttling(fake):
    gate = fake.gate(ingest=3)

    with recording() as recorder, metering() as meter:
        await fake.run(asyncio.gather(*(gate.run(work(fake), priority=INGEST) for _ in range(6))))

    waits = [span.name for span in recorder.spans]
    assert waits.count("queue") == 3, "the second three wait for the first"
    assert meter.throttled_s < 0.1


# Headers and tokens


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"Retry-After": "2"}, 2.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "3"}, 3.0),
        ({"retry-after": formatdate(1_000_030, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(999_000, usegmt=True)}, 0.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_every_form_and_garbage_ignored(headers, seconds):
    assert retry_after_s(headers, 1_000_000) == seconds


@settings(max_examples=50)
@given(text=st.text(max_size=40))
def test_no_header_breaks_the_parser(text):
    headers = {"retry-after": text, "retry-after-ms": text}
    limits = dict.fromkeys(
        [f"x-ratelimit-{part}-requests" for part in ("limit", "remaining", "reset")],
        text,
    )

    waited = retry_after_s(headers, 0.0)

    assert waited is None or waited >= 0
    announcement(limits, "requests")


@pytest.mark.parametrize(
    ("text", "seconds", "precision"), [("6m0s", 360, 1), ("1.25s", 1.25, 0.01), ("20ms", 0.02, 0.001), ("7", 7, 1)]
)
def test_resets_are_read_with_their_precision(text, seconds, precision):
    announced = announcement({"x-ratelimit-limit-tokens": "10", "x-ratelimit-reset-tokens": text}, "tokens")

    assert announced.reset_s == pytest.approx(seconds)
    assert announced.precision_s == pytest.approx(precision)


def test_tokens_are_estimated_with_caution():
    assert estimate_tokens("") == 0
    assert estimate_tokens("three words here") >= 3
    assert estimate_tokens("進撃の巨人") >= 5
    assert estimate_tokens("\ud800") >= 0


# Budgets


async def test_a_cap_includes_calls_in_flight_and_is_corrected_by_their_usage():
    with budgeted(1.0):
        async with spending(0.6) as settle:
            with pytest.raises(ProviderUnusableError, match=r"cap of \$1 is reached"):
                await refused(0.5)
            settle(0.1)
        async with spending(0.9) as settle:
            settle(None)  # not counted: the estimate stands
        with pytest.raises(ProviderUnusableError, match="is reached"):
            await refused(0.2)


async def refused(expected_usd):
    async with spending(expected_usd):
        raise AssertionError("no call is made")


async def test_a_call_that_fails_costs_nothing_and_an_unknown_price_is_refused():
    with budgeted(1.0):
        with pytest.raises(KeyError):
            async with spending(0.9):
                raise KeyError("failed")
        async with spending(0.9):
            pass
        with pytest.raises(ProviderUnusableError, match="the price of this model is not known"):
            await refused(None)


async def test_without_a_cap_any_price_is_accepted():
    with budgeted(None):
        async with spending(None) as settle:
            settle(None)
