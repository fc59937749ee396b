"""Runs tasks, one per slot.

Tasks are given back when the worker stops, and taken over when it dies; every task may be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from procrastinate.exceptions import ConnectorException, JobAborted, ProcrastinateException, UniqueViolation
from procrastinate.jobs import Status
from procrastinate.retry import BaseRetryStrategy, RetryDecision

from animerag.errors import LibraryError, VectorStoreError
from animerag.work_queue.work_queue import reason_in_one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from procrastinate import JobContext
    from procrastinate.jobs import Job

    from animerag.work_queue.work_queue import WorkQueue

log = logging.getLogger(__name__)

_HEARTBEAT_S, _DEAD_S, _LOOK_S = 2.0, 8.0, 2.0  # a dead worker's tasks start elsewhere within 15 s
_POLL_S = 2.0  # PostgreSQL announces new tasks; polling finds those that were given back
_GRACE_S = 20.0  # a worker that stops finishes its requests, because they are paid for
_AGAIN_S, _TRIES = 1, 60  # seconds between attempts, and their number, while PostgreSQL restarts
_FORGOTTEN_S = 600  # heartbeats of dead workers


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskKind:
    """A kind of task that a worker takes: `tasks` at a time, each by awaiting `handler` with the task's arguments."""

    name: str
    handler: Callable[..., Awaitable[None]]
    tasks: int


class _GiveBack(BaseRetryStrategy):
    """Gives a task back when its worker stops, and repeats it while PostgreSQL or Chroma restarts."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, asyncio.CancelledError | JobAborted):
            return RetryDecision(retry_in={"seconds": 0})
        if isinstance(exception, LibraryError | VectorStoreError | ConnectorException) and job.attempts < _TRIES:
            return RetryDecision(retry_in={"seconds": _AGAIN_S})
        return None


class Worker:
    """Takes tasks of some kinds; `slots` is the number of embedding requests in flight."""

    def __init__(self, queue: WorkQueue, kinds: Sequence[TaskKind], *, slots: int) -> None:
        self._queue = queue
        self._kinds = kinds
        self.slots = slots
        self._done = 0

    async def serve(self) -> None:
        """Take tasks until this is cancelled; tasks that have begun then end, or are given back after 20 s.

        Raises InvalidInputError if a worker of another release is running, LibraryError.
        """
        await self._queue.workers.require_same_release()
        await self._queue.workers.remove_dead()
        began_at = datetime.now(UTC).isoformat(timespec="seconds")
        for kind in self._kinds:
            if kind.name not in self._queue.app.tasks:  # this worker may have run before
                self._register(kind)
        await self._queue.workers.put(concurrency=self.slots, began_at=began_at, done=0)
        running = [asyncio.create_task(self._take(kind), name=f"take-{kind.name}") for kind in self._kinds]
        running.append(asyncio.create_task(self._look_after(began_at), name="look-after"))
        try:
            await asyncio.gather(*running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            with contextlib.suppress(LibraryError):
                await self._queue.workers.remove()

    def _register(self, kind: TaskKind) -> None:
        async def run(_context: JobContext, /, **given: Any) -> None:
            await kind.handler(**given)
            self._done += 1

        self._queue.app.task(name=kind.name, queue=kind.name, pass_context=True, retry=_GiveBack())(run)

    async def _take(self, kind: TaskKind) -> None:
        """Run tasks of one kind; after an outage of PostgreSQL, start again as a new worker of Procrastinate."""
        while True:
            try:
                await self._queue.app.run_worker_async(
                    queues=[kind.name],
                    name=f"{self._queue.workers.lease} {kind.name}",
                    concurrency=kind.tasks,
                    fetch_job_polling_interval=_POLL_S,
                    update_heartbeat_interval=_HEARTBEAT_S,
                    stalled_worker_timeout=_FORGOTTEN_S,
                    shutdown_graceful_timeout=_GRACE_S,
                    install_signal_handlers=False,
                    delete_jobs="always",
                )
            except ProcrastinateException as error:
                log.warning("the queue is not available: %s", reason_in_one_line(error))
            await asyncio.sleep(_AGAIN_S)

    async def _look_after(self, began_at: str) -> None:
        """Take over the tasks of dead workers, and record the number of finished tasks."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                if await self._stalled():
                    async with self._queue.library.writing():  # one worker gives them back
                        for job in await self._stalled():
                            await self._give_back(job)
                await self._queue.workers.put(concurrency=self.slots, began_at=began_at, done=self._done)
            except (LibraryError, ProcrastinateException) as error:
                log.warning("tasks of dead workers could not be searched for: %s", reason_in_one_line(error))

    async def _stalled(self) -> list[Job]:
        return list(await self._queue.app.job_manager.get_stalled_jobs(seconds_since_heartbeat=_DEAD_S))

    async def _give_back(self, job: Job) -> None:
        try:
            await self._queue.app.job_manager.retry_job(job)
        except UniqueViolation:  # the same task is already waiting
            await self._queue.app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
        log.warning("a dead worker's task is given back: %s", job.task_name)
