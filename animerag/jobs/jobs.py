"""Runs long work as jobs: journalled, visible to all processes, cancelled at a safe point."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING

from animerag.concurrency import cancel_and_wait, patient
from animerag.errors import AnimeRAGError, InvalidInputError
from animerag.jobs.job import LOCAL_OWNER, Control, Job, LargeReport
from animerag.jobs.journalled_control import POLL_S, JournalledControl, nothing_to_do
from animerag.models.jobs import Progress
from animerag.storage.job_journal import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from animerag.jobs.job import JobState
    from animerag.storage.library import Library

__all__ = ["LOCAL_OWNER", "MAX_RUNNING", "Control", "Job", "Jobs"]

log = logging.getLogger(__name__)

MAX_RUNNING = 50
_MOST_ENDED = 50


class Jobs:
    """The jobs of a catalogue: this process runs its own, and sees and controls those of other processes.

    Only `get`, `latest` and `all` may be called from other threads.
    """

    def __init__(
        self,
        library: Library,
        lease: str,
        *,
        is_free: Callable[[str], bool] = lambda _lease: False,
        on_start: Callable[[], None] = lambda: None,
        on_interrupted: Callable[[], Awaitable[None]] = nothing_to_do,
    ) -> None:
        """`is_free` returns whether the process of a lease has ended, and `on_interrupted` is called if one had jobs.

        `on_start` is called before each job of this process.
        """
        self._library = library
        self._lease = lease
        self._host = f"{socket.gethostname()}, process {os.getpid()}"
        self._journalled = JournalledControl(library.journal, lease, is_free=is_free, on_interrupted=on_interrupted)
        self._following: asyncio.Task[None] | None = None
        self._watched = False  # whether to follow other processes even while no job of this process runs
        self._on_start = on_start
        self._jobs: dict[str, Job] = {}
        self._starting = asyncio.Lock()
        self._exclusive: Job | None = None
        self._cut_off: set[str] = set()  # jobs that were running when the app ended

    async def start(
        self,
        work: Callable[[Control], Awaitable[object]],
        *,
        kind: str,
        title: str,
        key: str | None = None,
        owner: str = LOCAL_OWNER,
        exclusive: bool = False,
        request: Mapping[str, object] | None = None,
        after: Callable[[Job], Awaitable[None]] | None = None,
    ) -> Job:
        """Journal and start a job, or return the running job with the same `key`, of whichever process.

        An `exclusive` job is refused while other jobs run, also in other processes on this catalogue; later jobs of
        this process wait for its end. `request` is journalled so that a later process can resume the job. `after` is
        called with the job once its end is journalled. Raises InvalidInputError if the job is refused or too many jobs
        are running, LibraryError if it cannot be journalled.
        """
        async with self._starting:
            for job in self._jobs.values():
                if job.running and key is not None and job.key == key:
                    return job
            if sum(job.running for job in self._jobs.values()) >= MAX_RUNNING:
                raise InvalidInputError(f"{MAX_RUNNING} jobs are already running: wait for one to end, or cancel it.")
            job_id = secrets.token_hex(6)  # typed after `animerag jobs --cancel`
            begun = await self._library.journal.begin(
                job_id,
                owner=owner,
                kind=kind,
                title=title,
                lease=self._lease,
                key=key,
                host=self._host,
                request=request,
                exclusive=exclusive,
            )
            if begun != job_id:
                return await self._other(begun)
            job = Job(
                id=job_id, kind=kind, title=title, key=key or job_id, owner=owner, host=self._host, lease=self._lease
            )
            self._forget_oldest()
            self._jobs[job_id] = job
            before = next((other for other in self._jobs.values() if other.running and other is self._exclusive), None)
            if exclusive:
                self._exclusive = job
            job.task = asyncio.create_task(self._run(job, work, before, after), name=f"job-{kind}-{job_id}")
            self._follow()
            return job

    def get(self, job_id: str) -> Job | None:
        """Return a job by its id; safe from any thread."""
        return self._jobs.get(job_id) or self._journalled.others.get(job_id)

    def latest(self, kind: str) -> Job | None:
        """Return the newest job of a kind; safe from any thread."""
        return next((job for job in self.all() if job.kind == kind), None)

    def all(self) -> list[Job]:
        """Return the jobs of this process, and those of others that run or have ended since it started.

        The newest is first. Safe from any thread; the state of other processes is that of the last poll.
        """
        own, others = list(self._jobs.values()), list(self._journalled.others.values())
        newest = [*reversed(own), *reversed(others)]
        return sorted(newest, key=lambda job: job.started_s, reverse=True)

    def running(self) -> list[Job]:
        """Return the running jobs of this process."""
        return [job for job in self._jobs.values() if job.running]

    def watch(self) -> None:
        """Follow the jobs of other processes from now on, also while this process has none."""
        self._watched = True
        self._follow()

    async def refresh(self) -> None:
        """Exchange the state of jobs with other processes now."""
        await self._journalled.poll(list(self._jobs.values()))

    async def read(self) -> None:
        """Read the state of other processes' jobs now, without waiting for an import that writes."""
        await self._journalled.read(list(self._jobs.values()))

    async def stop(self, job_id: str) -> None:
        """Ask a job of any process to stop at its next safe point; a finished or unknown job is ignored.

        Raises LibraryError.
        """
        if job_id in self._jobs:
            self.cancel(job_id)
        elif await self._library.journal.request_stop(job_id) and (other := self.get(job_id)) is not None:
            other.state = "cancelling"

    async def answer(self, job: Job, *, yes: bool) -> None:
        """Answer the open question of a job of any process. Raises LibraryError."""
        if job.here:
            job.control.answer(yes=yes)
        elif job.control.question is not None:
            await self._library.journal.answer(job.id, job.control.question, yes=yes)
            job.control.question = None

    def cancel(self, job_id: str) -> None:
        """Ask a job of this process to stop at its next safe point; a finished or unknown job is ignored."""
        job = self._jobs.get(job_id)
        if job is not None and job.running:
            job.state = "cancelling"
            job.control.stop()

    async def wait(self, job: Job) -> Job:
        """Wait for the end of a job; cancelling the caller does not stop the job."""
        if job.task is not None:
            await asyncio.shield(asyncio.gather(job.task, return_exceptions=True))
        while not job.here and job.running:
            await asyncio.sleep(POLL_S)
            await self.refresh()
        return job

    async def close(self) -> None:
        """Stop all jobs of this process at a safe point and journal them as interrupted."""
        running = [job for job in self._jobs.values() if job.running and job.task is not None]
        self._cut_off = {job.id for job in running if job.state == "running"}
        for job in running:
            self.cancel(job.id)
        tasks = [job.task for job in running if job.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=5)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._following is not None:
            await cancel_and_wait(self._following)

    def _follow(self) -> None:
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._poll_while_needed(), name="jobs-of-all-processes")

    async def _poll_while_needed(self) -> None:
        while self._watched or self.running():
            await self.refresh()
            await asyncio.sleep(POLL_S)

    async def _other(self, job_id: str) -> Job:
        """Return a running job of another process. Raises InvalidInputError if it has ended meanwhile."""
        await self.refresh()
        job = self.get(job_id)
        if job is None:
            raise InvalidInputError("Another process has just done this: reload the page to see the result.")
        return job

    async def _run(
        self,
        job: Job,
        work: Callable[[Control], Awaitable[object]],
        before: Job | None,
        after: Callable[[Job], Awaitable[None]] | None,
    ) -> None:
        with patient():  # also while the end is journalled
            try:
                if before is not None:
                    job.control.progress = Progress(stage=f"Waiting until this ends: {before.title}")
                    await self._end_of(before, job)
                self._on_start()
                job.report = await work(job.control)
                state: JobState = "cancelled" if job.control.stopping else "done"
            except asyncio.CancelledError:
                state = "cancelled"
                raise
            except AnimeRAGError as error:
                state, job.error = "failed", str(error)
            except Exception as error:
                log.exception("job %s failed", job.kind)
                state, job.error = "failed", f"An unexpected error occurred ({type(error).__name__}): see the log."
            finally:
                job.finished_s = time.monotonic()
                await self._journal_end(job, state)
                if after is not None:
                    await _unfailing(after(job), job.kind)
                job.state = state

    async def _end_of(self, before: Job, waiting: Job) -> None:
        stop = asyncio.ensure_future(waiting.control.stopped())
        try:
            await asyncio.wait({asyncio.ensure_future(self.wait(before)), stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()

    async def _journal_end(self, job: Job, state: JobState) -> None:
        report = _journalled(job.report)
        try:
            await self._journal(job, state, report)
        except AnimeRAGError as error:
            log.warning("the end of a %s job could not be journalled: %s", job.kind, error)

    async def _journal(self, job: Job, state: JobState, report: Mapping[str, object] | None) -> None:
        if state == "cancelled" and job.id in self._cut_off:
            await self._library.journal.end(job.id, state="interrupted", error=INTERRUPTED)
        else:
            await self._library.journal.end(job.id, state=state, report=report, error=job.error)

    def _forget_oldest(self) -> None:
        ended = [job.id for job in self._jobs.values() if not job.running]
        for job_id in ended[: max(0, len(ended) - _MOST_ENDED)]:
            del self._jobs[job_id]


def _journalled(report: object) -> Mapping[str, object] | None:
    """Return what the journal stores of a report; large results are stored elsewhere, and the journal gets their id."""
    if isinstance(report, LargeReport):
        return report.journalled
    return asdict(report) if is_dataclass(report) and not isinstance(report, type) else None


async def _unfailing(work: Awaitable[None], kind: str) -> None:
    try:
        await work
    except AnimeRAGError as error:
        log.warning("the follow-up of a %s job failed: %s", kind, error)
