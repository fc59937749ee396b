"""One process at a time imports into a catalogue or repairs it; others wait."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from animerag.models.jobs import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from animerag.jobs.jobs import Control

_LOOK_AGAIN_S = 0.2


class ImportLock:
    """A lock between processes, freed by the kernel when one is killed; work within a process shares it.

    Two imports of one process share what they embed. Those of two processes would pay for the same shows twice, and
    a repair would remove what another process has written and not yet noted.
    """

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path, thread_local=False)
        self._holders = 0

    @contextlib.asynccontextmanager
    async def held(self, control: Control) -> AsyncIterator[None]:
        """Hold the lock for a block, once no other process does; a stop ends the wait without it."""
        while not (self._holders or self._taken()):
            if control.stopping:
                yield
                return
            control.progress = Progress(stage="Waiting for another process that imports or repairs")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(control.stopped(), _LOOK_AGAIN_S)
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                self._lock.release()

    @property
    def at_work(self) -> bool:
        """Tell whether any process imports or repairs at this moment."""
        if self._holders:
            return True
        if not self._taken():
            return True
        self._lock.release()
        return False

    def _taken(self) -> bool:
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        return True
