"""The journal of jobs: what was started, by which process, with which request, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from animerag.models.jobs import JobRecord
from animerag.storage.schema import (
    job_requests,
    jobs,
)
from animerag.storage.serialization import now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from animerag.models.json_types import JsonObject
    from animerag.storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """The request of a job."""

    id: str
    state: str
    created_at: str
    request: Mapping[str, object]


class JobJournal:
    """Stores jobs as rows that outlive their process."""

    def __init__(self, database: Database) -> None:
        """Use an open database; nothing is read or written yet."""
        self._database = database

    async def begin(
        self, job_id: str, *, owner: str, kind: str, title: str, lease: str, request: Mapping[str, object] | None = None
    ) -> None:
        """Record a job before it starts; with `request`, another process can finish it."""
        values = {"id": job_id, "owner": owner, "kind": kind, "title": title, "lease": lease}
        async with self._database.writing() as connection:
            await connection.execute(insert(jobs).values(**values, state="running", created_at=now()))
            if request is not None:
                await connection.execute(insert(job_requests).values(job_id=job_id, request=dict(request)))

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
        values = {"state": state, "report": report, "error": error, "finished_at": now()}
        async with self._database.writing() as connection:
            await connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))

    async def jobs(self, *, state: str | None = None, limit: int = 20) -> list[JobRecord]:
        """Return the newest jobs, newest first."""
        wanted = select(jobs).order_by(jobs.c.created_at.desc()).limit(limit)
        if state is not None:
            wanted = wanted.where(jobs.c.state == state)
        return [JobRecord(**row._asdict()) for row in await self._database.rows(wanted)]
