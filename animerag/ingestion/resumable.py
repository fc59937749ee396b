"""Runs imports as jobs that another tab or process can resume, even days later."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from animerag.batch.export import formula_safe
from animerag.errors import InvalidInputError
from animerag.ingestion.importer import content_digest
from animerag.ingestion.inbox import check_regular, read_inbox
from animerag.ingestion.two_pass import SourceFile
from animerag.models.imports import IngestReport
from animerag.models.jobs import INGEST_JOB
from animerag.storage.shared_uploads import SharedUploads
from animerag.storage.upload_files import UNFINISHED, stored_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from animerag.ingestion.importer import Ingestion
    from animerag.jobs.jobs import Control, Job, Jobs
    from animerag.models.imports import RowError
    from animerag.models.jobs import JobRecord
    from animerag.models.json_types import JsonObject
    from animerag.storage.library import Library
    from animerag.storage.upload_files import UploadStore

_JOBS_READ = 50  # jobs of the journal


def import_request(
    files: Sequence[SourceFile],
    *,
    concurrency: int | Literal["auto"] | None,
    batch_size: int | Literal["auto"] | None,
) -> JsonObject:
    """Return the stored form of a request to import files, so that another process can resume it."""
    return {
        "files": [file.as_json() for file in files],
        "concurrency": concurrency,
        "batch_size": batch_size,
    }


class Uploads:
    """Starts imports, finds interrupted ones, and removes uploads that no import needs."""

    def __init__(self, library: Library, ingestion: Ingestion, jobs: Jobs, *, spool: UploadStore, inbox: Path) -> None:
        """`spool` stores files uploaded in a browser, `inbox` is the folder for larger files."""
        self._library = library
        self._ingestion = ingestion
        self._jobs = jobs
        self._spool = spool
        self._shared = SharedUploads(library)
        self.inbox = inbox

    async def start(
        self,
        files: Sequence[SourceFile],
        *,
        concurrency: int | Literal["auto"] | None = None,
        batch_size: int | Literal["auto"] | None = None,
    ) -> Job:
        """Start an import of files, without copying them, unless a process is importing the same: return its job then.

        Raises InvalidInputError, LibraryError.
        """
        await self.check_files(files)
        request = import_request(files, concurrency=concurrency, batch_size=batch_size)
        stored = stored_names(request)

        async def work(control: Control) -> IngestReport:
            await self._shared.put(file.path for file in files if file.path.name in stored)
            return await self._ingestion.run(files, control, concurrency=concurrency, batch_size=batch_size)

        title = ", ".join(file.name for file in files)
        key = await asyncio.to_thread(_key, files, stored)
        return await self._jobs.start(
            work, kind=INGEST_JOB, title=title, key=key, request=request, after=lambda _: self.clean()
        )

    async def unfinished(self) -> JobRecord | None:
        """Return the newest interrupted import. Raises LibraryError."""
        for record in await self._interrupted():
            if await self.resumable(record.id):
                return record
        return None

    async def resumable(self, job_id: str) -> bool:
        """Return whether the files of an import are recorded; those of a command are not. Raises LibraryError."""
        return await self._library.journal.request(job_id) is not None

    async def remaining(self, job_id: str) -> IngestReport:
        """Read the files of an import again and report what resuming it would do. Raises InvalidInputError."""
        files = await self._files(await self._request(job_id))
        await self.check_files(files)
        return await self._ingestion.preview.check(files)

    async def resume(self, job_id: str) -> Job:
        """Start the rest of an import. Raises InvalidInputError if the import is unknown, LibraryError."""
        request = await self._request(job_id)
        level, size = request["concurrency"], request["batch_size"]
        job = await self.start(await self._files(request), concurrency=level, batch_size=size)
        await self.discard(job_id)
        return job

    async def _request(self, job_id: str) -> JsonObject:
        request = await self._library.journal.request(job_id)
        if request is None:
            raise InvalidInputError("The files of this import are no longer known: upload them again.")
        return request

    async def discard(self, job_id: str) -> None:
        """Discard an interrupted import; its stored shows stay. Raises LibraryError."""
        if any(record.id == job_id for record in await self._interrupted()):
            await self._library.journal.end(job_id, state="cancelled", error="Interrupted, and not resumed.")
            await self.clean()

    async def clean(self, given_up: Iterable[Path] = ()) -> None:
        """Remove uploads that no import needs, and those `given_up` before an import was started.

        Files of running and interrupted imports stay, and so do files that the last import can resume.
        Raises LibraryError.
        """
        needed: set[str] = set()
        used = {path.name: time.time() for path in given_up}
        last = self._jobs.latest(INGEST_JOB)
        report = last.report_as(IngestReport) if last is not None else None
        left = report is not None and report.cancelled > 0
        for job in await self._library.journal.requests():
            names = stored_names(job.request)
            if job.state in UNFINISHED or (left and last is not None and job.id == last.id):
                needed |= names
            else:
                at = datetime.fromisoformat(job.created_at).timestamp()
                used |= {name: max(at, used.get(name, 0.0)) for name in names}
        await asyncio.to_thread(self._spool.clean, needed, used)
        await self._shared.clean()

    async def waiting_files(self) -> tuple[list[SourceFile], Sequence[str]]:
        """Return the files in the inbox, and the reasons why other entries are left out."""
        listing = await asyncio.to_thread(read_inbox, self.inbox)
        return [SourceFile(path=path, name=path.name) for path in listing.files], listing.refused

    async def check_files(self, files: Iterable[SourceFile]) -> None:
        """Raise InvalidInputError for a file that is gone, or an entry of the inbox that is not a regular file."""
        for file in files:
            if file.path.parent == self.inbox:
                await asyncio.to_thread(check_regular, file.path)
            elif not await asyncio.to_thread(file.path.exists):
                raise InvalidInputError(f"{file.name} is no longer stored here: choose the file again.")

    async def _files(self, request: JsonObject) -> list[SourceFile]:
        """Return the files of a request; uploads that another machine received are written to this one's disk."""
        stored = stored_names(request)
        files = []
        for file in request["files"]:
            path = self._spool.located(Path(file["path"]))
            if path.name in stored:
                await self._shared.fetch(path)
            files.append(SourceFile.from_json(file, path))
        return files

    async def _interrupted(self) -> list[JobRecord]:
        records = await self._library.journal.jobs(state="interrupted", limit=_JOBS_READ)
        return [record for record in records if record.kind == INGEST_JOB]


def _key(files: Iterable[SourceFile], stored: AbstractSet[str]) -> str:
    """Return a key of what is imported: the content of files and how they are read, wherever they are.

    Machines may have different files at one path. Raises InvalidInputError if a file cannot be read.
    """
    digest = hashlib.sha256()
    for file in files:
        content = file.path.name if file.path.name in stored else content_digest([file])
        reading = {name: value for name, value in asdict(file).items() if name not in ("path", "name")}
        digest.update(json.dumps([content, reading], sort_keys=True, default=str).encode())
    return f"{INGEST_JOB}:{digest.hexdigest()}"


def to_correct(rows: Iterable[RowError]) -> tuple[str, str]:
    """Return the skipped rows as a file to correct and upload again: its suffix and its text.

    Rows of tables become a CSV table with their line and reason, other rows become JSON lines.
    """
    parsed = [(row, _parsed(row.given)) for row in rows]
    records = [(row, record) for row, record in parsed if isinstance(record, dict)]
    flat = all(not isinstance(value, dict | list) for _, record in records for value in record.values())
    if not (records and flat and len(records) == len(parsed)):
        lines = [json.dumps(record, ensure_ascii=False, default=str) for _, record in parsed if record is not None]
        return "jsonl", "\n".join(lines) + "\n"
    headings = list(dict.fromkeys(name for _, record in records for name in record))
    written = io.StringIO(newline="")
    table = csv.writer(written)
    table.writerow([*headings, "animerag line", "animerag reason"])
    for row, record in records:
        cells = ["" if record.get(name) is None else record[name] for name in headings]
        table.writerow([formula_safe(str(cell)) for cell in [*cells, row.line, row.reason]])
    return "csv", written.getvalue()


def _parsed(given: str) -> Any:
    if not given:
        return None
    try:
        return json.loads(given)
    except ValueError:
        return given
