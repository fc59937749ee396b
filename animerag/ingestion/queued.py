"""An import on the queue: stores shows, hands out batches to workers on any host, and follows them to the end.

Workers embed the batches and index them (`queue_tasks`). After a crash, what was handed out is still done.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Any

from animerag import errors
from animerag.concurrency import PATIENCE_S, cancel_and_wait, patient, prefetched
from animerag.errors import AnimeRAGError, LibraryAwayError, LibraryError
from animerag.ingestion import batching
from animerag.ingestion.queue_tasks import BATCHES, INDEX
from animerag.models.imports import RowError
from animerag.models.providers import Usage
from animerag.rate_limits.usage import current_meter
from animerag.storage.library import show_rows
from animerag.storage.work_items import OPEN, Counted, ItemState, WorkItem
from animerag.work_queue.workers import NO_WORKER, RELEASE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.indexing.indexer import Indexer
    from animerag.ingestion.counters import ImportCounters
    from animerag.ports import CollectionSpec
    from animerag.text.documents import Document
    from animerag.work_queue.work_queue import WorkQueue

_POLL_S, _LAST_POLLS_S = 0.15, 0.05
_STORED_FIRST, _STORED_TOGETHER = 50, 200  # shows in a transaction: its statements cost as much for one show
_TRIES = 5  # to store a batch; each waits for PostgreSQL to be back
_STOPPING_S = 30.0  # seconds that a cancelled import waits for batches that workers have started
_QUIET_S = 5.0  # seconds without progress after which indexing is requested again


class QueuedPipeline:
    """Does what `pipeline.Pipeline` does, with workers on other hosts."""

    def __init__(
        self,
        indexer: Indexer,
        spec: CollectionSpec,
        counters: ImportCounters,
        queue: WorkQueue,
        *,
        begin_import: Callable[[], Awaitable[int]] | None,
        max_cost_usd: float | None,
    ) -> None:
        """`begin_import` records the import when its first show arrives; without it the shows are already stored."""
        self._indexer = indexer
        self._library = indexer.library
        self._spec = spec
        self._counters = counters
        self._queue = queue
        self._begin_import = begin_import
        self._max_cost_usd = max_cost_usd
        self._work = secrets.token_urlsafe(9)
        self._stored_together = _STORED_FIRST
        self._failure: AnimeRAGError | None = None
        self._read_s = time.monotonic()
        self._progress = (0, time.monotonic())

    async def run(self, todo: AsyncIterator[list[Document]], sizes: Iterable[int]) -> None:
        """Import documents in batches of `sizes` until they end, the job is stopped, or something fails.

        Raises InvalidInputError if a worker runs another release, and the first failure if nothing was stored.
        """
        await self._queue.workers.require_same_release()
        if not await self._earlier_ended():
            return
        with patient():
            handing = asyncio.create_task(self._hand_out(todo, sizes), name="hand-out")
            try:
                await self._follow(handing)
            finally:
                await cancel_and_wait(handing)
            await self._collect()
        if self._failure is not None:
            if self._counters.ingested == 0:
                raise self._failure
            self._counters.stopped_by = str(self._failure)

    async def _earlier_ended(self) -> bool:
        """Wait until the batches of an interrupted import are done; return False if the job is stopped meanwhile.

        Otherwise their shows would be embedded twice.
        """
        while left := await self._queue.items.open_size(BATCHES):
            if self._counters.control.stopping:
                return False
            self._counters.show_progress(f"Waiting for workers to finish {left:,} shows of an earlier import")
            await self._counters.control.pause(_POLL_S)
        return True

    # Handing out

    async def _hand_out(self, todo: AsyncIterator[list[Document]], sizes: Iterable[int]) -> None:
        cutter, import_id = batching.Cutter(sizes), None
        async with contextlib.aclosing(prefetched(todo)) as parts:
            async for documents in parts:
                if documents and import_id is None and self._begin_import is not None:
                    import_id = await self._begin_import()
                for batches in self._together(cutter.add(documents)):
                    await self._hand(batches, import_id)
        if rest := cutter.rest():
            await self._hand([rest], import_id)

    def _together(self, batches: Iterable[list[Document]]) -> Iterator[list[list[Document]]]:
        """Group batches that are stored in one transaction: few at first, so that workers start early, then more."""
        group: list[list[Document]] = []
        for batch in batches:
            group.append(batch)
            if sum(map(len, group)) >= self._stored_together:
                yield group
                group, self._stored_together = [], min(_STORED_TOGETHER, 2 * self._stored_together)
        if group:
            yield group

    async def _hand(self, batches: Sequence[Sequence[Document]], import_id: int | None) -> None:
        """Store the shows of batches together with their tasks, so that neither is without the other."""
        first = self._counters.batches
        items = [self._item(batch, number) for number, batch in enumerate(batches, first)]

        async def add(connection: AsyncConnection) -> None:
            for item in items:
                await self._queue.add(connection, item)

        documents = [document for batch in batches for document in batch]
        rows = None if import_id is None else await asyncio.to_thread(show_rows, documents, import_id)

        async def store() -> None:
            if rows is None:
                async with self._library.writing() as connection:
                    await add(connection)
            else:
                await self._library.store(rows, collection=None, also=add)

        await self._repeated(store, items[0])
        self._counters.batches += len(batches)

    async def _repeated(self, store: Callable[[], Awaitable[None]], item: WorkItem) -> None:
        """Store batches, again if PostgreSQL ended in the middle and did not commit them. Raises LibraryError."""
        for _ in range(_TRIES):
            try:
                await store()
            except LibraryAwayError:
                await asyncio.sleep(_POLL_S)
                if await self._queue.items.exists(item.work, item.number):
                    return
            else:
                return
        await store()

    def _item(self, batch: Sequence[Document], number: int) -> WorkItem:
        lines = {
            document.show.id: [document.show.origin.file, document.show.origin.line]
            for document in batch
            if document.show.origin is not None
        }
        return WorkItem(
            work=self._work,
            number=number,
            kind=BATCHES,
            target=self._spec.name,
            size=len(batch),
            request={
                "texts": {document.show.id: (document.text_hash, document.text) for document in batch},
                "lines": lines,
                "max_cost_usd": self._max_cost_usd,
                "release": RELEASE,
            },
        )

    # Following

    async def _follow(self, handing: asyncio.Task[None]) -> None:
        """Show the progress until every batch has ended; a stop or a failure cancels batches that have not started."""
        stopped_s: float | None = None
        while True:
            handed = handing.done()
            if handed and not handing.cancelled() and (error := handing.exception()) is not None:
                self._note(error)
            counts = await self._counts()
            if counts is not None:
                with contextlib.suppress(LibraryError):  # the next look tries again
                    await self._show(counts)
                if ItemState.FAILED in counts:
                    await self._note_failed()
                if handed and not any(state in counts for state in OPEN):
                    return
            if stopped_s is None and (self._counters.control.stopping or self._failure is not None):
                stopped_s = time.monotonic()
                await cancel_and_wait(handing)
                await self._queue.items.cancel(self._work)
            elif stopped_s is not None and time.monotonic() > stopped_s + _STOPPING_S:
                return
            ending = handed and counts is not None and ItemState.WAITING not in counts
            pause_s = _LAST_POLLS_S if ending else _POLL_S
            await (self._counters.control.pause(pause_s) if stopped_s is None else asyncio.sleep(pause_s))

    async def _counts(self) -> Mapping[ItemState, Counted] | None:
        """Return the batches by state; None while PostgreSQL is unavailable for up to a minute. Raises LibraryError."""
        try:
            counts = await self._queue.items.counts(self._work)
        except LibraryError:
            if time.monotonic() > self._read_s + PATIENCE_S:
                raise
            return None
        self._read_s = time.monotonic()
        return counts

    async def _show(self, counts: Mapping[ItemState, Counted]) -> None:
        done = counts.get(ItemState.DONE, Counted()).size
        self._counters.ingested = done
        if done != self._progress[0]:
            self._progress = (done, time.monotonic())
        stage = "Embedding"
        if time.monotonic() > self._progress[1] + _QUIET_S:
            self._progress = (done, time.monotonic())
            if ItemState.EMBEDDED in counts:
                await self._queue.ask_once(INDEX, self._spec.name)
            elif ItemState.WAITING in counts and not await self._queue.workers.alive():
                stage = NO_WORKER
            self._counters.show_progress(stage)
        elif done or self._counters.control.progress.stage != NO_WORKER:
            self._counters.show_progress(stage)

    async def _note_failed(self) -> None:
        for outcome in await self._queue.items.outcomes(self._work, ItemState.FAILED):
            self._failure = self._failure or _error_of(outcome["failure"])

    def _note(self, error: BaseException) -> None:
        if not isinstance(error, AnimeRAGError):
            raise error
        self._failure = self._failure or error

    # At the end

    async def _collect(self) -> None:
        """Add up what the batches needed, and remove them."""
        counters, meter = self._counters, current_meter()
        times: list[tuple[float, int]] = []
        for outcome in await self._queue.items.outcomes(self._work):
            counters.requests += outcome.get("requests", 0)
            counters.usage += Usage(**outcome.get("usage", {}))
            counters.errors += [RowError(**row) for row in outcome.get("refused", ())]
            meter.count(rate_limited=outcome.get("rate_limited", 0), retries=outcome.get("retries", 0))
            if seconds := outcome.get("in_flight_s"):
                times += [(outcome["ended_at"] - seconds, 1), (outcome["ended_at"], -1)]
        for at, step in sorted(times):
            (meter.start if step > 0 else meter.end)(at)
        counters.show_progress("Embedding")
        if counters.ingested:
            await self._library.bump_revision()  # the shows can be found by meaning from here on
        counts = await self._queue.items.counts(self._work)
        if not any(state in counts for state in OPEN):
            await self._queue.items.remove(self._work)


def _error_of(failure: Mapping[str, Any]) -> AnimeRAGError:
    """Return the error that a worker recorded."""
    kind = getattr(errors, failure["kind"], None)
    known = isinstance(kind, type) and issubclass(kind, AnimeRAGError)
    return kind(failure["message"]) if known else AnimeRAGError(failure["message"])  # type: ignore[misc]
