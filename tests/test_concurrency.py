"""Bounded fan-out."""

import asyncio
import contextlib

import pytest

from animerag import concurrency
from animerag.concurrency import Slots, fan_out, outwait, patient, prefetched


async def test_one_failed_item_does_not_stop_the_others():
    async def work(item):
        if item == 2:
            raise ValueError("two")
        return item * 10

    outcomes = [outcome async for outcome in fan_out(work, range(4), limit=lambda: 2)]
    assert {o.index: o.value for o in outcomes if o.error is None} == {0: 0, 1: 10, 3: 30}
    assert [str(o.error) for o in outcomes if o.error] == ["two"]


async def test_never_more_than_the_limit_at_once_and_the_limit_may_change():
    running = peak = 0
    limit = 2
    peaks = []

    async def work(item):
        nonlocal running, peak, limit
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0)
        running -= 1
        if item == 10:
            peaks.append(peak)
            limit = 4

    async for _ in fan_out(work, range(40), limit=lambda: limit):
        pass
    assert peaks == [2]
    assert peak == 4


async def test_items_are_drawn_only_as_they_are_started():
    drawn = []
    gate = asyncio.Event()

    def items():
        for number in range(100):
            drawn.append(number)
            yield number

    async def work(_item):
        await gate.wait()

    async with contextlib.aclosing(fan_out(work, items(), limit=lambda: 3)) as outcomes:
        waiting = asyncio.ensure_future(anext(outcomes))
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(drawn) == 3
        gate.set()
        await waiting


async def test_closing_early_cancels_what_is_in_flight():
    cancelled = []

    async def work(item):
        try:
            await asyncio.sleep(0 if item == 0 else 60)
        except asyncio.CancelledError:
            cancelled.append(item)
            raise

    outcomes = fan_out(work, range(3), limit=lambda: 3)
    await anext(outcomes)
    await outcomes.aclose()
    assert sorted(cancelled) == [1, 2]


async def test_slow_items_do_not_delay_running_work():
    done = []
    next_may_come = asyncio.Event()

    async def slowly():
        yield 0
        await next_may_come.wait()
        yield 1

    async def work(item):
        done.append(item)
        next_may_come.set()  # the next item only comes if work continues meanwhile
        return item

    outcomes = [outcome.unwrap() async for outcome in fan_out(work, slowly(), limit=lambda: 2)]
    assert outcomes == done == [0, 1]


async def test_what_the_items_raise_reaches_the_caller():
    async def broken():
        yield 0
        raise ValueError("no more")

    async def work(item):
        return item

    with pytest.raises(ValueError, match="no more"):
        async for _ in fan_out(work, broken(), limit=lambda: 2):
            pass


async def test_slots_are_given_in_order_and_a_cancelled_wait_takes_none():
    slots, order = Slots(lambda: 1), []

    async def hold(name):
        async with slots.held():
            order.append(name)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(hold(name)) for name in "abcd"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["a", "c", "d"]
    async with asyncio.timeout(5), slots.held():
        pass


async def test_a_higher_limit_admits_more():
    limit, inside = 1, 0
    slots, leave = Slots(lambda: limit), asyncio.Event()

    async def hold():
        nonlocal inside
        async with slots.held():
            inside += 1
            await leave.wait()

    tasks = [asyncio.create_task(hold()) for _ in range(3)]
    await asyncio.sleep(0)
    assert inside == 1
    limit = 3
    tasks.append(asyncio.create_task(hold()))
    for _ in range(3):
        await asyncio.sleep(0)
    assert inside == 3
    leave.set()
    await asyncio.gather(*tasks)
    assert inside == 4


async def test_a_holder_cancelled_while_it_gets_its_slot_frees_it():
    slots = Slots(lambda: 1)
    first, served = asyncio.Event(), []

    async def hold(name, until=None):
        async with slots.held():
            served.append(name)
            if until is not None:
                await until.wait()

    one, two, three = (
        asyncio.create_task(hold("one", first)),
        *(asyncio.create_task(hold(n)) for n in ("two", "three")),
    )
    await asyncio.sleep(0)
    first.set()
    await one  # "two" has its turn and has not run yet
    two.cancel()
    await asyncio.gather(two, three, return_exceptions=True)
    assert served[-1] == "three"
    async with asyncio.timeout(5), slots.held():
        pass


async def test_the_next_item_is_fetched_while_one_is_used_and_not_the_one_after():
    fetched = []

    async def numbers():
        for number in range(4):
            fetched.append(number)
            yield number

    seen = []
    async with contextlib.aclosing(prefetched(numbers())) as fetching:
        async for number in fetching:
            for _ in range(5):
                await asyncio.sleep(0)
            seen.append((number, list(fetched)))
    assert seen == [(0, [0, 1]), (1, [0, 1, 2]), (2, [0, 1, 2, 3]), (3, [0, 1, 2, 3])]


async def test_an_iterator_that_fails_ends_what_prefetches_from_it_with_the_error():
    async def failing():
        yield 1
        raise ValueError("two")

    numbers = prefetched(failing())
    assert await anext(numbers) == 1
    with pytest.raises(ValueError, match="two"):
        await anext(numbers)


async def test_a_server_that_stays_away_is_waited_for_once(monkeypatch):
    monkeypatch.setattr(concurrency, "_AGAIN_S", 0.01)
    tries, answers = [], False

    async def call():
        tries[-1] += 1
        if not answers:
            raise ConnectionError

    async def away():
        tries.append(0)
        with pytest.raises(ConnectionError):
            await outwait(call, away=lambda error: isinstance(error, ConnectionError))

    with patient(0.05):
        await away()
        await away()
        await asyncio.create_task(away())
        assert tries[0] > 1
        assert tries[1:] == [1, 1]
        answers = True
        await outwait(call, away=bool)
        answers = False
        await away()
        assert tries[-1] > 1
    await away()
    assert tries[-1] == 1
