"""What live questions may cost a day: one sum in the library, which all processes on it draw on."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from animerag.errors import LibraryError
from animerag.rate_limits.budget import Budget

if TYPE_CHECKING:
    from collections.abc import Callable

    from animerag.storage.library import Library

log = logging.getLogger(__name__)

_FACT = "asked_usd "  # and the day in UTC


class DailySpending:
    """Gives each live question the budget of its day (UTC)."""

    def __init__(
        self, library: Library, cap_usd: float | None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._library = library
        self._cap_usd = cap_usd
        self._now = now

    def budget(self) -> Budget | None:
        """Return today's budget; None without a cap."""
        if self._cap_usd is None:
            return None
        return _DayBudget(self._library, self._cap_usd, self._now().date().isoformat())

    async def taken_usd(self) -> float:
        """Return what today's questions cost so far, with what calls under way are expected to cost."""
        return float(await self._library.get_meta(_FACT + self._now().date().isoformat()) or 0)


class _DayBudget(Budget):
    """A budget that is kept in the library: a call is reserved there, in one transaction, before it is made.

    After a crash a reservation stands: the call may have been paid for.
    """

    def __init__(self, library: Library, cap_usd: float, day: str) -> None:
        reached = (
            f"Today's cost cap of ${cap_usd:,.4g} for questions is reached:"
            " raise ANIMERAG_MAX_COST_USD, or ask again after midnight UTC, when it resets."
        )
        super().__init__(cap_usd, reached=reached)
        self._library = library
        self._fact = _FACT + day

    async def _reserve(self, expected_usd: float) -> bool:
        return await self._library.add_to_meta(self._fact, expected_usd, most=self._cap_usd)

    async def _correct(self, change_usd: float) -> None:
        try:
            await self._library.add_to_meta(self._fact, change_usd)
        except LibraryError as error:  # the answer is there; what was reserved for it stays taken
            log.warning("the cost of a question could not be settled: %s", error)
