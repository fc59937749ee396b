"""Gives tasks of dead workers to others.

A worker is dead if it sends no heartbeat and holds no lease. PostgreSQL frees the lease as soon as the process ends. A
busy worker, whose heartbeats are late, holds its lease: its tasks stay with it.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procrastinate.jobs import Job

    from animerag.work_queue.work_queue import WorkQueue

log = logging.getLogger(__name__)

HEARTBEAT_S, LOOK_S = 2.0, 1.0
_SILENT_S = 4.0  # without a heartbeat: the lease is examined
_GONE_S = 2.0  # a lease is free for a moment when its connection is cut
_UNLISTED_S = 8.0  # without a heartbeat: the tasks of a worker that is not in the list
_HUNG_S = 60.0  # without a heartbeat: the tasks of a process that has not ended, but does nothing either


class Takeover:
    """Finds the tasks of dead workers and gives them back to the queue."""

    def __init__(self, queue: WorkQueue) -> None:
        self._queue = queue
        self._free_since_s: dict[str, float] = {}

    async def look(self) -> int:
        """Give back the tasks of dead workers, and return their number. Raises LibraryError, ProcrastinateException."""
        if not await self._of_dead():
            return 0
        async with self._queue.library.writing():  # one worker at a time
            jobs = await self._of_dead()
            for job in jobs:
                await self._queue.app.job_manager.retry_job(job)
                log.warning("the task %s of a dead worker is given back", job.task_name)
        return len(jobs)

    async def _of_dead(self) -> list[Job]:
        silent = await self._silent(_SILENT_S)
        if not silent:
            self._free_since_s.clear()
            return []
        lease_of = {taker: one.lease for one in await self._queue.workers.listed() for taker in one.takers}
        unlisted = {job.id for job in await self._silent(_UNLISTED_S) if job.worker_id not in lease_of}
        hung = {job.id for job in await self._silent(_HUNG_S)}
        owners = {job.id: lease_of[job.worker_id] for job in silent if job.worker_id in lease_of}
        gone = await self._gone(set(owners.values()))
        return [job for job in silent if job.id in unlisted | hung or owners.get(job.id) in gone]

    async def _gone(self, leases: set[str]) -> set[str]:
        """Return the leases that have been free for a while."""
        free, now_s = await self._queue.workers.gone(list(leases)), time.monotonic()
        self._free_since_s = {lease: self._free_since_s.get(lease, now_s) for lease in free}
        return {lease for lease, since_s in self._free_since_s.items() if now_s >= since_s + _GONE_S}

    async def _silent(self, seconds: float) -> list[Job]:
        """Return the tasks of workers without a heartbeat for so long, or without a record."""
        return list(await self._queue.app.job_manager.get_stalled_jobs(seconds_since_heartbeat=seconds))
