"""Measures event-loop lag, the delay of callbacks that are due, with probes at a fixed rate."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Self

from animerag.telemetry.statistics import percentile

if TYPE_CHECKING:
    from collections.abc import Callable

PERIOD_S = 0.005
_LOOK_S, _LOOKS = 0.02, 8  # measured over a sixth of a second, so that a single stall does not decide
_LATE_S, _PROMPT_S = 0.005, 0.002
_LESS, _MORE = 0.75, 0.03


class LoopLag:
    """Measures the running loop while entered.

    A probe is due every 5 ms even while the loop is blocked, and each of them counts with its own delay. A sleeping
    task would count a stall only once, which hides it ("coordinated omission").
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._late_s: list[float] = []
        self._due_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._due_s = self._clock() + PERIOD_S
        self._task = asyncio.create_task(self._probe(), name="loop-lag")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._look()

    @property
    def p95_s(self) -> float:
        """Return the 95th percentile of the probes' delays, in seconds."""
        return percentile(sorted(self._late_s), 95) if self._late_s else 0.0

    @property
    def max_s(self) -> float:
        """Return the longest delay, in seconds."""
        return max(self._late_s, default=0.0)

    async def _probe(self) -> None:
        while True:
            await asyncio.sleep(max(0.0, self._due_s - self._clock()))
            self._look()

    def _look(self) -> None:
        now = self._clock()
        while self._due_s <= now:
            self._late_s.append(now - self._due_s)
            self._due_s += PERIOD_S
