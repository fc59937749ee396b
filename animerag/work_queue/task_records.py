"""Records of tasks: the end of a task is recorded even if PostgreSQL restarts or another worker has taken it over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Status
from procrastinate.manager import JobManager

from animerag.concurrency import outwait, patient
from animerag.errors import reason_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import datetime

    from procrastinate.connector import BaseConnector
    from procrastinate.manager import NotificationCallback

log = logging.getLogger(__name__)

_RAISED = "P0001"  # the state of an error that a function in the database raises


class TaskRecords(JobManager):
    """Procrastinate's records; a task whose end is not recorded would seem to run forever, and hold its lock."""

    def __init__(self, connector: BaseConnector) -> None:
        """Use Procrastinate's connections."""
        super().__init__(connector)
        self._lost: dict[str, asyncio.Event] = {}

    async def finish_job_by_id_async(self, job_id: int, status: Status, delete_job: bool) -> None:
        """Record the end of a task, unless it has ended elsewhere. Raises ConnectorException."""
        await _noted(lambda: super(TaskRecords, self).finish_job_by_id_async(job_id, status, delete_job), job_id)

    async def retry_job_by_id_async(
        self,
        job_id: int,
        retry_at: datetime,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Give a task back, unless it has ended elsewhere or the same one is waiting. Raises ConnectorException."""

        async def give_back() -> None:
            await super(TaskRecords, self).retry_job_by_id_async(job_id, retry_at, priority, queue, lock)

        try:
            await _noted(give_back, job_id)
        except UniqueViolation:
            await self.finish_job_by_id_async(job_id, Status.FAILED, delete_job=True)

    async def update_heartbeat(self, worker_id: int) -> None:
        """Send a heartbeat; the next one follows in any case, or a worker without them would seem to hang."""
        with contextlib.suppress(ConnectorException):
            await super().update_heartbeat(worker_id)

    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        """Listen for new tasks until the connection is lost; `lost` announces that. Raises ConnectorException."""
        try:
            await super().listen_for_jobs(on_notification=on_notification, queues=queues)
        except ConnectorException:
            for queue in queues or ():
                self._lost[queue].set()
            raise

    async def lost(self, queue: str) -> None:
        """Wait until the connection that listens for tasks of a queue is lost."""
        self._lost[queue] = asyncio.Event()
        await self._lost[queue].wait()


async def _noted(note: Callable[[], Awaitable[None]], job_id: int) -> None:
    """Record a change of a task, if necessary after a restart of PostgreSQL; one that has ended is left as it is."""
    try:
        with patient():
            await outwait(note, away=_is_away)
    except ConnectorException as error:
        if not _has_ended(error):
            raise
        log.info("task %d was taken over by another worker", job_id)


def reason_in_one_line(error: BaseException) -> str:
    """Return the cause of an error on one line."""
    return " ".join(reason_of(error.__cause__ or error).split())


def _is_away(error: Exception) -> bool:
    return isinstance(error, ConnectorException) and not isinstance(error, UniqueViolation) and not _has_ended(error)


def _has_ended(error: Exception) -> bool:
    """Return whether Procrastinate raised an error: the task is no longer in progress."""
    return getattr(error.__cause__, "sqlstate", None) == _RAISED
