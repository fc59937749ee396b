"""Lets one process at a time import into a catalogue or repair it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from animerag.models.jobs import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from animerag.jobs.jobs import Control
    from animerag.storage.locks import Lock

_POLL_S = 0.2


class ImportLock:
    """A lock between processes, shared within a process, which a process that is killed gives back.

    Two imports in one process share their embeddings. Two processes would pay for the same shows twice, and a repair
    would delete vectors that another process has written but not yet recorded.
    """

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._holders = 0

    @contextlib.asynccontextmanager
    async def held(self, control: Control) -> AsyncIterator[None]:
        """Hold the lock for a block as soon as no other process does; a stop ends the wait without the lock."""
        while not (self._holders or self._lock.acquire()):
            if control.stopping:
                yield
                return
            control.progress = Progress(stage="Waiting for an import or repair in another process")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(control.stopped(), _POLL_S)
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                self._lock.release()

    @property
    def at_work(self) -> bool:
        """Return whether any process is importing or repairing."""
        if self._holders:
            return True
        if not self._lock.acquire():
            return True
        self._lock.release()
        return False
