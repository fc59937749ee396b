"""Bounded fan-out: many items, a few at a time, an outcome for each; one failure never loses the rest."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[Item, Result]):
    """What became of one item: `value`, or the `error` that stopped it."""

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
    items: Iterable[Item],
    *,
    limit: Callable[[], int],
) -> AsyncGenerator[Outcome[Item, Result], None]:
    """Run `work` on every item with at most `limit()` at once; yield outcomes as they finish.

    `items` is drawn from lazily, so memory holds only what is in flight; `limit` is asked again before each start,
    so it may change meanwhile. Closing the iterator, or cancelling its consumer, cancels what is in flight.
    """
    running: set[asyncio.Task[Outcome[Item, Result]]] = set()
    numbered = enumerate(items)
    exhausted = False
    try:
        while True:
            while not exhausted and len(running) < max(1, limit()):
                try:
                    index, item = next(numbered)
                except StopIteration:
                    exhausted = True
                else:
                    running.add(asyncio.create_task(_attempt(work, index, item)))
            if not running:
                return
            finished, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(finished, key=lambda done: done.result().index):
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _attempt(work: Callable[[Item], Awaitable[Result]], index: int, item: Item) -> Outcome[Item, Result]:
    try:
        return Outcome(index=index, item=item, value=await work(item))
    except Exception as error:  # noqa: BLE001 - the one seam where an item's failure becomes a value
        return Outcome(index=index, item=item, error=error)
