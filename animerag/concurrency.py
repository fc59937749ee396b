"""Runs work on many items with bounded concurrency; each item has its own outcome, so a failure affects no other.

It also lets bulk work wait while a server of its stores restarts.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")

PATIENCE_S = 60.0  # how long bulk work waits for PostgreSQL or Chroma to restart
_AGAIN_S = 0.5


class Pacing(Protocol):
    """Yields items in a thread, and may pause between two of them."""

    def __call__(self, items: Iterable[Item], /) -> Iterable[Item]:
        """Return the items."""
        ...


def unpaced(items: Iterable[Item], /) -> Iterable[Item]:
    """Return the items: a `Pacing` without pauses."""
    return items


@dataclass(slots=True)
class _Patience:
    """How long each call of a block waits; after one has waited in vain, the others do not wait."""

    seconds: float
    exhausted: bool = False


_patience: ContextVar[_Patience | None] = ContextVar("patience", default=None)


@contextmanager
def patient(seconds: float = PATIENCE_S) -> Iterator[None]:
    """Let calls in a block wait this long for a server that does not answer; other calls fail immediately.

    After a call has waited in vain, further ones are made once each until one succeeds: otherwise a job whose server is
    away would wait again for each step of its end.
    """
    before = _patience.set(_Patience(seconds))
    try:
        yield
    finally:
        _patience.reset(before)


async def outwait(call: Callable[[], Awaitable[Result]], *, away: Callable[[Exception], bool]) -> Result:
    """Return the result of a repeatable call; in a `patient` block, repeat it while a server is `away`."""
    patience = _patience.get() or _Patience(0.0)
    until_s = time.monotonic() + (0.0 if patience.exhausted else patience.seconds)
    while True:
        try:
            result = await call()
        except Exception as error:
            if not away(error):
                raise
            if time.monotonic() >= until_s:
                patience.exhausted = True
                raise
        else:
            patience.exhausted = False
            return result
        await asyncio.sleep(_AGAIN_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[Item, Result]):
    """The result of one item: its `value`, or the `error` that it raised."""

    index: int
    item: Item
    value: Result | None = None
    error: Exception | None = None

    def unwrap(self) -> Result:
        """Return the value. Raises the item's error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value] # no error means a Result, which may itself be None


async def fan_out(
    work: Callable[[Item], Awaitable[Result]],
    items: Iterable[Item] | AsyncIterator[Item],
    *,
    limit: Callable[[], int],
) -> AsyncGenerator[Outcome[Item, Result], None]:
    """Run `work` on every item with at most `limit()` in flight; yield outcomes as they finish.

    `items` is read lazily, so memory holds only what is in flight; an asynchronous iterator is awaited while work
    continues. `limit` is called before each start and may change. Closing the iterator or cancelling its consumer
    cancels what is in flight. Raises what `items` raises.
    """
    running: set[asyncio.Task[Outcome[Item, Result]]] = set()
    source = items if isinstance(items, AsyncIterator) else iter(items)
    drawing: asyncio.Task[tuple[Item, ...]] | None = None  # the next item of an asynchronous iterator
    index = 0
    exhausted = False
    try:
        while True:
            while drawing is None and not exhausted and len(running) < max(1, limit()):
                if isinstance(source, AsyncIterator):
                    drawing = asyncio.create_task(next_of(source))
                else:
                    drawn = tuple(itertools.islice(source, 1))
                    exhausted = not drawn
                    index += _start(work, index, drawn, running)
            if drawing is None and not running:
                return
            waiting: set[asyncio.Task[Any]] = {*running, *([drawing] if drawing else [])}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if drawing is not None and drawing.done():
                drawn, drawing = drawing.result(), None
                exhausted = not drawn
                index += _start(work, index, drawn, running)
            ended = {task for task in running if task.done()}
            running -= ended
            for task in sorted(ended, key=lambda done: done.result().index):
                yield task.result()
    finally:
        leaving: list[asyncio.Task[Any]] = [*running, *([drawing] if drawing else [])]
        for one in leaving:
            one.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)


async def prefetched(source: AsyncIterator[Item]) -> AsyncGenerator[Item, None]:
    """Yield the items of an iterator, fetching each while the consumer uses the one before.

    Closing the generator cancels what is being fetched. Raises what `source` raises.
    """
    fetching = asyncio.create_task(next_of(source))
    try:
        while item := await fetching:
            fetching = asyncio.create_task(next_of(source))
            yield item[0]
    finally:
        await cancel_and_wait(fetching)


async def next_of(source: AsyncIterator[Item]) -> tuple[Item, ...]:
    """Return the next item in a tuple, or an empty tuple at the end."""
    async for item in source:
        return (item,)
    return ()


def _start(
    work: Callable[[Item], Awaitable[Result]],
    index: int,
    drawn: tuple[Item, ...],
    running: set[asyncio.Task[Outcome[Item, Result]]],
) -> int:
    for item in drawn:
        running.add(asyncio.create_task(_attempt(work, index, item)))
    return len(drawn)


async def _attempt(work: Callable[[Item], Awaitable[Result]], index: int, item: Item) -> Outcome[Item, Result]:
    try:
        return Outcome(index=index, item=item, value=await work(item))
    except Exception as error:  # noqa: BLE001 - the one place where an item's failure becomes a value
        return Outcome(index=index, item=item, error=error)


class Slots:
    """A first-in, first-out semaphore whose limit may change while it is in use."""

    def __init__(self, limit: Callable[[], int]) -> None:
        """`limit` is called whenever a slot is requested or released."""
        self._limit = limit
        self._held = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Wait for a free slot and hold it for a block."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._serve()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._held -= 1
            elif turn in self._waiting:
                self._waiting.remove(turn)
            self._serve()

    def _serve(self) -> None:
        while self._waiting and self._held < max(1, self._limit()):
            turn = self._waiting.popleft()
            if not turn.done():  # otherwise its caller was cancelled
                self._held += 1
                turn.set_result(None)


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended, however they do."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
