"""Lets workers run whole jobs: one of them runs the job as its own, and follows it to its end."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from animerag.errors import AnimeRAGError, InvalidInputError, LibraryError
from animerag.storage.work_items import ItemState, WorkItem
from animerag.work_queue.workers import RELEASE, require_release

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from animerag.jobs.jobs import Job, Jobs
    from animerag.models.json_types import JsonObject
    from animerag.work_queue.work_queue import WorkQueue

JOBS = 4  # of one kind in a worker: they only follow the tasks of others, or wait for an import that runs
_POLL_S = 0.2
_RUNNING, _INTERRUPTED = "running", "interrupted"


class DetachedJobs:
    """Hands jobs over to workers, and runs them there."""

    def __init__(self, queue: WorkQueue, jobs: Jobs) -> None:
        self._queue = queue
        self._jobs = jobs

    async def require_worker(self) -> None:
        """Raise InvalidInputError if no worker runs, or one of another release does."""
        await self._queue.workers.require_same_release()
        if not await self._queue.workers.alive():
            raise InvalidInputError("No worker is running: start `animerag worker` on any host, or leave out --detach.")

    async def hand_over(self, kind: str, request: JsonObject, *, size: int) -> str:
        """Hand over a job of `size` parts, wait until a worker has started it, and return its id.

        Raises InvalidInputError if the worker could not start it, LibraryError.
        """
        work = secrets.token_urlsafe(9)
        request = {**request, "release": RELEASE}
        item = WorkItem(work=work, number=0, kind=kind, target=work, size=size, request=request)
        async with self._queue.library.writing() as connection:
            await self._queue.add(connection, item)
        while not (ended := await self._queue.items.ended(work)):  # noqa: ASYNC110 - another host does it
            await asyncio.sleep(_POLL_S)
        outcome = ended[0].outcome or {}
        if "failure" in outcome:
            raise InvalidInputError(outcome["failure"])
        return str(outcome["job"])

    async def run(self, work: str, number: int, start: Callable[[WorkItem, str | None], Awaitable[Job]]) -> None:
        """Run a job in this process until it ends. Raises LibraryError; other failures are recorded.

        `start` gets the id of the job of a worker that has died, None at first. If that worker had ended the job, or
        somebody had cancelled it, nothing is started.
        """
        items = self._queue.items
        item = await items.begin(work, number, worker=self._queue.workers.lease)
        if item is None:
            return
        job_id: str | None = (item.outcome or {}).get("job")
        try:
            require_release(item.request["release"])
            unfinished = job_id is None or await self._is_unfinished(job_id)
            while unfinished:
                job = await start(item, job_id)
                job_id = job.id
                await items.end(work, number, ItemState.WORKING, outcome={"job": job_id})
                await self._jobs.wait(job)
                unfinished = job.state == _INTERRUPTED  # it was the job of a process that has died meanwhile
        except LibraryError:
            raise
        except AnimeRAGError as error:
            await items.end(work, number, ItemState.FAILED, outcome={"failure": str(error)})
            return
        await items.end(work, number, ItemState.DONE, outcome={"job": job_id})

    async def _is_unfinished(self, job_id: str) -> bool:
        job = await self._queue.library.journal.get(job_id)
        return job is not None and job.state in (_RUNNING, _INTERRUPTED)
