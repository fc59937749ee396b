"""Answers the rows of a sheet's task on a worker, and stops when the task is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from animerag.batch.queued import SHEETS
from animerag.errors import AnimeRAGError, LibraryError
from animerag.jobs.job import Control
from animerag.storage.work_items import ItemState, WorkItem
from animerag.work_queue.worker import TaskKind
from animerag.work_queue.workers import require_release

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.batch.runner import Batch
    from animerag.work_queue.work_queue import WorkQueue

log = logging.getLogger(__name__)

_TASKS = 2  # tasks at once on each host, so that there are always enough questions to ask
_STOP_S = 1.0  # seconds between two checks whether the task is cancelled


class SheetTasks:
    """The tasks of sheets."""

    def __init__(self, batch: Batch, queue: WorkQueue) -> None:
        self._batch = batch
        self._queue = queue

    def kinds(self) -> Sequence[TaskKind]:
        """Return the tasks that a worker takes."""
        return (TaskKind(name=SHEETS, handler=self.answer_rows, tasks=_TASKS),)

    async def answer_rows(self, work: str, number: int) -> None:
        """Answer the rows of a task that have no answer yet. Raises LibraryError; other failures are recorded."""
        item = await self._queue.items.begin(work, number, worker=self._queue.workers.lease)
        if item is None:
            return
        control = Control()
        watching = asyncio.create_task(self._stop_if_cancelled(item, control), name="cancelled")
        try:
            require_release(item.request["release"])
            report = await self._batch.answer(
                item.target, control, which=item.request["which"], numbers=item.request["numbers"]
            )
        except LibraryError:
            raise
        except AnimeRAGError as error:
            await self._queue.items.end(work, number, ItemState.FAILED, outcome={"stopped_by": str(error)})
            return
        except Exception as error:
            log.exception("rows of a sheet failed")
            sentence = f"An unexpected error occurred on a worker ({type(error).__name__}): see its log."
            await self._queue.items.end(work, number, ItemState.FAILED, outcome={"stopped_by": sentence})
            return
        finally:
            watching.cancel()
        named = ("rate_limited", "retries", "peak_in_flight", "stopped_by")
        outcome = {name: getattr(report, name) for name in named}
        await self._queue.items.end(work, number, ItemState.DONE, outcome=outcome)

    async def _stop_if_cancelled(self, item: WorkItem, control: Control) -> None:
        while True:
            await asyncio.sleep(_STOP_S)
            with contextlib.suppress(LibraryError):
                if await self._queue.items.is_cancelled(item.work, item.number):
                    control.stop()
                    return
