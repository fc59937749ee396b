"""Lets workers run whole imports: one of them reads the file and follows the import to its end."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from animerag.errors import AnimeRAGError, InvalidInputError, LibraryError
from animerag.ingestion.resumable import import_request
from animerag.ingestion.two_pass import SourceFile
from animerag.storage.shared_uploads import LARGEST, SharedUploads
from animerag.storage.work_items import ItemState, WorkItem
from animerag.work_queue.worker import TaskKind
from animerag.work_queue.workers import RELEASE, require_release

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.ingestion.resumable import Uploads
    from animerag.jobs.jobs import Job, Jobs
    from animerag.storage.upload_files import UploadStore
    from animerag.work_queue.work_queue import WorkQueue

IMPORT = "run_import"
_LOOK_S = 0.2
_INTERRUPTED = "interrupted"


class DetachedImports:
    """Hands whole imports over to workers, and runs them there."""

    def __init__(self, queue: WorkQueue, uploads: Uploads, jobs: Jobs, spool: UploadStore) -> None:
        self._queue = queue
        self._uploads = uploads
        self._jobs = jobs
        self._spool = spool
        self._shared = SharedUploads(queue.library)

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
        await self._queue.workers.require_same_release()
        if not await self._queue.workers.alive():
            raise InvalidInputError("No worker is running: start `animerag worker` on any host, or leave out --detach.")
        stored = [await self._stored(file) for file in files]
        await self._shared.put(file.path for file in stored)
        request = import_request(stored, concurrency=concurrency, batch_size=batch_size)
        work = secrets.token_urlsafe(9)
        size = len(files)
        item = WorkItem(
            work=work, number=0, kind=IMPORT, target=work, size=size, request={**request, "release": RELEASE}
        )
        async with self._queue.library.writing() as connection:
            await self._queue.add(connection, item)
        while not (ended := await self._queue.items.ended(work)):  # noqa: ASYNC110 - another host does it
            await asyncio.sleep(_LOOK_S)
        outcome = ended[0].outcome or {}
        if "failure" in outcome:
            raise InvalidInputError(outcome["failure"])
        return str(outcome["job"])

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
        return (TaskKind(name=IMPORT, handler=self.run_import, tasks=1),)

    async def run_import(self, work: str, number: int) -> None:
        """Run an import as a job of this process, or the rest of one whose process died. Raises LibraryError."""
        item = await self._queue.items.begin(work, number, worker=self._queue.workers.lease)
        if item is None:
            return
        job_id: str | None = (item.outcome or {}).get("job")
        try:
            require_release(item.request["release"])
            while True:
                job = await (self._start(item) if job_id is None else self._uploads.resume(job_id))
                job_id = job.id
                await self._queue.items.end(work, number, ItemState.WORKING, outcome={"job": job_id})
                await self._jobs.wait(job)
                if job.state != _INTERRUPTED:  # otherwise it was the job of a process that has died meanwhile
                    break
        except LibraryError:
            raise
        except AnimeRAGError as error:
            await self._queue.items.end(work, number, ItemState.FAILED, outcome={"failure": str(error)})
            return
        await self._queue.items.end(work, number, ItemState.DONE, outcome={"job": job_id})

    async def _start(self, item: WorkItem) -> Job:
        files = []
        for stored in item.request["files"]:
            path = self._spool.located(Path(stored["path"]))
            await self._shared.fetch(path)
            files.append(SourceFile.from_json(stored, path))
        level, size = item.request["concurrency"], item.request["batch_size"]
        return await self._uploads.start(files, concurrency=level, batch_size=size)
