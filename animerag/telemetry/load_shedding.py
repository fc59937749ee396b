"""Reduces bulk work while pages are open, so that the event loop can serve them."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import contextmanager
from contextvars import ContextVar
from statistics import median
from typing import TYPE_CHECKING, Self, TypeVar

from animerag.telemetry.loop_lag import _LATE_S, _LESS, _LOOK_S, _LOOKS, _MORE, _PROMPT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

_GONE_S = 5.0
_DRAWN_S = 0.5  # a page of 30,000 shows is drawn within that time, if nothing else needs the processor
_RENDERED_S = 0.2  # what a browser needs after the page's script has ended
_STEP_S = 0.1  # after which those who wait look again whether the page is drawn
_WORK_S = 0.1  # of work between two pauses
FREE = 10  # items in flight never saturate the loop


_yields_to: ContextVar[PageActivity | None] = ContextVar("yields_to", default=None)


class PageActivity:
    """The time of the last page request; safe to update from any thread."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._last_s = self._drawn_s = -math.inf
        self._works_until_s = -math.inf
        self._turn = asyncio.Lock()

    def opened(self) -> None:
        """Record that a page begins to be drawn."""
        self._last_s = self._clock()
        self._drawn_s = self._last_s + _DRAWN_S

    def computed(self) -> None:
        """Record that the script of a page has ended."""
        self._drawn_s = min(self._drawn_s, self._clock() + _RENDERED_S)

    def note(self) -> None:
        """Record a page request now."""
        self._last_s = self._clock()

    @property
    def recent(self) -> bool:
        """Return whether a page is open: it sends a request every second while work is running."""
        return self._clock() - self._last_s < _GONE_S

    @property
    def idle_s(self) -> float:
        """Return the seconds since the last page request; infinity before the first one."""
        return self._clock() - self._last_s

    @property
    def drawing(self) -> bool:
        """Return whether a page is probably being drawn, in this process and then in the browser."""
        return self._clock() < self._drawn_s

    async def give_way(self) -> None:
        """Wait while a page is being drawn, half a second at most: somebody who clicks on and on must not stop work."""
        for pause_s in self._pauses():
            await asyncio.sleep(pause_s)

    async def take_turn(self) -> None:
        """Give way, one caller after another: of those who waited together, the next page waits for one step only.

        After a pause they work for a moment, so that somebody who clicks on and on only slows them down.
        """
        async with self._turn:
            if self.drawing and self._clock() >= self._works_until_s:
                await self.give_way()
                self._works_until_s = self._clock() + _WORK_S

    def _pauses(self) -> Iterator[float]:
        """Yield how long to sleep until the page that is being drawn now is drawn."""
        latest_s = self._drawn_s
        while (left_s := min(latest_s, self._drawn_s) - self._clock()) > 0:
            yield min(left_s, _STEP_S)

    def paced(self, items: Iterable[T]) -> Iterator[T]:
        """Yield items in a thread, pausing before the next one while a page is being drawn.

        Every time that a page's script calls the loop or a database, it lets go of Python's lock, and a thread that
        computes holds the lock for 5 ms before it gives it back: a script of 15 ms then takes 100.
        """
        works_until_s = -math.inf
        for item in items:
            if self.drawing and self._clock() >= works_until_s:
                for pause_s in self._pauses():
                    self._sleep(pause_s)
                works_until_s = self._clock() + _WORK_S
            yield item


@contextmanager
def yielding_to(visits: PageActivity) -> Iterator[None]:
    """Let the work of a block pause between its steps while a page is being drawn."""
    before = _yields_to.set(visits)
    try:
        yield
    finally:
        _yields_to.reset(before)


def gives_way() -> bool:
    """Return whether the caller is bulk work that pauses for pages."""
    return _yields_to.get() is not None


async def between_steps() -> None:
    """Wait while a page is being drawn if the caller is bulk work.

    After a pause many questions go on at once. If only their beginning gave way, the next page would wait for all of
    them: a second or two at 30,000 shows.
    """
    visits = _yields_to.get()
    if visits is not None:
        await visits.take_turn()


class LoadShedder:
    """Limits the concurrency of bulk work, while entered, so that the running loop can serve open pages.

    On a saturated loop a page waits for seconds. Late probes therefore reduce the concurrency and prompt ones raise it
    again. This costs some speed: 1,000 quick questions took a quarter longer. Without open pages there is no limit.
    While a page is being drawn, only one item may start: what is in flight continues.
    """

    def __init__(self, visits: PageActivity) -> None:
        self._visits = visits
        self._share = 1.0
        self._late_s: list[float] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch(), name="headroom")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def of(self, level: int) -> int:
        """Return the allowed number in flight for the user's `level`."""
        if self._visits.drawing:
            return 1
        return max(min(level, FREE), round(level * self._share))

    def note(self, late_s: float) -> None:
        """Record the lag of one probe; a dozen of them change the limit."""
        self._late_s.append(late_s)
        if len(self._late_s) < _LOOKS:
            return
        typical_s = median(self._late_s)
        self._late_s.clear()
        if not self._visits.recent:
            self._share = 1.0
        elif typical_s > _LATE_S:
            self._share = max(0.1, self._share * _LESS)
        elif typical_s < _PROMPT_S:
            self._share = min(1.0, self._share + _MORE)

    async def _watch(self) -> None:
        while True:
            due_s = time.perf_counter() + _LOOK_S
            await asyncio.sleep(_LOOK_S)
            self.note(time.perf_counter() - due_s)
