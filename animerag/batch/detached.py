"""Lets workers run whole sheets: one of them hands out the rows and follows them to their end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from animerag.work_queue.detached_jobs import JOBS
from animerag.work_queue.worker import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.batch.runner import Batch, Which
    from animerag.jobs.jobs import Job, Jobs
    from animerag.storage.work_items import WorkItem
    from animerag.work_queue.detached_jobs import DetachedJobs

SHEET = "run_sheet"
_POLL_S = 0.5


class DetachedSheets:
    """Hands the runs of sheets over to workers, and runs them there."""

    def __init__(self, detached: DetachedJobs, batch: Batch, jobs: Jobs) -> None:
        self._detached = detached
        self._batch = batch
        self._jobs = jobs

    async def require_worker(self) -> None:
        """Raise InvalidInputError if no worker runs, or one of another release does."""
        await self._detached.require_worker()

    async def hand_over(self, run_id: str, *, which: Which = "missing") -> str:
        """Let a worker answer the missing or the failed questions of a run, and return the id of its job.

        Waits until a worker has started it. Raises InvalidInputError if it could not, LibraryError.
        """
        run = await self._batch.runs.get(run_id)
        return await self._detached.hand_over(SHEET, {"run": run_id, "which": which}, size=run.unanswered)

    def kinds(self) -> Sequence[TaskKind]:
        """Return the tasks that a worker takes."""
        return (TaskKind(name=SHEET, handler=self.run_sheet, tasks=JOBS),)

    async def run_sheet(self, work: str, number: int) -> None:
        """Run a sheet as a job of this process, or the rest of one whose process died. Raises LibraryError."""
        await self._detached.run(work, number, self._start)

    async def _start(self, item: WorkItem, _interrupted: str | None) -> Job:
        run_id = item.request["run"]
        while (await self._batch.runs.get(run_id)).at_work:
            await self._jobs.refresh()  # records after a few seconds that the job of a dead worker has ended
            await asyncio.sleep(_POLL_S)
        return await self._batch.start(self._jobs, run_id, item.request["which"])
