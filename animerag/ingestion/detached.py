"""Lets workers run whole imports: one of them reads the file and follows the import to its end.

`Detached` is what an app or a worker has for imports and for sheets.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from animerag.batch.detached import DetachedSheets
from animerag.errors import InvalidInputError
from animerag.ingestion.resumable import import_request
from animerag.ingestion.two_pass import SourceFile
from animerag.storage.shared_uploads import LARGEST, SharedUploads
from animerag.work_queue.detached_jobs import JOBS, DetachedJobs
from animerag.work_queue.worker import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.batch.runner import Batch
    from animerag.ingestion.resumable import Uploads
    from animerag.jobs.jobs import Job, Jobs
    from animerag.storage.library import Library
    from animerag.storage.upload_files import UploadStore
    from animerag.storage.work_items import WorkItem
    from animerag.work_queue.work_queue import WorkQueue

IMPORT = "run_import"


class Detached:
    """The jobs that are left to workers."""

    def __init__(self, queue: WorkQueue, jobs: Jobs, batch: Batch, uploads: Uploads, spool: UploadStore) -> None:
        detached = DetachedJobs(queue, jobs)
        self.imports = DetachedImports(detached, queue.library, uploads, spool)
        self.sheets = DetachedSheets(detached, batch, jobs)

    def kinds(self) -> Sequence[TaskKind]:
        """Return the tasks that a worker takes."""
        return (*self.imports.kinds(), *self.sheets.kinds())


class DetachedImports:
    """Hands whole imports over to workers, and runs them there."""

    def __init__(self, detached: DetachedJobs, library: Library, uploads: Uploads, spool: UploadStore) -> None:
        self._detached = detached
        self._uploads = uploads
        self._spool = spool
        self._shared = SharedUploads(library)

    async def hand_over(
        self,
        files: Sequence[SourceFile],
        *,
        concurrency: int | Literal["auto"] | None = None,
        batch_size: int | Literal["auto"] | None = None,
    ) -> str:
        """Store files where workers reach them, wait until a worker imports them, and return the id of its job.

        Raises InvalidInputError if no worker runs, a file is too large or cannot be read, LibraryError.
        """
        await self._detached.require_worker()
        stored = [await self._stored(file) for file in files]
        await self._shared.put(file.path for file in stored)
        request = import_request(stored, concurrency=concurrency, batch_size=batch_size)
        return await self._detached.hand_over(IMPORT, request, size=len(files))

    async def _stored(self, file: SourceFile) -> SourceFile:
        try:
            data = await asyncio.to_thread(file.path.read_bytes)
        except OSError as error:
            reason = error.strerror or error
            raise InvalidInputError(f"{file.name} cannot be read ({reason}): check its path.") from error
        if len(data) > LARGEST:
            raise InvalidInputError(f"{file.name} is larger than {LARGEST // 2**20} MB: import it without --detach.")
        return replace(file, path=(await asyncio.to_thread(self._spool.store, data)).path)

    def kinds(self) -> Sequence[TaskKind]:
        """Return the tasks that a worker takes."""
        return (TaskKind(name=IMPORT, handler=self.run_import, tasks=JOBS),)

    async def run_import(self, work: str, number: int) -> None:
        """Run an import as a job of this process, or the rest of one whose process died. Raises LibraryError."""
        await self._detached.run(work, number, self._start)

    async def _start(self, item: WorkItem, interrupted: str | None) -> Job:
        if interrupted is not None:
            return await self._uploads.resume(interrupted)
        files = []
        for stored in item.request["files"]:
            path = self._spool.located(Path(stored["path"]))
            await self._shared.fetch(path)
            files.append(SourceFile.from_json(stored, path))
        level, size = item.request["concurrency"], item.request["batch_size"]
        return await self._uploads.start(files, concurrency=level, batch_size=size)
