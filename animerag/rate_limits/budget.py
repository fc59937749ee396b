"""Caps the cost of a job: reserved before each call, corrected by the provider's usage afterwards."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from animerag.errors import ProviderUnusableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


Settle: TypeAlias = "Callable[[float | None], None]"


@dataclass(frozen=True, slots=True)
class Reservation:
    """The expected cost of one call; `id` names it if several processes share a budget."""

    usd: float
    id: str = ""


class Budget:
    """A cap in USD for the calls of one job or one day, including calls in flight."""

    def __init__(self, cap_usd: float, *, start_usd: float = 0.0, reached: str | None = None) -> None:
        """`start_usd` was spent before; `reached` is the sentence that refuses a call."""
        self._cap_usd = cap_usd
        self._spent_usd = start_usd
        self._reached = reached or (
            f"The cost cap of ${cap_usd:,.4g} is reached: raise ANIMERAG_MAX_COST_USD, then resume."
        )

    @asynccontextmanager
    async def spending(self, expected_usd: float | None) -> AsyncIterator[Settle]:
        """Reserve the expected cost of a call for a block, which reports the actual cost.

        A failed call counts as free. Raises ProviderUnusableError, which ends the job, if the call would exceed the
        cap or the price is unknown.
        """
        if expected_usd is None:
            raise ProviderUnusableError(
                "The cost cap needs a price, and the price of this model is not known: set ANIMERAG_PRICES,"
                " or remove ANIMERAG_MAX_COST_USD."
            )
        reservation = await self._reserved(expected_usd)
        if reservation is None:
            raise ProviderUnusableError(self._reached)
        cost_usd = 0.0

        def settle(counted_usd: float | None) -> None:
            nonlocal cost_usd
            cost_usd = expected_usd if counted_usd is None else counted_usd

        try:
            yield settle
        finally:
            await asyncio.shield(asyncio.ensure_future(self._settle(reservation, cost_usd)))

    async def _reserved(self, expected_usd: float) -> Reservation | None:
        """Reserve an amount; a caller that is cancelled meanwhile leaves nothing reserved."""
        reserving = asyncio.ensure_future(self._reserve(expected_usd))
        try:
            return await asyncio.shield(reserving)
        except asyncio.CancelledError:
            if (reservation := await reserving) is not None:
                await self._settle(reservation, 0.0)
            raise

    async def _reserve(self, expected_usd: float) -> Reservation | None:
        """Reserve an amount; return None if it does not fit the cap."""
        if self._spent_usd + expected_usd > self._cap_usd:
            return None
        self._spent_usd += expected_usd
        return Reservation(expected_usd)

    async def _settle(self, reservation: Reservation, cost_usd: float) -> None:
        """Replace a reservation by the actual cost."""
        self._spent_usd += cost_usd - reservation.usd


_budget: ContextVar[Budget | None] = ContextVar("animerag_budget", default=None)


@contextmanager
def budgeted(cap_usd: float | None) -> Iterator[None]:
    """Cap the cost of provider calls in a block and in the tasks that it starts; None is no cap."""
    with drawing_on(None if cap_usd is None else Budget(cap_usd)):
        yield


@contextmanager
def drawing_on(budget: Budget | None) -> Iterator[None]:
    """Charge provider calls in a block, and in the tasks that it starts, to a budget; None is no cap."""
    token = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(token)


def current_budget() -> Budget | None:
    """Return the budget of this context."""
    return _budget.get()


@asynccontextmanager
async def spending(expected_usd: float | None) -> AsyncIterator[Settle]:
    """Reserve the expected cost of a call in the context's budget, if there is one. Raises ProviderUnusableError."""
    budget = _budget.get()
    if budget is None:
        yield lambda _: None
        return
    async with budget.spending(expected_usd) as settle:
        yield settle
