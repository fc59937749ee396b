"""Caps the cost of live questions per day, over all processes and hosts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from animerag.rate_limits.budget import Budget
    from animerag.storage.spending import SpendingLedger


class DailySpending:
    """Gives each live question the budget of its day (UTC)."""

    def __init__(
        self,
        ledger: SpendingLedger,
        cap_usd: float | None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger = ledger
        self._cap_usd = cap_usd
        self._now = now

    def budget(self) -> Budget | None:
        """Return today's budget; None without a cap."""
        if self._cap_usd is None:
            return None
        reached = (
            f"Today's cost cap of ${self._cap_usd:,.4g} for questions is reached:"
            " raise ANIMERAG_MAX_COST_USD, or ask again after midnight UTC, when it resets."
        )
        return self._ledger.budget(self._account(), self._cap_usd, reached=reached)

    async def committed_usd(self) -> float:
        """Return the cost of today's questions so far, including the expected cost of calls in progress."""
        return await self._ledger.committed_usd(self._account())

    def _account(self) -> str:
        return f"day {self._now().date().isoformat()}"
