"""The event loop's lag, on a loop that is really blocked."""

import asyncio
import time

import pytest

from animerag.telemetry import load_shedding
from animerag.telemetry.load_shedding import FREE, LoadShedder, PageActivity, between_steps, yielding_to
from animerag.telemetry.loop_lag import PERIOD_S, LoopLag


async def test_a_stall_counts_with_its_full_duration():
    async with LoopLag() as lag:
        for _ in range(4):
            await asyncio.sleep(0)
            time.sleep(0.2)
    assert lag.max_s >= 0.2
    assert lag.p95_s > 0.15, "every probe that fell due meanwhile is late, not only one"


def test_probes_are_due_at_a_fixed_rate_even_on_a_blocked_loop():
    lag = LoopLag(clock=lambda: 0.2 + PERIOD_S)
    lag._due_s = PERIOD_S
    lag._look()
    assert len(lag._late_s) in (40, 41), "one every 5 ms, the sums of binary fractions permitting"
    assert lag.max_s == pytest.approx(0.2)
    assert lag.p95_s == pytest.approx(0.19, abs=0.006)
    lag._look()
    assert len(lag._late_s) in (40, 41), "nothing has fallen due since"


def probed(room, late_s, times=8):
    for _ in range(times):
        room.note(late_s)


def test_a_saturated_loop_sheds_load_while_pages_are_open():
    now = [0.0]
    visits = PageActivity(clock=lambda: now[0])
    room = LoadShedder(visits)
    visits.note()
    probed(room, 0.02)
    assert room.of(64) == 48
    probed(room, 0.02)
    assert room.of(64) == 36
    probed(room, 0.003)
    assert room.of(64) == 36, "neither late nor prompt"
    probed(room, 0.001)
    assert 36 < room.of(64) < 40
    now[0] = 6.0
    probed(room, 0.02)
    assert room.of(64) == 64, "nobody is there"


def test_a_low_level_and_a_single_stall_change_nothing():
    visits = PageActivity()
    room = LoadShedder(visits)
    visits.note()
    probed(room, 0.5, times=3)
    probed(room, 0.001, times=5)
    assert room.of(64) == 64
    for _ in range(50):
        probed(room, 0.5)
    assert room.of(64) == room.of(10) == FREE
    assert room.of(3) == 3


async def test_the_load_shedder_measures_by_itself():
    visits = PageActivity()
    visits.note()
    async with LoadShedder(visits) as room:
        for _ in range(40):
            time.sleep(0.03)
            await asyncio.sleep(0)
        assert room.of(64) < 64


def test_nothing_starts_beside_what_is_in_flight_while_a_page_is_drawn():
    now = [0.0]
    visits = PageActivity(clock=lambda: now[0])
    room = LoadShedder(visits)
    assert room.of(64) == 64, "no page was ever opened"
    visits.opened()
    assert room.of(64) == 1
    now[0] = 0.6
    assert room.of(64) == 64


async def test_an_import_gives_way_to_a_page_until_it_is_drawn(monkeypatch):
    now, waits = [10.0], []

    async def slept(seconds):
        waits[-1] += seconds
        now[0] += seconds
        if len(waits) == 4:
            visits.computed()

    async def gave_way():
        waits.append(0.0)
        await visits.give_way()
        return round(waits[-1], 3)

    monkeypatch.setattr(load_shedding.asyncio, "sleep", slept)
    visits = PageActivity(clock=lambda: now[0])
    assert await gave_way() == 0, "no page was ever opened"
    visits.opened()
    now[0] += 0.2
    assert await gave_way() == 0.3
    assert await gave_way() == 0
    visits.opened()
    assert await gave_way() == 0.3, "the script has ended after 0.1 s, and a browser needs another 0.2"
    visits.computed()
    assert not visits.drawing, "the end of an earlier script opens no page"


async def test_steps_that_waited_together_go_on_one_after_another_and_give_way_again(monkeypatch):
    now, steps = [0.0], []
    real_sleep = asyncio.sleep

    async def slept(seconds):
        now[0] += seconds
        await real_sleep(0)

    async def step(name, *, clicks):
        with yielding_to(visits):
            await between_steps()
        steps.append((name, round(now[0], 2)))
        now[0] += 0.06
        if clicks:
            visits.opened()

    monkeypatch.setattr(load_shedding.asyncio, "sleep", slept)
    visits = PageActivity(clock=lambda: now[0])
    visits.opened()
    await asyncio.gather(*(step(name, clicks=True) for name in "abcd"))
    assert steps == [("a", 0.5), ("b", 0.56), ("c", 1.12), ("d", 1.18)], "clicks slow them down, and stop nothing"
    steps.clear()
    await between_steps()
    assert now[0] == pytest.approx(1.24), "what is no bulk work waits for nobody"


def test_a_thread_pauses_between_two_items_while_a_page_is_drawn_but_not_all_the_time():
    now, pauses = [0.0], []

    def sleep(seconds):
        if pauses and pauses[-1][1] == now[0]:
            pauses[-1][1] += seconds  # a further step of the same pause
        else:
            pauses.append([now[0], now[0] + seconds])
        now[0] += seconds

    def items():
        for number in range(8):
            yield number
            now[0] += 0.06
            visits.opened()  # somebody clicks all the time

    visits = PageActivity(clock=lambda: now[0], sleep=sleep)
    assert list(visits.paced(items())) == list(range(8))
    assert [until - since for since, until in pauses] == [pytest.approx(0.5)] * 4
    assert [round(since, 2) for since, _ in pauses] == [0.06, 0.68, 1.3, 1.92], "it works for 0.1 s in between"


def test_a_thread_without_pages_never_pauses():
    visits = PageActivity(sleep=lambda _: pytest.fail("nobody is there"))
    assert list(visits.paced("abc")) == ["a", "b", "c"]
