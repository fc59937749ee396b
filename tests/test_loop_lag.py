"""The event loop's lag, on a loop that is really blocked."""

import asyncio
import time

import pytest

from animerag.loop_lag import PERIOD_S, LoopLag


async def test_a_standstill_counts_for_as_long_as_it_lasted():
    async with LoopLag() as lag:
        for _ in range(4):
            await asyncio.sleep(0)
            time.sleep(0.2)
    assert lag.max_s >= 0.2
    assert lag.p95_s > 0.15, "every probe that fell due meanwhile is late, not only one"


def test_probes_fall_due_at_a_steady_rate_whatever_the_loop_does():
    lag = LoopLag(clock=lambda: 0.2 + PERIOD_S)
    lag._due_s = PERIOD_S
    lag._look()
    assert len(lag._late_s) in (40, 41), "one every 5 ms, the sums of binary fractions permitting"
    assert lag.max_s == pytest.approx(0.2)
    assert lag.p95_s == pytest.approx(0.19, abs=0.006)
    lag._look()
    assert len(lag._late_s) in (40, 41), "nothing has fallen due since"
