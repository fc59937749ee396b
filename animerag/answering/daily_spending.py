"""What live questions may cost a day: the library remembers it, so that a restart does not begin the day again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from animerag.rate_limits.budget import Budget

if TYPE_CHECKING:
    from collections.abc import Callable

    from animerag.storage.library import Library

_FACT = "asked_usd "  # and the day in UTC


class DailySpending:
    """Keeps the one budget that all live questions of a day (UTC) share."""

    def __init__(
        self, library: Library, cap_usd: float | None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._library = library
        self._cap_usd = cap_usd
        self._now = now
        self._day = ""
        self._budget: Budget | None = None
        self._saved_usd = 0.0
        self._saving = asyncio.Lock()

    async def budget(self) -> Budget | None:
        """Return today's budget with what was spent already; None without a cap. Raises LibraryError."""
        if self._cap_usd is None:
            return None
        async with self._saving:
            day = self._now().date().isoformat()
            if day != self._day or self._budget is None:
                taken_usd = float(await self._library.get_meta(_FACT + day) or 0)
                self._day, self._saved_usd = day, taken_usd
                reached = (
                    f"Today's cost cap of ${self._cap_usd:,.4g} for questions is reached:"
                    " raise ANIMERAG_MAX_COST_USD, or ask again after midnight UTC, when it resets."
                )
                self._budget = Budget(self._cap_usd, taken_usd=taken_usd, reached=reached)
        return self._budget

    async def save(self) -> None:
        """Add to the library's sum what was taken since the last time. Raises LibraryError."""
        async with self._saving:
            if self._budget is None or self._budget.taken_usd == self._saved_usd:
                return
            taken_usd = self._budget.taken_usd
            # Another process may have added its own questions meanwhile.
            before_usd = float(await self._library.get_meta(_FACT + self._day) or 0)
            await self._library.set_meta(_FACT + self._day, repr(max(0.0, before_usd + taken_usd - self._saved_usd)))
            self._saved_usd = taken_usd
