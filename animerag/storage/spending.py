"""Records spent and reserved costs by account: the cost caps of days, runs and imports over all hosts.

The expected cost of a call is reserved before the call, and replaced by its actual cost afterwards. When a process
ends, its reservations are given back, because its calls are repeated; the provider may have charged the interrupted
calls as well.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from animerag.errors import LibraryError
from animerag.rate_limits.budget import Budget, Reservation
from animerag.storage.dialects import dialect_of
from animerag.storage.schema import reservations, spending

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.storage.database import Database

log = logging.getLogger(__name__)


class SpendingLedger:
    """The accounts of a library."""

    def __init__(
        self, library: Database, lease: str = "", *, is_free: Callable[[str], bool] = lambda _lease: False
    ) -> None:
        """`lease` is that of this process; `is_free` returns, in a thread, whether a lease's process has ended."""
        self._library = library
        self._lease, self._is_free = lease, is_free

    def budget(self, account: str, cap_usd: float, *, reached: str | None = None, start_usd: float = 0.0) -> Budget:
        """Return the budget of an account, the same in every process that names it.

        `start_usd` was spent before the account existed; `reached` is the sentence that refuses a call.
        """
        return _StoredBudget(self, account, cap_usd, reached=reached, start_usd=start_usd)

    async def committed_usd(self, account: str) -> float:
        """Return what was spent, including the expected cost of calls in progress. Raises LibraryError."""
        query = select(spending.c.spent_usd + spending.c.reserved_usd).where(spending.c.account == account)
        return float(await self._library.scalar(query) or 0.0)

    async def reserve(self, account: str, usd: float, *, cap_usd: float, start_usd: float = 0.0) -> Reservation | None:
        """Reserve an amount; return None if it does not fit the cap. Raises LibraryError."""
        reservation = await self._reserve(account, usd, cap_usd, start_usd)
        if reservation is None and await self.return_dead():
            reservation = await self._reserve(account, usd, cap_usd, start_usd)
        return reservation

    async def settle(self, account: str, reservation: Reservation, cost_usd: float) -> None:
        """Replace a reservation by the actual cost. Raises LibraryError."""
        async with self._library.counting() as connection:
            removed = await connection.execute(delete(reservations).where(reservations.c.id == reservation.id))
            returned_usd = reservation.usd if removed.rowcount else 0.0  # otherwise `return_dead` has done that
            await _add(connection, account, spent_usd=cost_usd, reserved_usd=-returned_usd)

    async def return_dead(self) -> bool:
        """Give back the reservations of ended processes; return whether there were any. Raises LibraryError."""
        leases = [row.lease for row in await self._library.rows(select(reservations.c.lease).distinct())]
        others = [lease for lease in leases if lease not in ("", self._lease)]
        dead = [lease for lease in others if await asyncio.to_thread(self._is_free, lease)]
        if not dead:
            return False
        async with self._library.counting() as connection:
            theirs = select(reservations).where(reservations.c.lease.in_(dead)).with_for_update(skip_locked=True)
            rows = (await connection.execute(theirs)).all()
            await connection.execute(delete(reservations).where(reservations.c.id.in_([row.id for row in rows])))
            amounts = defaultdict[str, float](float)
            for row in rows:
                amounts[row.account] += row.usd
            for account, usd in sorted(amounts.items()):
                await _add(connection, account, reserved_usd=-usd)
        return bool(rows)

    async def _reserve(self, account: str, usd: float, cap_usd: float, start_usd: float) -> Reservation | None:
        if usd > cap_usd:
            return None
        reservation = Reservation(usd, secrets.token_hex(8))
        fits = spending.c.spent_usd + spending.c.reserved_usd + usd <= cap_usd
        async with self._library.counting() as connection:
            new = dialect_of(connection).insert(spending).values(account=account, spent_usd=start_usd, reserved_usd=0.0)
            await connection.execute(new.on_conflict_do_nothing())
            own = update(spending).where(spending.c.account == account, fits)
            if not (await connection.execute(own.values(reserved_usd=spending.c.reserved_usd + usd))).rowcount:
                return None
            row = {"id": reservation.id, "account": account, "usd": usd, "lease": self._lease}
            await connection.execute(insert(reservations).values(row))
        return reservation


class _StoredBudget(Budget):
    """The budget of an account."""

    def __init__(
        self, ledger: SpendingLedger, account: str, cap_usd: float, *, reached: str | None, start_usd: float
    ) -> None:
        super().__init__(cap_usd, reached=reached)
        self._ledger, self._account, self._start_usd = ledger, account, start_usd

    async def _reserve(self, expected_usd: float) -> Reservation | None:
        start_usd = self._start_usd
        return await self._ledger.reserve(self._account, expected_usd, cap_usd=self._cap_usd, start_usd=start_usd)

    async def _settle(self, reservation: Reservation, cost_usd: float) -> None:
        try:
            await self._ledger.settle(self._account, reservation, cost_usd)
        except LibraryError as error:  # the call is complete; its reservation stays until this process ends
            log.warning("the cost of a call could not be recorded: %s", error)


async def _add(connection: AsyncConnection, account: str, *, spent_usd: float = 0.0, reserved_usd: float = 0.0) -> None:
    changed = {
        "spent_usd": spending.c.spent_usd + spent_usd,
        "reserved_usd": spending.c.reserved_usd + reserved_usd,
    }
    await connection.execute(update(spending).where(spending.c.account == account).values(changed))
