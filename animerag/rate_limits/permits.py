"""Asks the window that all hosts share for permission to send this host's requests, one at a time."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.errors import LibraryError, ProviderUnusableError
from animerag.models.providers import Priority
from animerag.rate_limits.distributed_window import FENCE_S, Permit, UnusedGrant

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from animerag.rate_limits.distributed_window import DistributedWindow, Refusal

log = logging.getLogger(__name__)

ANSWER_S = 10.0  # the longest wait for the database
RETRY_S = 1.0  # between two attempts to reach it
BULK_PATIENCE_S = 60.0  # bulk work waits this long for the database
LIVE_PATIENCE_S = 10.0  # a person waits this long
LONGEST_PAUSE_S = 5.0  # another host may give back tokens at any time


@dataclass(frozen=True, slots=True)
class HeldPermit:
    """A permit and the time from which it is void."""

    permit: Permit
    until: float


class Permits:
    """The permit for the next request, if there is one; a void permit is given back with the next query.

    Without the database nothing is sent: limits that each host applies by itself would add up.
    """

    def __init__(
        self,
        window: DistributedWindow,
        *,
        clock: Callable[[], float],
        on_answer: Callable[[], None],
        on_failure: Callable[[Callable[[], ProviderUnusableError], frozenset[Priority]], None],
    ) -> None:
        """`on_answer` is called when the next request may have become possible.

        `on_failure` gets a maker of errors for the waiting calls of some priorities.
        """
        self._window = window
        self._clock, self._on_answer, self._on_failure = clock, on_answer, on_failure
        self._held: HeldPermit | None = None
        self._retry_at = dict.fromkeys((False, True), -math.inf)  # keyed by whether the call is bulk work
        self._unused: list[UnusedGrant] = []
        self._asking: asyncio.Task[None] | None = None
        self._closing = set[asyncio.Task[None]]()
        self._away_since: float | None = None

    @property
    def is_away(self) -> bool:
        """Return whether the database did not answer the last query."""
        return self._away_since is not None

    def retry_s(self, now: float) -> float:
        """Return the seconds until the next query."""
        return max(0.0, min(self._retry_at.values()) - now)

    def wait_s(self, tokens: float, now: float, *, bulk: bool) -> float:
        """Return 0 if there is a permit for a request, otherwise the seconds until the next check.

        They are infinite while the database is being asked, which `on_answer` ends.
        """
        held = self._held
        if held is not None and now < held.until and tokens <= held.permit.tokens and held.permit.bulk == bulk:
            return 0.0
        if held is not None:
            self._return(held.permit)
            self._held = None
        if self._asking is not None:
            return math.inf
        pause_s = self._retry_at[bulk] - now
        if pause_s > 0:
            return pause_s
        self._asking = asyncio.get_running_loop().create_task(self._ask(tokens, bulk=bulk))
        return math.inf

    def take(self) -> HeldPermit | None:
        """Return the permit for the request for which `wait_s` returned 0."""
        held, self._held = self._held, None
        return held

    def is_void(self, held: HeldPermit, now: float) -> bool:
        """Return whether a permit is too old; it is then given back."""
        if now < held.until:
            return False
        self._return(held.permit)
        return True

    def give_back(self, held: HeldPermit, tokens: float) -> None:
        """Give back the tokens of a permit that a request did not use, with the next query."""
        self._unused.append(UnusedGrant(permit=held.permit, tokens=tokens))
        if not self.is_away:  # what was refused may fit now
            self._retry_at = dict.fromkeys(self._retry_at, -math.inf)

    def close_for(self, seconds: float) -> None:
        """Close the provider for all hosts."""
        if seconds > 0:
            self._start(self._close(seconds))

    async def disconnect(self) -> None:
        """End the current request to the database and close the connection."""
        running = [*self._closing, *([self._asking] if self._asking is not None else [])]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._window.disconnect()

    def _return(self, permit: Permit) -> None:
        self._unused.append(UnusedGrant(permit=permit, tokens=permit.tokens, requests=1))

    async def _ask(self, tokens: float, *, bulk: bool) -> None:
        unused, self._unused = self._unused, []
        asked_at = self._clock()
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self._window.request(tokens, bulk=bulk, unused=unused)
        except (LibraryError, TimeoutError) as error:
            self._unused = [*unused, *self._unused]
            self._fail(error)
        else:
            self._take_answer(answer, asked_at, bulk=bulk)
        finally:
            self._asking = None
        self._on_answer()

    def _take_answer(self, answer: Permit | Refusal, asked_at: float, *, bulk: bool) -> None:
        self._away_since = None
        if isinstance(answer, Permit):
            self._held = HeldPermit(answer, until=asked_at + FENCE_S)
        else:
            self._retry_at[bulk] = self._clock() + min(answer.wait_s, LONGEST_PAUSE_S)

    def _fail(self, error: Exception) -> None:
        """Pause, and end calls that have waited for too long."""
        now = self._clock()
        if self._away_since is None:
            self._away_since = now
            log.warning("nothing is sent to the provider: %s", str(error) or type(error).__name__)
        self._retry_at = dict.fromkeys(self._retry_at, now + RETRY_S)
        away_s = now - self._away_since
        ended = set[Priority]()
        if away_s >= LIVE_PATIENCE_S:
            ended.add(Priority.LIVE)
        if away_s >= BULK_PATIENCE_S:
            ended |= {Priority.BATCH, Priority.INGEST}
        reason = str(error) or f"The shared rate limits cannot be used (no answer within {ANSWER_S:.0f} s)."
        if ended:
            self._on_failure(lambda: ProviderUnusableError(f"{reason} {_REMEDY}"), frozenset(ended))

    async def _close(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._window.close_for(seconds)
        except (LibraryError, TimeoutError) as error:  # other hosts learn it from their own refusal
            log.warning("the other hosts do not know of the wait: %s", str(error) or type(error).__name__)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


_REMEDY = "Nothing is sent to the provider without them: start PostgreSQL, then try again or resume."
