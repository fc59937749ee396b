"""`animerag jobs`: list the running and recent jobs of a catalogue, and cancel one, whichever process runs it."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from animerag.cli.job_runner import DONE, Commands, services
from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from animerag.models.jobs import JobRecord
    from animerag.services import Services

_RECENT = 20  # of jobs that have ended
_STOPPED_WITHIN_S = 10.0  # most jobs stop within seconds; a large write may take longer
_LOOK_S = 0.25


def add(commands: Commands) -> None:
    """Add `jobs` to the command line."""
    parser = commands.add_parser("jobs", help="list running and recent jobs, and cancel one")
    parser.add_argument("--cancel", metavar="ID", help="ask a running job to stop; its saved results are kept")
    parser.add_argument("--json", action="store_true", help="print one object")
    parser.set_defaults(run=jobs)


async def jobs(options: argparse.Namespace) -> int:
    """List jobs, or cancel one. Raises InvalidInputError for an unknown id."""
    async with services() as opened:
        if options.cancel is not None:
            was_running, job = await _cancelled(opened, options.cancel)
            print(json.dumps(_object(job)) if options.json else _outcome(job, was_running=was_running))
            return DONE
        listed = await _listed(opened)
    if options.json:
        print(json.dumps({"jobs": [_object(job) for job in listed]}, ensure_ascii=False))
    elif not listed:
        print("No jobs yet.")
    for job in () if options.json else listed:
        print(_line(job))
    return DONE


async def _listed(opened: Services) -> Sequence[JobRecord]:
    """Return all running jobs and the most recent others, newest first."""
    journal = opened.library.journal
    running = await journal.jobs(state="running", limit=1000)
    recent = [job for job in await journal.jobs(limit=_RECENT) if job.state != "running"]
    return sorted([*running, *recent], key=lambda job: job.created_at, reverse=True)


async def _cancelled(opened: Services, job_id: str) -> tuple[bool, JobRecord]:
    """Ask a job to stop and wait briefly for its end; return whether it was running, and its latest state."""
    job = await _job(opened, job_id)
    if job.state != "running":
        return False, job
    await opened.jobs.stop(job_id)
    deadline_s = time.monotonic() + _STOPPED_WITHIN_S
    while job.state == "running" and time.monotonic() < deadline_s:
        await asyncio.sleep(_LOOK_S)
        job = await _job(opened, job_id)
    return True, job


async def _job(opened: Services, job_id: str) -> JobRecord:
    job = await opened.library.journal.get(job_id)
    if job is None:
        raise InvalidInputError(f'There is no job "{_plain(job_id)}": run `animerag jobs` to list the ids.')
    return job


def _outcome(job: JobRecord, *, was_running: bool) -> str:
    title = _plain(job.title)
    if not was_running:
        return f"{title} is not running: {job.state}."
    if job.state == "running":
        return f"{title} will stop at its next safe point: run `animerag jobs` to see whether it has."
    return f"{title}: {job.state}."


def _line(job: JobRecord) -> str:
    """Return a job as one line of the list."""
    started = f"{datetime.fromisoformat(job.created_at).astimezone():%Y-%m-%d %H:%M}"
    parts = [f"{job.id}  {started}  {job.status:<11}  {_plain(job.title)}"]
    if job.state == "running":
        if job.progress is not None and job.progress.total:
            parts.append(f"{job.progress.done:,} of {job.progress.total:,}")
        if job.progress is not None and job.progress.stage:
            parts.append(job.progress.stage)
        if job.question and job.answer is None:
            parts.append(f"waiting for your answer in the app: {job.question}")
        parts.append(f"on {job.host}" if job.host else "")
    elif job.error:
        parts.append(job.error)
    return " · ".join(_plain(part) for part in parts if part)


def _object(job: JobRecord) -> dict[str, object]:
    """Return a job as `--json` prints it."""
    progress = (
        {name: value for name, value in asdict(job.progress).items() if name != "elapsed_s"} if job.progress else None
    )
    return {
        "id": job.id,
        "kind": job.kind,
        "title": job.title,
        "state": job.status,
        "host": job.host,
        "started_at": job.created_at,
        "finished_at": job.finished_at,
        "progress": progress,
        "question": job.question if job.answer is None else None,
        "error": job.error,
    }


def _plain(text: str) -> str:
    """Replace control characters: the name of a file must not control a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
