"""What one job may spend: reserved before each call, settled by what the provider counted."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias

from animerag.errors import ProviderUnusableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


Settle: TypeAlias = "Callable[[float | None], None]"


class Budget:
    """A cap in USD over the calls of one job or one day, those under way included."""

    def __init__(self, cap_usd: float, *, taken_usd: float = 0.0, reached: str | None = None) -> None:
        """`taken_usd` was spent before; `reached` is the sentence that refuses a call."""
        self._cap_usd = cap_usd
        self._taken_usd = taken_usd
        self._reached = reached or (
            f"The cost cap of ${cap_usd:,.4g} is reached: raise ANIMERAG_MAX_COST_USD and go on with the rest."
        )

    @asynccontextmanager
    async def spending(self, expected_usd: float | None) -> AsyncIterator[Settle]:
        """Reserve what a call is expected to cost while it is made; the block reports what it did cost.

        A call that fails is taken to have cost nothing. Raises ProviderUnusableError, which ends the job, where the
        cap would not hold or the price is unknown.
        """
        if expected_usd is None:
            raise ProviderUnusableError(
                "The cost cap cannot be kept, because the model's price is not known: set ANIMERAG_PRICES,"
                " or unset ANIMERAG_MAX_COST_USD."
            )
        if not await self._reserved(expected_usd):
            raise ProviderUnusableError(self._reached)
        cost_usd = 0.0

        def settle(counted_usd: float | None) -> None:
            nonlocal cost_usd
            cost_usd = expected_usd if counted_usd is None else counted_usd

        try:
            yield settle
        finally:
            await asyncio.shield(asyncio.ensure_future(self._correct(cost_usd - expected_usd)))

    async def _reserved(self, expected_usd: float) -> bool:
        """Reserve; who is cancelled meanwhile leaves nothing reserved."""
        reserving = asyncio.ensure_future(self._reserve(expected_usd))
        try:
            return await asyncio.shield(reserving)
        except asyncio.CancelledError:
            if await reserving:
                await self._correct(-expected_usd)
            raise

    async def _reserve(self, expected_usd: float) -> bool:
        """Take an amount, unless the cap would not hold; return whether it was taken."""
        if self._taken_usd + expected_usd > self._cap_usd:
            return False
        self._taken_usd += expected_usd
        return True

    async def _correct(self, change_usd: float) -> None:
        """Add to what was taken, or give back where it is negative."""
        self._taken_usd += change_usd


_budget: ContextVar[Budget | None] = ContextVar("animerag_budget", default=None)


@contextmanager
def budgeted(cap_usd: float | None) -> Iterator[None]:
    """Let the provider calls of this block, and of the tasks it starts, cost no more than the cap; None is no cap."""
    with drawing_on(None if cap_usd is None else Budget(cap_usd)):
        yield


@contextmanager
def drawing_on(budget: Budget | None) -> Iterator[None]:
    """Let the provider calls of this block, and of the tasks it starts, draw on a budget; None is no cap."""
    token = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(token)


def current_budget() -> Budget | None:
    """Return the budget that this context draws on."""
    return _budget.get()


@asynccontextmanager
async def spending(expected_usd: float | None) -> AsyncIterator[Settle]:
    """Reserve what a call is expected to cost in the context's budget, if it has one. Raises ProviderUnusableError."""
    budget = _budget.get()
    if budget is None:
        yield lambda _: None
        return
    async with budget.spending(expected_usd) as settle:
        yield settle
