"""Connects the jobs of all processes through the journal.

Once a second, a process writes the progress and questions of its jobs, takes the requests to stop and the answers that
other processes have left for them, and copies the control of the other processes' jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

from animerag.errors import AnimeRAGError
from animerag.jobs.job import Job, JobState
from animerag.models.jobs import Progress
from animerag.storage.job_journal import JobStatus
from animerag.storage.serialization import now as this_moment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping

    from animerag.models.jobs import JobRecord
    from animerag.storage.job_journal import JobJournal

log = logging.getLogger(__name__)

POLL_S = 1.0  # between two polls: progress is written, and requests to stop are noticed, at most once a second
_BETWEEN_WRITES_S = 0.9  # progress is written no sooner, even if pages ask for a poll in between
_DEAD_S = 3.0  # a lease is free for a moment while PostgreSQL restarts; longer than that, its process has ended


async def nothing_to_do() -> None:
    """Do nothing."""


class JournalledControl:
    """The link between this process's jobs and those of other processes on the catalogue."""

    def __init__(
        self,
        journal: JobJournal,
        lease: str,
        *,
        is_free: Callable[[str], bool] = lambda _lease: False,
        on_interrupted: Callable[[], Awaitable[None]] = nothing_to_do,
    ) -> None:
        """`is_free` returns whether the process of a lease has ended; then `on_interrupted` is called for its jobs."""
        self._journal = journal
        self._lease = lease
        self._is_free = is_free
        self._on_interrupted = on_interrupted
        self._since = this_moment()
        self._reading, self._writing = asyncio.Lock(), asyncio.Lock()
        self._written_s = float("-inf")
        self._written: dict[str, JobStatus] = {}
        self._free_since_s: dict[str, float] = {}
        self._failing = False
        self.others: Mapping[str, Job] = {}  # replaced as a whole, so that any thread may read it

    async def poll(self, own: Collection[Job]) -> None:
        """Exchange the state of jobs with other processes, `own` being those of this one; log a failure once."""
        async with self._writing, self._logged():
            await self._read(own)
            await self._write([job for job in own if job.running])
            await self._interrupt_dead(any(job.running for job in own))

    async def read(self, own: Collection[Job]) -> None:
        """Read the state of other processes' jobs, and what they ask of this one's, without waiting for a write.

        A write may wait for the transaction of an import. Log a failure once.
        """
        async with self._logged():
            await self._read(own)

    @contextlib.asynccontextmanager
    async def _logged(self) -> AsyncIterator[None]:
        try:
            yield
        except AnimeRAGError as error:
            if not self._failing:
                log.warning("jobs of other processes cannot be read: %s", error)
            self._failing = True
        else:
            self._failing = False

    async def _read(self, own: Collection[Job]) -> None:
        async with self._reading:
            records = {record.id: record for record in await self._journal.current(self._since)}
            for job in own:
                if job.running and (record := records.get(job.id)) is not None:
                    _take_requests(job, record)
            await self._copy([record for record in records.values() if record.lease != self._lease])

    async def _write(self, running: list[Job]) -> None:
        """Write the control of this process's jobs if it has changed."""
        statuses = {
            job.id: JobStatus(
                progress=job.control.progress, question=job.control.question, stopping=job.control.stopping
            )
            for job in running
        }
        changed = {job_id: status for job_id, status in statuses.items() if self._written.get(job_id) != status}
        now_s = time.monotonic()
        if changed and now_s >= self._written_s + _BETWEEN_WRITES_S:
            await self._journal.update(changed)
            self._written, self._written_s = statuses, now_s

    async def _copy(self, records: list[JobRecord]) -> None:
        """Update the jobs of other processes; watchers hold the same objects from poll to poll."""
        copied: dict[str, Job] = {}
        for record in reversed(records):
            job = self.others.get(record.id) or _job_of(record)
            copied[job.id] = job
            if job.running or record.state == "running":
                await self._refresh(job, record)
        for job_id, job in self.others.items():
            if job_id not in copied and job.running:  # it ended, by a clock that is behind this one
                copied[job_id] = job
                whole = await self._journal.get(job_id)
                if whole is None:
                    job.state = "interrupted"
                else:
                    await self._refresh(job, whole)
        self.others = copied

    async def _refresh(self, job: Job, record: JobRecord) -> None:
        job.control.progress = record.progress or Progress()
        job.control.question = record.question if record.answer is None else None
        if record.state == "running":
            job.state = "cancelling" if record.stop_requested else "running"
            return
        whole = await self._journal.get(job.id)
        job.report, job.error = whole.report if whole else None, record.error
        job.finished_s = time.monotonic()
        job.state = _state(record.state)

    async def _interrupt_dead(self, at_work: bool) -> None:
        """Record the end of jobs whose process has ended.

        While this process has jobs, its own lease is checked, too: that restores its locks after a lost connection.
        """
        leases = {job.lease for job in self.others.values() if job.running}
        free: set[str] = set()
        for lease in leases | ({self._lease} if at_work else set()):
            if await asyncio.to_thread(self._is_free, lease) and lease != self._lease:
                free.add(lease)
        now_s = time.monotonic()
        self._free_since_s = {lease: self._free_since_s.get(lease, now_s) for lease in free}
        dead = [lease for lease, since_s in self._free_since_s.items() if now_s - since_s >= _DEAD_S]
        if dead and await self._journal.interrupt(dead):
            await self._on_interrupted()


def _take_requests(job: Job, record: JobRecord) -> None:
    """Carry out the requests of other processes for a job of this process."""
    if record.stop_requested and not job.control.stopping:
        job.state = "cancelling"
        job.control.stop()
    if record.answer is not None and record.question == job.control.question:
        job.control.answer(yes=record.answer)


def _job_of(record: JobRecord) -> Job:
    age_s = (datetime.now(UTC) - datetime.fromisoformat(record.created_at)).total_seconds()
    return Job(
        id=record.id,
        kind=record.kind,
        title=record.title,
        key=record.key or record.id,
        owner=record.owner,
        started_s=time.monotonic() - max(0.0, age_s),
        here=False,
        host=record.host or "",
        lease=record.lease,
    )


def _state(recorded: str) -> JobState:
    return next(state for state in get_args(JobState) if state == recorded)
