"""One event loop in a daemon thread, with the services on it, for callers on any other thread.

`call` runs short work, `stream` iterates over an answer, and jobs do everything else. It knows nothing of pages.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import logging
import queue
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

from animerag import logs
from animerag.composition import open_services
from animerag.concurrency import cancel_and_wait
from animerag.config import Settings, load_settings
from animerag.errors import RuntimeClosedError
from animerag.telemetry.loop_lag import LoopLag

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator

    from animerag.services import Services

T = TypeVar("T")
log = logging.getLogger(__name__)

_GRACE_S = 1.0  # for short work to finish before the services close
_ENDED = "The app's event loop has ended: try again."


class Runtime:
    """The event loop with the services on it; safe to call from any other thread."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or load_settings()
        self._loop = asyncio.new_event_loop()
        self._opened: concurrent.futures.Future[Services] = concurrent.futures.Future()
        self._closing = asyncio.Event()
        self._measuring: concurrent.futures.Future[None] | None = None
        self._lag_s: float | None = None
        self._submitted: weakref.WeakSet[Coroutine[Any, Any, Any]] = weakref.WeakSet()
        self._thread = threading.Thread(target=self._main, name="animerag-loop", daemon=True)
        self._thread.start()
        _close_at_exit(self)
        try:
            self._opened.result(timeout=30)
        except BaseException:
            self.close()
            raise

    @property
    def services(self) -> Services:
        """Return the services. Raises RuntimeClosedError when the loop has ended."""
        self._check_alive()
        return self._opened.result(timeout=0)

    @property
    def alive(self) -> bool:
        """Return whether the loop is running."""
        return self._thread.is_alive() and not self._loop.is_closed()

    def call(self, work: Coroutine[Any, Any, T], timeout_s: float = 30.0) -> T:
        """Run a short coroutine on the loop and return its result; a timeout or a stopped page cancels it.

        Raises what the coroutine raises, TimeoutError, RuntimeClosedError, and RuntimeError from the loop's own thread.
        """
        future = self.submit(work)
        try:
            self.services.visits.note()
            return future.result(timeout_s)
        except concurrent.futures.CancelledError:
            if self._closing.is_set():
                raise RuntimeClosedError(_ENDED) from None
            self._check_alive()
            raise
        except BaseException:  # a stopped page raises BaseException; its work must stop, too
            future.cancel()
            raise

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start a coroutine on the loop, and return the future of its result.

        Raises RuntimeClosedError, and RuntimeError from the loop's own thread.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError(
                "The runtime was called from its own loop, which would block: await the coroutine instead."
            )
        try:
            self._check_alive()
            self._submitted.add(work)
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError as error:
            work.close()
            raise RuntimeClosedError("The app's event loop has ended: restart the app.") from error
        except RuntimeClosedError:
            work.close()
            raise

    def stream(
        self, events: AsyncGenerator[T, None], timeout_s: float = 180.0, *, idle_s: float = 1.0
    ) -> Iterator[T | None]:
        """Iterate over an async generator on the loop; leaving the iteration early closes the generator.

        Yields None after each `idle_s` without an item, so that a page can say why. `timeout_s` bounds the wait for
        each item. Raises what the generator raises, TimeoutError, RuntimeClosedError.
        """
        channel: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        future = self.submit(_pump(events, channel.put))
        waited_since = time.monotonic()
        try:
            while True:
                try:
                    kind, value = channel.get(timeout=min(idle_s, timeout_s))
                except queue.Empty:
                    self._check_alive()
                    if time.monotonic() > waited_since + timeout_s:
                        raise TimeoutError(f"Nothing arrived for {timeout_s:.0f} s: try again.") from None
                    yield None
                    continue
                waited_since = time.monotonic()
                if kind == "error":
                    raise value
                if kind == "end":
                    return
                yield value
        finally:
            future.cancel()

    async def result(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on this loop and await it on another one; cancelling the wait cancels the work.

        Raises what the coroutine raises, RuntimeClosedError, and RuntimeError from the loop's own thread.
        """
        future = self.submit(work)
        self.services.visits.note()
        with self._closed_as_error():
            return await asyncio.wrap_future(future)

    async def events(self, events: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """Yield on another loop what an async generator of this loop yields; closing this generator closes that one.

        Raises what the generator raises, RuntimeClosedError, and RuntimeError from the loop's own thread.
        """
        caller = asyncio.get_running_loop()
        channel: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

        def put(item: tuple[str, Any]) -> None:
            with contextlib.suppress(RuntimeError):  # the caller's loop has ended: nothing waits any more
                caller.call_soon_threadsafe(channel.put_nowait, item)

        future = self.submit(_pump(events, put))
        self.services.visits.note()
        try:
            while True:
                kind, value = await channel.get()
                if kind == "error":
                    raise value
                if kind == "end":
                    if future.cancelled() or self._closing.is_set():
                        raise RuntimeClosedError(_ENDED)
                    return
                yield value
        finally:
            future.cancel()

    def lag_s(self, measure_s: float = 0.2) -> float | None:
        """Return the event-loop lag in seconds (p95) of the last measurement; None before the first one has ended.

        Starts the next measurement without waiting for it.
        """

        async def measure() -> None:
            async with LoopLag() as lag:
                await asyncio.sleep(measure_s)
            self._lag_s = lag.p95_s

        if self._measuring is None or self._measuring.done():
            self._measuring = self.submit(measure())
        return self._lag_s

    def close(self) -> None:
        """Stop the jobs, the services and the loop, and wait for the thread."""
        if self.alive and threading.current_thread() is not self._thread:
            with contextlib.suppress(RuntimeError):  # the loop may close between the check and the call
                self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join(20)

    @contextlib.contextmanager
    def _closed_as_error(self) -> Iterator[None]:
        """Distinguish work that ended with the loop from work that its caller cancelled."""
        try:
            yield
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closing.is_set() and not (task and task.cancelling()):
                raise RuntimeClosedError(_ENDED) from None
            raise

    def _check_alive(self) -> None:
        if not self.alive:
            raise RuntimeClosedError("The app's event loop has ended: restart the app.")

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except Exception as error:
            if not self._opened.done():
                self._opened.set_exception(error)
            else:
                log.exception("the event loop failed")
        finally:
            _cancel_pending(self._loop)
            self._loop.close()

    async def _serve(self) -> None:
        with logs.log_file(self._settings):
            await self._open_until_closed()

    async def _open_until_closed(self) -> None:
        async with open_services(self._settings) as services:
            self._opened.set_result(services)
            await self._closing.wait()
            await self._end_submitted()

    async def _end_submitted(self) -> None:
        """End what pages have started, which uses the services, before these close."""
        running = [task for task in asyncio.all_tasks() if task.get_coro() in self._submitted]
        if running:
            _, late = await asyncio.wait(running, timeout=_GRACE_S)
            await cancel_and_wait(*late)


async def _pump(events: AsyncGenerator[Any, None], put: Callable[[tuple[str, Any]], None]) -> None:
    """Pass the items of a generator, its error and its end to another thread."""
    try:
        async with contextlib.aclosing(events):
            async for event in events:
                put(("item", event))
    except Exception as error:  # noqa: BLE001 - raised where the events are read
        put(("error", error))
    finally:
        put(("end", None))


def _close_at_exit(runtime: Runtime) -> None:
    """Close the runtime when the process ends: otherwise every Ctrl-C would be an unclean stop."""
    reference = weakref.ref(runtime)

    def close() -> None:
        if (opened := reference()) is not None:
            opened.close()

    # Ordinary exit handlers run after the interpreter has closed the thread pools that closing needs.
    register = getattr(threading, "_register_atexit", atexit.register)
    register(close)


def _cancel_pending(loop: asyncio.AbstractEventLoop) -> None:
    pending = asyncio.all_tasks(loop)
    for task in pending:
        task.cancel()
    if pending:
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
