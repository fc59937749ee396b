"""Caps the cost of live questions per day; all processes share one sum in the library."""

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

_KEY = "asked_usd "  # followed by the day in UTC


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
        """Return the cost of today's questions so far, including the expected cost of calls in progress."""
        return float(await self._library.get_meta(_KEY + self._now().date().isoformat()) or 0)


class _DayBudget(Budget):
    """A budget stored in the library: the cost of a call is reserved there, in one transaction, before it is made.

    After a crash a reservation remains, because the call may have been charged.
    """

    def __init__(self, library: Library, cap_usd: float, day: str) -> None:
        reached = (
            f"Today's cost cap of ${cap_usd:,.4g} for questions is reached:"
            " raise ANIMERAG_MAX_COST_USD, or ask again after midnight UTC, when it resets."
        )
        super().__init__(cap_usd, reached=reached)
        self._library = library
        self._key = _KEY + day

    async def _reserve(self, expected_usd: float) -> bool:
        return await self._library.add_to_meta(self._key, expected_usd, most=self._cap_usd)

    async def _correct(self, change_usd: float) -> None:
        try:
            await self._library.add_to_meta(self._key, change_usd)
        except LibraryError as error:  # the answer is complete; the reserved cost stays counted
            log.warning("the cost of a question could not be updated: %s", error)
