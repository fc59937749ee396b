"""Lets one process at a time import into a catalogue or repair it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from animerag.models.jobs import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from animerag.jobs.jobs import Control
    from animerag.storage.locks import Lock

_POLL_S = 0.2


class ImportLock:
    """A lock between processes, shared within a process; a killed process releases it.

    Two imports in one process share their embeddings. Two processes would pay for the same shows twice, and a repair
    would delete vectors that another process has written but not yet recorded. The sample excludes imports of its own
    process, too: it would overwrite shows that such an import has stored since the sample looked for them.
    """

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._holders = 0
        self._exclusive = False

    @contextlib.asynccontextmanager
    async def held(self, control: Control, *, exclusive: bool = False) -> AsyncIterator[None]:
        """Hold the lock for a block as soon as no other process does, nor this one if it is `exclusive`.

        A stop ends the wait without the lock.
        """
        while not self._admits(exclusive=exclusive):
            if control.stopping:
                yield
                return
            control.progress = Progress(stage="Waiting for an import or repair to end")
            await control.pause(_POLL_S)
        self._holders += 1
        self._exclusive = exclusive
        try:
            yield
        finally:
            self._holders -= 1
            self._exclusive = False
            if not self._holders:
                self._lock.release()

    def _admits(self, *, exclusive: bool) -> bool:
        if self._holders:
            return not (exclusive or self._exclusive)
        return self._lock.acquire()

    @property
    def at_work(self) -> bool:
        """Return whether any process is importing or repairing."""
        if self._holders:
            return True
        if not self._lock.acquire():
            return True
        self._lock.release()
        return False
