"""Hands out a sheet to workers on any host, about 20 rows per task, and follows the tasks to their end."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Literal

from animerag.concurrency import patient
from animerag.errors import LibraryError
from animerag.storage.batch_runs import FAILED, RowAnswer
from animerag.storage.work_items import OPEN, ItemState, WorkItem
from animerag.work_queue.workers import NO_WORKER, RELEASE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from animerag.batch.groups import RowGroup
    from animerag.batch.progress import RunProgress
    from animerag.jobs.job import Control
    from animerag.storage.batch_runs import RunRow, Runs
    from animerag.work_queue.work_queue import WorkQueue

SHEETS = "answer_rows"
_ROWS = 20  # rows in a task: few are asked again when a worker dies, and the searches of a task share requests
_TOGETHER = 50  # tasks handed out in one transaction
_POLL_S = 0.3
_STOPPING_S = 5.0
_QUIET_S = 5.0


class SheetQueue:
    """Lets workers answer the rows of a run."""

    def __init__(self, queue: WorkQueue, runs: Runs) -> None:
        self._queue = queue
        self._runs = runs

    async def answer(
        self,
        run_id: str,
        groups: Sequence[RowGroup],
        rows: Mapping[int, RunRow],
        control: Control,
        live: RunProgress,
        *,
        which: Literal["missing", "failed"],
        on_stored: Callable[[RowAnswer], Awaitable[None]] | None,
    ) -> None:
        """Hand out the rows of groups, and count and report their answers as tasks end.

        Cancelling stops the workers within seconds. Raises InvalidInputError for workers of another release,
        LibraryError.
        """
        await self._queue.workers.require_same_release()
        while left := await self._queue.items.open_size(SHEETS, run_id):
            if control.stopping:
                return
            live.show(control, f"Waiting for workers to finish {left:,} rows of an earlier job")
            await control.pause(_POLL_S)
        work = secrets.token_urlsafe(9)
        parts = _parts(groups, rows)
        with patient():
            try:
                await self._hand_out(work, run_id, parts, which)
                await self._follow(work, run_id, parts, control=control, live=live, on_stored=on_stored)
            finally:
                await self._queue.items.cancel(work, begun=True)
            live.usage = (await self._runs.get(run_id)).usage
            await self._queue.items.remove(work)

    async def _hand_out(self, work: str, run_id: str, parts: Sequence[_Part], which: str) -> None:
        for start in range(0, len(parts), _TOGETHER):
            async with self._queue.library.writing() as connection:
                for number, part in enumerate(parts[start : start + _TOGETHER], start):
                    request = {"numbers": sorted(part.read), "which": which, "release": RELEASE}
                    size = len(part.asked)
                    item = WorkItem(work=work, number=number, kind=SHEETS, target=run_id, size=size, request=request)
                    await self._queue.add(connection, item)

    async def _follow(
        self,
        work: str,
        run_id: str,
        parts: Sequence[_Part],
        *,
        control: Control,
        live: RunProgress,
        on_stored: Callable[[RowAnswer], Awaitable[None]] | None,
    ) -> None:
        seen: set[int] = set()
        moved_s, stopped_s = time.monotonic(), 0.0
        stage = "Answering"
        while True:
            counts = await self._queue.items.counts(work)
            for item in await self._queue.items.ended(work):
                if item.number not in seen:
                    seen.add(item.number)
                    moved_s, stage = time.monotonic(), "Answering"
                    await self._count(run_id, item, parts[item.number], live, on_stored)
            live.show(control, stage)
            if not any(state in counts for state in OPEN):
                waiting = stopped_s and time.monotonic() < stopped_s + _STOPPING_S
                if not (waiting and await self._queue.items.stopping(work)):
                    return
            if not stopped_s and (control.stopping or live.stopped_by):
                stopped_s = time.monotonic()
                await self._queue.items.cancel(work, begun=True)
            elif time.monotonic() > moved_s + _QUIET_S and ItemState.WORKING not in counts:
                moved_s = time.monotonic()
                with contextlib.suppress(LibraryError):  # the next look tries again
                    stage = "Answering" if await self._queue.workers.alive() else NO_WORKER
            await (asyncio.sleep(_POLL_S) if stopped_s else control.pause(_POLL_S))

    async def _count(
        self,
        run_id: str,
        item: WorkItem,
        part: _Part,
        live: RunProgress,
        on_stored: Callable[[RowAnswer], Awaitable[None]] | None,
    ) -> None:
        """Count the rows of a task that has ended."""
        outcome = item.outcome or {}
        live.meter.count(rate_limited=outcome.get("rate_limited", 0), retries=outcome.get("retries", 0))
        live.meter.peak_in_flight = max(live.meter.peak_in_flight, outcome.get("peak_in_flight", 0))
        live.stopped_by = live.stopped_by or outcome.get("stopped_by")
        for row in await self._runs.rows(run_id, numbers=part.asked):
            if row.answer is None or row.status == "cancelled":
                continue
            live.done += 1
            live.failed += row.status in FAILED
            if on_stored is not None:
                await on_stored(RowAnswer(answer=row.answer, began_at=time.time()))


class _Part:
    """The rows of one task: `asked`, and with them `read`, the rows of their conversations."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.read: set[int] = set()


def _parts(groups: Sequence[RowGroup], rows: Mapping[int, RunRow]) -> list[_Part]:
    """Divide rows into parts of about 20; a conversation stays in one part, and so do rows with the same question."""
    threads: defaultdict[str, list[int]] = defaultdict(list)
    for number, row in rows.items():
        if row.asked.thread:
            threads[row.asked.thread].append(number)
    units: dict[object, list[int]] = {}
    for group in groups:
        units.setdefault(group.row.thread or group.numbers[0], []).extend(group.numbers)
    parts = [_Part()]
    for unit, numbers in units.items():
        if len(parts[-1].asked) >= _ROWS:
            parts.append(_Part())
        parts[-1].asked += numbers
        parts[-1].read |= {*numbers, *(threads[unit] if isinstance(unit, str) else ())}
    return [part for part in parts if part.asked]
