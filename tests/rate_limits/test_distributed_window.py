"""Limits and cost caps that hosts share through PostgreSQL: two processes, and the provider counts."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import aiohttp
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import LibraryError, ProviderUnusableError, TransientProviderError
from animerag.models.providers import Priority
from animerag.rate_limits import Gate
from animerag.rate_limits.distributed_window import FENCE_S, Permit, Refusal, UnusedGrant, WindowLimits, WindowState
from animerag.simulator import SimulatorProcess, SimulatorSettings
from animerag.simulator.server import listening
from tests.rate_limits.namespaces import namespaces
from tests.rate_limits.test_gate import FakeTime

LIVE, BATCH, INGEST = Priority
ROOT = Path(__file__).parents[2]
WINDOW_S = 3.0


# What fits into a window

ASKS = st.lists(
    st.tuples(st.floats(0, 3), st.booleans(), st.integers(1, 800), st.floats(0, FENCE_S)), min_size=1, max_size=40
)  # seconds since the previous request, bulk work, tokens, seconds until it is sent


@settings(max_examples=30)
@given(asks=ASKS, requests=st.integers(1, 20), tokens=st.integers(1000, 5000))
def test_no_window_exceeds_the_limits_whatever_the_hosts_request(asks, requests, tokens):
    limits = WindowLimits(requests=requests, tokens=tokens, window_s=WINDOW_S)
    state, now, sent = WindowState(), 1000.0, []

    for pause_s, bulk, amount, delay_s in asks:
        now += pause_s
        state = WindowState.of(json.loads(json.dumps(state.as_json())))
        answer = state.request(amount, limits, now, bulk=bulk)
        if isinstance(answer, Permit):
            sent.append((now + delay_s, bulk, amount))

    for first, _, _ in sent:
        window = [(bulk, amount) for at, bulk, amount in sent if first <= at <= first + WINDOW_S]
        assert len(window) <= requests
        assert sum(amount for _, amount in window) <= tokens
        assert sum(bulk for bulk, _ in window) <= max(1, 0.8 * requests)
        assert sum(amount for bulk, amount in window if bulk) <= 0.8 * tokens


@settings(max_examples=10)
@given(requests=st.integers(1, 50), bulk=st.booleans())
def test_a_refused_request_fits_after_the_stated_wait_and_the_limit_is_used_up(requests, bulk):
    limits = WindowLimits(requests=requests, window_s=WINDOW_S)
    state, now, sent = WindowState(), 0.0, 0

    while now < 10 * WINDOW_S:
        answer = state.request(100, limits, now, bulk=bulk)
        if isinstance(answer, Refusal):
            now += answer.wait_s
            assert isinstance(state.request(100, limits, now, bulk=bulk), Permit)
        sent += 1

    share = max(1, int(0.8 * requests)) if bulk else requests
    assert sent >= 10 * share * WINDOW_S / (WINDOW_S + 1)


def test_live_questions_have_a_fifth_of_the_window_and_do_not_wait_for_bulk_work():
    limits = WindowLimits(requests=20, window_s=60)
    state, now = WindowState(), 0.0
    while sum(slot.requests for slot in state.slots.values()) < 16:
        answer = state.request(1, limits, now, bulk=True)
        now += answer.wait_s if isinstance(answer, Refusal) else 0.0

    assert now < 60
    assert isinstance(state.request(1, limits, 59.0, bulk=True), Refusal)
    live = [state.request(1, limits, 59.0, bulk=False) for _ in range(5)]
    assert [type(answer) for answer in live] == [Permit] * 4 + [Refusal]


def test_unused_units_are_given_back():
    limits = WindowLimits(requests=2, tokens=100, window_s=60)
    state = WindowState()
    first = state.request(90, limits, 0.0, bulk=False)
    assert isinstance(state.request(20, limits, 1.0, bulk=False), Refusal)
    state.give_back([UnusedGrant(permit=first, tokens=50)])
    second = state.request(20, limits, 1.0, bulk=False)
    assert isinstance(state.request(1, limits, 2.0, bulk=False), Refusal)
    state.give_back([UnusedGrant(permit=second, tokens=20, requests=1)])
    assert isinstance(state.request(60, limits, 2.0, bulk=False), Permit)


def test_requests_counted_before_the_clock_was_set_back_do_not_stop_everything():
    limits = WindowLimits(requests=1, window_s=60)
    state = WindowState()
    assert isinstance(state.request(1, limits, 1_000_000.0, bulk=False), Permit)
    assert isinstance(state.request(1, limits, 900_000.0, bulk=False), Permit)


# The gate asks the window


class Answers:
    """A shared window that gives the listed answers, each after some seconds, and then permits everything."""

    def __init__(self, fake, *answers):
        self.fake, self.answers = fake, list(answers)
        self.asked, self.unused, self.closed = [], [], []

    async def request(self, tokens, *, bulk, unused=()):
        self.asked.append((self.fake.now, tokens, bulk))
        self.unused += unused
        delay_s, answer = self.answers.pop(0) if self.answers else (0.0, None)
        await self.fake.sleep(delay_s)
        if isinstance(answer, Exception):
            raise answer
        return answer or Permit(slot=len(self.asked), tokens=tokens, bulk=bulk)

    async def close_for(self, seconds):
        self.closed.append(seconds)

    async def disconnect(self):
        pass


@pytest.fixture
def fake():
    return FakeTime()


def gate_with(fake, window):
    return Gate(clock=fake.clock, sleep=fake.sleep, chance=lambda: 0.5, shared=window)


def sending(fake):
    async def attempt():
        return fake.now

    return attempt


async def test_a_permit_that_came_too_late_is_given_back_and_another_one_is_asked_for(fake):
    window = Answers(fake, (FENCE_S + 0.1, None))
    sent_at = await fake.run(gate_with(fake, window).run(sending(fake), priority=INGEST, tokens=7))

    assert sent_at == pytest.approx(FENCE_S + 0.1)
    assert [(tokens, bulk) for _, tokens, bulk in window.asked] == [(7, True)] * 2
    assert window.unused == [UnusedGrant(permit=Permit(slot=1, tokens=7, bulk=True), tokens=7, requests=1)]


async def test_a_live_question_does_not_wait_where_bulk_work_is_refused(fake):
    window = Answers(fake, (0.0, Refusal(wait_s=3.0)))
    gate = gate_with(fake, window)

    async def story():
        bulk = asyncio.create_task(gate.run(sending(fake), priority=INGEST))
        await fake.sleep(0.5)
        assert gate.state().reason == "to stay within the provider's limits"
        live_at = await gate.run(sending(fake), priority=LIVE)
        return live_at, await bulk

    assert await fake.run(story()) == (pytest.approx(0.5), pytest.approx(3.0))


async def test_a_probe_and_the_request_after_it_each_need_a_permit(fake):
    window = Answers(fake)
    gate = gate_with(fake, window)
    sent = []

    async def attempt():
        sent.append("attempt")
        if 2 <= len(sent) <= 6:
            raise TimeoutError

    async def probe():
        sent.append("probe")

    async def story():
        await gate.run(attempt, priority=INGEST, probe=probe)
        with pytest.raises(TransientProviderError):
            await gate.run(attempt, priority=INGEST, probe=probe)  # after four attempts
        await gate.run(attempt, priority=INGEST, probe=probe)

    await fake.run(story())
    assert sent == [*["attempt"] * 6, "probe", "attempt"]
    assert len(window.asked) == len(sent)


UNAVAILABLE = LibraryError("The rate limits shared in postgresql://db/anime cannot be used (connection refused).")


@pytest.mark.parametrize(("priority", "patience_s"), [(LIVE, 10), (BATCH, 60), (INGEST, 60)])
async def test_without_the_database_nothing_is_sent_and_the_reason_is_given(fake, priority, patience_s):
    gate = gate_with(fake, Answers(fake, *[(0.0, UNAVAILABLE)] * 100))
    reasons = []

    async def story():
        call = asyncio.create_task(gate.run(sending(fake), priority=priority))
        await fake.sleep(0.5)
        reasons.append(gate.state().words())
        await call

    with pytest.raises(ProviderUnusableError, match=r"cannot be used \(connection refused\).* start PostgreSQL"):
        await fake.run(story())
    assert fake.now == pytest.approx(patience_s, abs=1.5)
    assert reasons == ["waiting 1 s, because the database with the shared limits does not answer"]


async def test_bulk_work_continues_when_the_database_is_available_again(fake):
    gate = gate_with(fake, Answers(fake, *[(0.0, UNAVAILABLE)] * 20))
    assert await fake.run(gate.run(sending(fake), priority=INGEST)) == pytest.approx(20.0)


# Two processes and a provider


class Host:
    """A process of tests/rate_limits/host.py."""

    def __init__(self, url, place=()):
        """`place` is the command that starts a program on another host."""
        command = (*place, sys.executable, "-m", "tests.rate_limits.host", url)
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def ask(self, work, **arguments):
        self.process.stdin.write(f"{json.dumps({'work': work, **arguments})}\n")

    async def result(self):
        return json.loads(await asyncio.to_thread(self.process.stdout.readline))

    def stop(self):
        self.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def database_url(postgresql_server):
    with postgresql_server.database() as url:
        yield url


@pytest.fixture(scope="module")
def hosts(database_url):
    started = [Host(database_url), Host(database_url)]
    for host in started:
        assert json.loads(host.process.stdout.readline()) == {"ready": True}
    yield started
    for host in started:
        host.stop()


async def arrivals(provider):
    stats = await provider.stats(times=True)
    return sorted(visit.arrived_s for visit in stats.times if visit.endpoint == "embeddings")


@pytest.mark.timeout(120)  # the first test starts PostgreSQL and both hosts
async def test_the_provider_never_counts_more_than_the_set_number_over_two_hosts(hosts):
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0.02)) as provider:
        for host in hosts:
            priorities = {"INGEST": 13, "LIVE": 5}
            host.ask("send", provider=provider.url, priorities=priorities, requests=20, window_s=WINDOW_S)
        results = [await host.result() for host in hosts]
        arrived = await arrivals(provider)

    assert results == [{"answered": 18, "errors": []}] * 2
    assert len(arrived) == 36
    assert max(sum(first <= each < first + WINDOW_S for each in arrived) for first in arrived) <= 20


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_no_minute_has_more_than_twenty_requests_from_two_hosts_on_networks_of_their_own(
    database_url, record_property
):
    """The provider counts; 16 requests of imports and 8 questions need more than one window of 20."""
    priorities = {"INGEST": 8, "LIVE": 4}
    with namespaces(2) as (places, address):
        record_property("hosts", "network namespaces" if places[0] else "processes")
        async with listening(SimulatorSettings(embed_latency_s=0.02), host=address) as url:
            started = [Host(database_url, place) for place in places]
            try:
                for host in started:
                    assert await host.result() == {"ready": True}
                    host.ask("send", provider=url, priorities=priorities, requests=20)
                results = [await host.result() for host in started]
            finally:
                for host in started:
                    host.process.kill()
                    host.process.communicate()
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{url.removesuffix('/v1')}/stats?times=1") as got,
            ):
                arrived = sorted(visit["arrived_s"] for visit in (await got.json())["times"])

    assert results == [{"answered": 12, "errors": []}] * 2
    assert len(arrived) == 24
    assert max(sum(first <= each < first + 60 for each in arrived) for first in arrived) <= 20


async def test_a_refusal_of_one_host_closes_the_other(hosts, database_url):
    limited = SimulatorSettings(embed_latency_s=0.02, requests_per_minute=30, burst=1)
    async with SimulatorProcess(limited) as provider:
        hosts[0].ask("send", provider=provider.url, priorities={"INGEST": 1})
        assert (await hosts[0].result())["answered"] == 1
        hosts[0].ask("send", provider=provider.url, priorities={"INGEST": 1})  # its gate knows no limit yet
        with psycopg.connect(database_url, autocommit=True) as connection:
            query = (
                "SELECT 1 FROM rate_limits"
                " WHERE (state ->> 'closed_until')::float > extract(epoch FROM clock_timestamp())"
            )
            async with asyncio.timeout(20):
                while connection.execute(query).fetchone() is None:
                    await asyncio.sleep(0.02)
        before = await arrivals(provider)
        hosts[1].ask("send", provider=provider.url, priorities={"LIVE": 1})
        results = [await host.result() for host in hosts]
        after = (await arrivals(provider))[len(before) :]

    assert [result["answered"] for result in results] == [1, 1]
    assert len(before) == 2, "one was answered, one refused"
    assert min(after) - before[-1] >= 1.5, "the provider asked for two seconds"


async def test_two_hosts_share_one_cap_and_a_killed_one_gives_its_reservation_back(hosts, database_url):
    for host in hosts:
        host.ask("spend", account="run 1", times=20)
    made = sum([(await host.result())["made"] for host in hosts])
    with psycopg.connect(database_url) as connection:
        ((spent_usd, reserved_usd),) = connection.execute("SELECT spent_usd, reserved_usd FROM spending").fetchall()
    assert made in (15, 16)
    assert spent_usd == pytest.approx(0.06 * made)
    assert reserved_usd == pytest.approx(0)

    other, doomed = hosts  # no later test uses the second one
    doomed.ask("reserve", account="run 2", usd=0.9)
    assert await doomed.result() == {"reserved": True}
    other.ask("reserve", account="run 2", usd=0.5)
    assert await other.result() == {"reserved": False}
    doomed.process.kill()
    async with asyncio.timeout(10):
        reserved = False
        while not reserved:  # until PostgreSQL has noticed
            other.ask("reserve", account="run 2", usd=0.5)
            reserved = (await other.result())["reserved"]


async def test_nothing_is_sent_while_postgresql_is_unavailable_and_everything_afterwards(hosts, postgresql_server):
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0.02)) as provider:
        # Far more than are granted while the server stops, which takes seconds on a busy machine.
        hosts[0].ask("send", provider=provider.url, priorities={"INGEST": 90}, requests=600)
        async with asyncio.timeout(20):
            while len(await arrivals(provider)) < 5:
                await asyncio.sleep(0.02)
        await asyncio.to_thread(postgresql_server.stop)
        try:
            await asyncio.sleep(FENCE_S + 0.5)
            sent = len(await arrivals(provider))
            await asyncio.sleep(1.5)
            assert len(await arrivals(provider)) == sent < 90
        finally:
            await asyncio.to_thread(postgresql_server.start)
        assert await hosts[0].result() == {"answered": 90, "errors": []}


async def test_the_services_use_the_shared_window(postgresql_url, tmp_path, settings):
    async with SimulatorProcess(SimulatorSettings()) as provider:
        queue = load_settings(
            data_dir=tmp_path / "queue",
            chroma_url=settings.chroma_url,
            database_url=postgresql_url,
            openai_base_url=provider.url,
            engine="queue",
            max_rpm=100,
        )
        async with open_services(queue, warm=False) as services:
            await services.embedder.embed(["text"], priority=LIVE)
            checks = await services.preferences.check()
    with psycopg.connect(postgresql_url) as connection:
        ((name, state),) = connection.execute("SELECT name, state FROM rate_limits").fetchall()
    assert [check.ok for check in checks] == [True, True]
    assert name == provider.url
    assert sum(requests for _, requests, *_ in state["slots"]) == 2, "the text, and the word of the connection test"


async def test_a_file_cannot_be_shared(services):
    with pytest.raises(LibraryError, match="move it to PostgreSQL first"):
        services.library.shared_window("p", WindowLimits())
