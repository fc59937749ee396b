"""Runs long work as jobs: journalled, visible in every tab, and cancelled at a safe point. Knows no kind of work."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar, runtime_checkable

from animerag.errors import AnimeRAGError, InvalidInputError
from animerag.models.jobs import Progress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from animerag.storage.library import Library

P = TypeVar("P")
log = logging.getLogger(__name__)

JobState = Literal["running", "cancelling", "done", "failed", "cancelled"]
LOCAL_OWNER = "local"  # without a login, the command line and all tabs have one owner
MAX_RUNNING = 50
_MOST_ENDED = 50


@runtime_checkable
class LargeReport(Protocol):
    """A report that is stored elsewhere."""

    @property
    def journalled(self) -> Mapping[str, object]:
        """Return what the journal stores instead."""
        ...


@dataclass(slots=True)
class Control:
    """The channel between a job and its observers: progress, questions, and the request to stop."""

    progress: Progress = field(default_factory=Progress)
    partial: object | None = None  # partial results; each kind of work has its own class
    question: str | None = None  # the owner must answer it before the work continues
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _answer: asyncio.Future[bool] | None = None

    def partial_as(self, kind: type[P]) -> P | None:
        """Return the partial results if they are of the given kind, otherwise None."""
        return self.partial if isinstance(self.partial, kind) else None

    async def ask(self, question: str) -> bool:
        """Wait until the owner answers yes or no; a stop counts as no."""
        self.question, self._answer = question, asyncio.get_running_loop().create_future()
        answer, stop = self._answer, asyncio.ensure_future(self.stopped())
        either: set[asyncio.Future[bool] | asyncio.Future[None]] = {answer, stop}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            return answer.done() and answer.result()
        finally:
            self.question = self._answer = None
            stop.cancel()

    def answer(self, *, yes: bool) -> None:
        """Answer the open question, if there is one."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(yes)

    def stop(self) -> None:
        """Ask the work to stop at the next safe point."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Return whether the job was asked to stop."""
        return self._stop.is_set()

    def part(self) -> Control:
        """Return a control for a part of the work that stops with the whole; its progress is not shown."""
        return Control(_stop=self._stop)

    async def stopped(self) -> None:
        """Wait until the job is asked to stop."""
        await self._stop.wait()


@dataclass(slots=True, kw_only=True)
class Job:
    """A piece of long work; pages only read it."""

    id: str
    kind: str
    title: str
    key: str
    owner: str
    control: Control = field(default_factory=Control)
    state: JobState = "running"
    report: object = None  # the result of the work: each kind of job has its own class for it
    error: str | None = None
    started_s: float = field(default_factory=time.monotonic)
    finished_s: float | None = None
    task: asyncio.Task[None] | None = None

    def report_as(self, kind: type[P]) -> P | None:
        """Return the report if it has this type; None before the job has ended, or if it failed."""
        return self.report if isinstance(self.report, kind) else None

    @property
    def running(self) -> bool:
        """Return whether the job is at work, stopping included."""
        return self.state in ("running", "cancelling")

    @property
    def elapsed_s(self) -> float:
        """Return the seconds from the start to the end, or until now."""
        return (self.finished_s or time.monotonic()) - self.started_s


class Jobs:
    """The jobs of this process, newest last; only `get`, `latest` and `all` may be called from other threads."""

    def __init__(self, library: Library, lease: str, *, on_start: Callable[[], None] = lambda: None) -> None:
        """`on_start` is called before each job."""
        self._library = library
        self._lease = lease
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
        """Journal and start a job, or return the running job with the same `key`.

        An `exclusive` job is refused while other jobs run, also in other processes on this catalogue; later jobs wait
        for its end. `request` is journalled so that a later process can resume the job. `after` is called with the job
        once its end is journalled. Raises InvalidInputError if the job is refused or too many jobs are running,
        LibraryError if it cannot be journalled.
        """
        async with self._starting:
            for job in self._jobs.values():
                if job.running and key is not None and job.key == key:
                    return job
            if sum(job.running for job in self._jobs.values()) >= MAX_RUNNING:
                raise InvalidInputError(f"{MAX_RUNNING} jobs are already running: wait for one to end, or cancel it.")
            if exclusive and (self.running() or await self._library.journal.jobs(state="running")):
                raise InvalidInputError("Other jobs are running: wait for them or cancel them, then try again.")
            job_id = secrets.token_urlsafe(9)
            await self._library.journal.begin(
                job_id, owner=owner, kind=kind, title=title, lease=self._lease, request=request
            )
            job = Job(id=job_id, kind=kind, title=title, key=key or job_id, owner=owner)
            self._forget_oldest()
            self._jobs[job_id] = job
            before = next((other for other in self._jobs.values() if other.running and other is self._exclusive), None)
            if exclusive:
                self._exclusive = job
            job.task = asyncio.create_task(self._run(job, work, before, after), name=f"job-{kind}-{job_id}")
            return job

    def get(self, job_id: str) -> Job | None:
        """Return a job of this process by its id; safe from any thread."""
        return self._jobs.get(job_id)

    def latest(self, kind: str) -> Job | None:
        """Return the newest job of a kind; safe from any thread."""
        return next((job for job in self.all() if job.kind == kind), None)

    def all(self) -> list[Job]:
        """Return the jobs of this process, newest first; safe from any thread."""
        return list(self._jobs.values())[::-1]

    def running(self) -> list[Job]:
        """Return the running jobs."""
        return [job for job in self._jobs.values() if job.running]

    def cancel(self, job_id: str) -> None:
        """Ask a job to stop at its next safe point; a finished or unknown job is ignored."""
        job = self._jobs.get(job_id)
        if job is not None and job.running:
            job.state = "cancelling"
            job.control.stop()

    async def wait(self, job: Job) -> Job:
        """Wait for the end of a job; cancelling the caller does not stop the job."""
        if job.task is not None:
            await asyncio.shield(asyncio.gather(job.task, return_exceptions=True))
        return job

    async def close(self) -> None:
        """Stop all jobs at a safe point and journal them as interrupted."""
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

    async def _run(
        self,
        job: Job,
        work: Callable[[Control], Awaitable[object]],
        before: Job | None,
        after: Callable[[Job], Awaitable[None]] | None,
    ) -> None:
        try:
            if before is not None:
                job.control.progress = Progress(stage=f"Waiting for {before.title} to end")
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
            if state == "cancelled" and job.id in self._cut_off:
                await self._library.journal.end(job.id, state="interrupted", error="The app ended before the job did.")
            else:
                await self._library.journal.end(job.id, state=state, report=report, error=job.error)
        except AnimeRAGError:
            log.exception("the end of job %s could not be journalled", job.kind)

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
