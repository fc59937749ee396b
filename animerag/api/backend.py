"""How a door reaches the services: on their own loop, or through the app's runtime; never faster than the limits."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from animerag.api.door_errors import DoorError
from animerag.errors import AnimeRAGError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine

    from animerag.composition import Services
    from animerag.event_loop import Runtime

T = TypeVar("T")

_PER_S, _BURST, _LONGEST_WAIT_S = 20.0, 60, 10.0  # a busy client is slowed down, and refused only when it floods
_IN_FLIGHT, _WAITING = 8, 100  # calls of services at once; pages go on beside them


class RequestPace:
    """Spreads requests over time: `burst` at once, then `per_s` a second."""

    def __init__(
        self, *, per_s: float, burst: int, longest_wait_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._step_s = 1 / per_s
        self._burst_s = burst / per_s
        self._longest_wait_s = longest_wait_s
        self._clock = clock
        self._due_s = 0.0

    def wait_s(self) -> float:
        """Reserve the next place and return the seconds until it. Raises DoorError where that is too long."""
        now = self._clock()
        wait_s = max(0.0, self._due_s + self._step_s - self._burst_s - now)
        if wait_s > self._longest_wait_s:
            raise DoorError(
                "There are too many requests at once: send them more slowly.",
                status=429,
                code="rate_limit_exceeded",
                retry_after_s=wait_s - self._longest_wait_s,
            )
        self._due_s = max(self._due_s, now) + self._step_s
        return wait_s


class Turns:
    """Lets a few calls at the services at once, at a bounded pace; the others wait for their turn."""

    def __init__(self, pace: RequestPace | None = None) -> None:
        self._pace = pace or RequestPace(per_s=_PER_S, burst=_BURST, longest_wait_s=_LONGEST_WAIT_S)
        self._places = asyncio.Semaphore(_IN_FLIGHT)
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold a place for the length of the block. Raises DoorError where too many wait already."""
        if self._waiting >= _WAITING:
            raise DoorError(
                "Too many requests wait for an answer: try again in a moment.",
                status=429,
                code="rate_limit_exceeded",
                retry_after_s=2,
            )
        self._waiting += 1
        try:
            await asyncio.sleep(self._pace.wait_s())
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()


class Backend(Protocol):
    """The services, for a door."""

    async def run(self, work: Callable[[Services], Coroutine[Any, Any, T]]) -> T:
        """Call a service and return its result. Raises AnimeRAGError, DoorError."""

    def stream(self, events: Callable[[Services], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """Yield what a service yields; closing this closes that. Raises AnimeRAGError, DoorError."""


class LocalBackend:
    """Services on the loop of the caller."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._turns = Turns()

    async def run(self, work: Callable[[Services], Coroutine[Any, Any, T]]) -> T:
        """Call a service."""
        async with self._turns.turn():
            return await work(self._services)

    async def stream(self, events: Callable[[Services], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """Yield what a service yields."""
        async with self._turns.turn(), aclosing(events(self._services)) as yielded:
            async for event in yielded:
                yield event


class RuntimeBackend:
    """The services that the pages use, on the runtime's own loop.

    `runtime` returns the app's runtime and may block; it is called for each request, because saved settings open
    another one.
    """

    def __init__(self, runtime: Callable[[], Runtime]) -> None:
        self._runtime = runtime
        self._turns = Turns()

    async def open(self) -> None:
        """Open the services before somebody waits for them; what fails here fails again where it is needed."""
        with suppress(AnimeRAGError):
            await asyncio.to_thread(self._runtime)

    async def run(self, work: Callable[[Services], Coroutine[Any, Any, T]]) -> T:
        """Call a service."""
        async with self._turns.turn():
            runtime = await asyncio.to_thread(self._runtime)
            return await runtime.result(work(runtime.services))

    async def stream(self, events: Callable[[Services], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """Yield what a service yields."""
        async with self._turns.turn():
            runtime = await asyncio.to_thread(self._runtime)
            async with aclosing(runtime.events(events(runtime.services))) as yielded:
                async for event in yielded:
                    yield event
