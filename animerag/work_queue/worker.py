"""Runs tasks, one per slot.

Tasks are given back when the worker stops, and taken over when it dies; every task may be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from procrastinate.exceptions import ConnectorException, JobAborted, ProcrastinateException
from procrastinate.retry import BaseRetryStrategy, RetryDecision

from animerag.concurrency import patient
from animerag.errors import LibraryError, VectorStoreError
from animerag.work_queue.takeover import HEARTBEAT_S, LOOK_S, Takeover
from animerag.work_queue.task_records import reason_in_one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from procrastinate import JobContext
    from procrastinate.jobs import Job

    from animerag.work_queue.work_queue import WorkQueue

log = logging.getLogger(__name__)

_POLL_S = 2.0  # PostgreSQL announces new tasks; polling finds those that were given back
_GRACE_S = 20.0  # a worker that stops finishes its requests, because they are paid for
_AGAIN_S, _TRIES = 1, 60  # seconds between attempts, and their number, while PostgreSQL restarts
_LISTED_S = 10.0  # between two records in the list: another process may have taken this one for dead
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
        self._takeover = Takeover(queue)
        self._began_at = ""
        self._done = 0
        self._takers: dict[str, int] = {}  # by kind of task
        self._listed: tuple[object, ...] = ()
        self._listed_s = 0.0

    async def serve(self) -> None:
        """Take tasks until this is cancelled; tasks that have begun then end, or are given back after 20 s.

        Raises InvalidInputError if a worker of another release is running, LibraryError.
        """
        await self._queue.workers.require_same_release()
        await self._queue.workers.remove_dead()
        self._began_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._listed = ()
        for kind in self._kinds:
            if kind.name not in self._queue.app.tasks:  # this worker may have run before
                self._register(kind)
        await self._list()
        running = [asyncio.create_task(self._take(kind), name=f"take-{kind.name}") for kind in self._kinds]
        running.append(asyncio.create_task(self._look_after(), name="look-after"))
        try:
            await asyncio.gather(*running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            with contextlib.suppress(LibraryError):
                await self._queue.workers.remove()

    def _register(self, kind: TaskKind) -> None:
        async def run(context: JobContext, /, **given: Any) -> None:
            taker = context.job.worker_id
            with patient():
                if taker is not None and self._takers.get(kind.name) != taker:
                    self._takers[kind.name] = taker
                    await self._list()
                await kind.handler(**given)
            self._done += 1

        self._queue.app.task(name=kind.name, queue=kind.name, pass_context=True, retry=_GiveBack())(run)

    async def _take(self, kind: TaskKind) -> None:
        """Take tasks of one kind; start again as a new worker of Procrastinate after PostgreSQL was away.

        Its last commits may be lost. A new worker has no tasks, so that those of the old one are given back.
        """
        while True:
            taking = asyncio.create_task(self._run_tasks(kind))
            lost = asyncio.create_task(self._queue.records.lost(kind.name))
            try:
                await asyncio.wait({taking, lost}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (taking, lost):
                    task.cancel()
                outcomes = await asyncio.gather(taking, lost, return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, ProcrastinateException):
                    log.warning("the queue is not available: %s", reason_in_one_line(outcome))
                elif isinstance(outcome, Exception):
                    raise outcome
            self._takers.pop(kind.name, None)
            await asyncio.sleep(_AGAIN_S)

    async def _run_tasks(self, kind: TaskKind) -> None:
        await self._queue.app.run_worker_async(
            queues=[kind.name],
            name=f"{self._queue.workers.lease} {kind.name}",
            concurrency=kind.tasks,
            fetch_job_polling_interval=_POLL_S,
            update_heartbeat_interval=HEARTBEAT_S,
            stalled_worker_timeout=_FORGOTTEN_S,
            shutdown_graceful_timeout=_GRACE_S,
            install_signal_handlers=False,
            delete_jobs="always",
        )

    async def _look_after(self) -> None:
        """Give back the tasks of dead workers, and record what this one has done."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._takeover.look()
                await self._list()
            except (LibraryError, ProcrastinateException) as error:
                log.warning("tasks of dead workers could not be searched for: %s", reason_in_one_line(error))

    async def _list(self) -> None:
        """Record this worker in the list if anything has changed, and now and then in any case."""
        now_s = time.monotonic()
        listed = (self._began_at, self._done, tuple(self._takers.values()))
        if listed != self._listed or now_s > self._listed_s + _LISTED_S:
            began_at, done, takers = listed
            await self._queue.workers.put(concurrency=self.slots, began_at=began_at, done=done, takers=takers)
            self._listed, self._listed_s = listed, now_s
