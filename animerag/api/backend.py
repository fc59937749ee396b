"""Calls services for the API, on their own event loop or through the app's runtime, within limits."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from animerag.api.api_errors import ApiError
from animerag.errors import AnimeRAGError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine

    from animerag.event_loop import Runtime
    from animerag.services import Services

T = TypeVar("T")

_PER_S, _BURST, _LONGEST_WAIT_S = 20.0, 60, 10.0  # a busy client is slowed down; only a flood is refused
_IN_FLIGHT, _WAITING = 8, 100  # concurrent calls, so that pages stay responsive


class RequestThrottle:
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
        """Reserve the next time slot and return the seconds until it. Raises ApiError if the wait is too long."""
        now = self._clock()
        wait_s = max(0.0, self._due_s + self._step_s - self._burst_s - now)
        if wait_s > self._longest_wait_s:
            raise ApiError(
                "There are too many requests at once: send them more slowly.",
                status=429,
                code="rate_limit_exceeded",
                retry_after_s=wait_s - self._longest_wait_s,
            )
        self._due_s = max(self._due_s, now) + self._step_s
        return wait_s


class RequestLimit:
    """Limits the rate of calls and the number of concurrent calls; the others wait."""

    def __init__(self, pace: RequestThrottle | None = None) -> None:
        self._pace = pace or RequestThrottle(per_s=_PER_S, burst=_BURST, longest_wait_s=_LONGEST_WAIT_S)
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot during the block. Raises ApiError if too many calls are waiting."""
        if self._waiting >= _WAITING:
            raise ApiError(
                "Too many requests are waiting for an answer: try again in a moment.",
                status=429,
                code="rate_limit_exceeded",
                retry_after_s=2,
            )
        self._waiting += 1
        try:
            await asyncio.sleep(self._pace.wait_s())
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()


class Backend(Protocol):
    """Gives the API access to the services."""

    async def run(self, work: Callable[[Services], Coroutine[Any, Any, T]]) -> T:
        """Call a service and return its result. Raises AnimeRAGError, ApiError."""

    def stream(self, events: Callable[[Services], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """Yield the events of a service; closing the generator closes the service's. Raises AnimeRAGError, ApiError."""


class LocalBackend:
    """Calls services on the caller's event loop."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._limit = RequestLimit()

    async def run(self, work: Callable[[Services], Coroutine[Any, Any, T]]) -> T:
        """Call a service."""
        async with self._limit.slot():
            return await work(self._services)

    async def stream(self, events: Callable[[Services], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """Yield the events of a service."""
        async with self._limit.slot(), aclosing(events(self._services)) as yielded:
            async for event in yielded:
                yield event


class RuntimeBackend:
    """Calls the services that the pages use, on the runtime's event loop.

    `runtime` returns the app's runtime and may block; it is called for every request, because saving settings opens a
    new runtime.
    """

    def __init__(self, runtime: Callable[[], Runtime]) -> None:
        self._runtime = runtime
        self._limit = RequestLimit()

    async def open(self) -> None:
        """Open the services before the first request; an error is raised again by the request that needs them."""
        with suppress(AnimeRAGError):
            await asyncio.to_thread(self._runtime)

    async def run(self, work: Callable[[Services], Coroutine[Any, Any, T]]) -> T:
        """Call a service."""
        async with self._limit.slot():
            runtime = await asyncio.to_thread(self._runtime)
            return await runtime.result(work(runtime.services))

    async def stream(self, events: Callable[[Services], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """Yield the events of a service."""
        async with self._limit.slot():
            runtime = await asyncio.to_thread(self._runtime)
            async with aclosing(runtime.events(events(runtime.services))) as yielded:
                async for event in yielded:
                    yield event
