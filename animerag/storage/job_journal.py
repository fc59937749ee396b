"""The journal of jobs: what was started, by which process, with which request, how far it is, and how it ended.

The row of a running job is also its control: the process that runs it writes progress and question with `update`;
any process reads them, and asks it to stop or answers it with `request_stop` and `answer`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, null, or_, select, update

from animerag.errors import InvalidInputError
from animerag.models.jobs import JobRecord, Progress
from animerag.storage.schema import job_requests, jobs
from animerag.storage.serialization import now

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Row

    from animerag.models.json_types import JsonObject
    from animerag.storage.database import Database

RUNNING = "running"
INTERRUPTED = "The app ended before the job did."
_WITHOUT_REPORT = [column for column in jobs.c if column is not jobs.c.report]
_MOST = 100  # jobs that are read at once


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """The request of a job."""

    id: str
    state: str
    created_at: str
    request: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """The published state of a running job: its progress, its open question, and whether it is stopping."""

    progress: Progress
    question: str | None = None
    stopping: bool = False


class JobJournal:
    """Stores jobs as rows that outlive their process."""

    def __init__(self, database: Database) -> None:
        """Use an open database; nothing is read or written yet."""
        self._database = database

    async def begin(
        self,
        job_id: str,
        *,
        owner: str,
        kind: str,
        title: str,
        lease: str,
        key: str | None = None,
        host: str | None = None,
        request: Mapping[str, object] | None = None,
        exclusive: bool = False,
    ) -> str:
        """Record a job before it starts, and return its id; with `request`, another process can finish it.

        If a job of any process is running with the same `key`, nothing is recorded, and the id of that job is returned.
        Raises InvalidInputError for an `exclusive` job while any job is running, LibraryError.
        """
        values = {"owner": owner, "kind": kind, "title": title, "lease": lease, "key": key, "host": host}
        running = select(jobs.c.id).where(jobs.c.state == RUNNING).limit(1)
        # One process at a time, so that no other job starts in between.
        async with self._database.writing() as connection:
            if exclusive and await connection.scalar(running) is not None:
                raise InvalidInputError("Other jobs are running: wait for them or cancel them, then try again.")
            if key is not None and (same := await connection.scalar(running.where(jobs.c.key == key))) is not None:
                return str(same)
            await connection.execute(insert(jobs).values(id=job_id, **values, state=RUNNING, created_at=now()))
            if request is not None:
                await connection.execute(insert(job_requests).values(job_id=job_id, request=dict(request)))
        return job_id

    async def request(self, job_id: str) -> dict[str, object] | None:
        """Return the request of a job, or None if none was recorded."""
        request: JsonObject | None = await self._database.scalar(
            select(job_requests.c.request).where(job_requests.c.job_id == job_id)
        )
        return request

    async def requests(self) -> list[JobRequest]:
        """Return every recorded request."""
        wanted = select(jobs.c.id, jobs.c.state, jobs.c.created_at, job_requests.c.request).join(
            job_requests, job_requests.c.job_id == jobs.c.id
        )
        return [JobRequest(**row._asdict()) for row in await self._database.rows(wanted)]

    async def end(
        self, job_id: str, *, state: str, report: Mapping[str, object] | None = None, error: str | None = None
    ) -> None:
        """Record how a job ended."""
        values = {"state": state, "report": report, "error": error, "finished_at": now(), "question": None}
        async with self._database.writing() as connection:
            await connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))

    async def interrupt(self, leases: Collection[str]) -> int:
        """Record the end of the running jobs of processes that have ended, and return their number."""
        values = {"state": "interrupted", "error": INTERRUPTED, "finished_at": now(), "question": None}
        those = jobs.c.lease.in_(leases) & (jobs.c.state == RUNNING)
        async with self._database.writing() as connection:
            return (await connection.execute(update(jobs).where(those).values(**values))).rowcount

    async def update(self, statuses: Mapping[str, JobStatus]) -> None:
        """Write the progress of running jobs, by id; a question that was replaced loses its answer.

        Raises LibraryError.
        """
        async with self._database.writing() as connection:
            for job_id, status in statuses.items():
                row = update(jobs).where(jobs.c.id == job_id, jobs.c.state == RUNNING)
                values: JsonObject = {"progress": asdict(status.progress), "question": status.question}
                if status.stopping:
                    values["stop_requested"] = True
                await connection.execute(row.values(**values))
                if status.question is None:
                    await connection.execute(row.where(jobs.c.answer.is_not(None)).values(answer=null()))

    async def request_stop(self, job_id: str) -> bool:
        """Ask the process of a running job to stop it, and return whether the job was running. Raises LibraryError."""
        row = update(jobs).where(jobs.c.id == job_id, jobs.c.state == RUNNING).values(stop_requested=True)
        async with self._database.writing() as connection:
            return (await connection.execute(row)).rowcount > 0

    async def answer(self, job_id: str, question: str, *, yes: bool) -> bool:
        """Answer the open question of a running job; return False if it is not open any more. Raises LibraryError."""
        open_question = (jobs.c.id == job_id, jobs.c.state == RUNNING, jobs.c.question == question)
        async with self._database.writing() as connection:
            done = await connection.execute(update(jobs).where(*open_question).values(answer=yes))
            return done.rowcount > 0

    async def get(self, job_id: str) -> JobRecord | None:
        """Return one job, or None if it does not exist. Raises LibraryError."""
        rows = await self._database.rows(select(jobs).where(jobs.c.id == job_id))
        return _record(rows[0]) if rows else None

    async def jobs(self, *, state: str | None = None, limit: int = 20, reports: bool = True) -> list[JobRecord]:
        """Return the newest jobs, newest first; reports may be large, and are left out unless `reports` is set."""
        columns = jobs.c if reports else (*_WITHOUT_REPORT, null().label("report"))
        wanted = select(*columns).order_by(jobs.c.created_at.desc()).limit(limit)
        if state is not None:
            wanted = wanted.where(jobs.c.state == state)
        return [_record(row) for row in await self._database.rows(wanted)]

    async def current(self, since: str) -> list[JobRecord]:
        """Return the jobs that run, and those that have ended `since` an ISO time, without their reports.

        Running jobs come first, then the newest.
        """
        wanted = (
            select(*_WITHOUT_REPORT, null().label("report"))
            .where(or_(jobs.c.state == RUNNING, jobs.c.finished_at >= since))
            .order_by(jobs.c.state != RUNNING, jobs.c.created_at.desc())
            .limit(_MOST)
        )
        return [_record(row) for row in await self._database.rows(wanted)]


def _record(row: Row[object]) -> JobRecord:
    values: JsonObject = row._asdict()
    return JobRecord(**values | {"progress": Progress(**values["progress"]) if values["progress"] else None})
