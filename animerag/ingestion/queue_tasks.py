"""The tasks of imports on a worker: embedding batches, many in flight on every host, and indexing them on one host."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from animerag.errors import AnimeRAGError, InvalidInputError, LibraryError, VectorStoreError
from animerag.ingestion.counters import ImportCounters
from animerag.ingestion.pipeline import Pipeline
from animerag.jobs.job import Control
from animerag.rate_limits import Meter, metering
from animerag.rate_limits.budget import drawing_on
from animerag.storage.work_items import ItemState, WorkItem
from animerag.work_queue.worker import TaskKind
from animerag.work_queue.workers import require_release

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from animerag.indexing.indexer import Indexer
    from animerag.models.json_types import JsonObject
    from animerag.rate_limits.budget import Budget
    from animerag.storage.spending import SpendingLedger
    from animerag.work_queue.work_queue import WorkQueue

log = logging.getLogger(__name__)

BATCHES, INDEX = "embed_batch", "index_waiting"
_MERGED_ROWS = 500  # per write, where Chroma is fastest; unmerged writers bring it to 48 rows per second
_AGAIN_S, _TRIES = 1.0, 60  # seconds between attempts, and their number, while Chroma restarts


class ImportTasks:
    """The tasks of imports, with this worker's embedder and index."""

    def __init__(
        self, indexer: Indexer, queue: WorkQueue, *, spending: SpendingLedger, level: Callable[[], int]
    ) -> None:
        """`spending` has the cost of each import; `level` is the number of embedding requests in flight."""
        self._indexer = indexer
        self._spending = spending
        self._queue = queue
        self._level = level

    def kinds(self, slots: int) -> Sequence[TaskKind]:
        """Return the tasks for `slots` requests in flight: two batches per slot, so that none waits for a batch."""
        return (
            TaskKind(name=BATCHES, handler=self.embed_batch, tasks=2 * slots),
            TaskKind(name=INDEX, handler=self.index_waiting, tasks=1),
        )

    async def embed_batch(self, work: str, number: int) -> None:
        """Embed the shows of a batch, store their vectors in the library, and have them indexed.

        A batch that has ended is not embedded again. Raises LibraryError; other failures are recorded.
        """
        item = await self._queue.items.begin(work, number, worker=self._queue.workers.lease)
        if item is None:
            return
        try:
            refused, outcome = await self._embedded(item)
        except LibraryError:
            raise
        except AnimeRAGError as error:
            await self._fail(item, error)
            return
        except Exception as error:
            log.exception("a batch failed")
            unexpected = AnimeRAGError(
                f"An unexpected error occurred on a worker ({type(error).__name__}): see its log."
            )
            await self._fail(item, unexpected)
            return
        left = item.size - refused
        state = ItemState.EMBEDDED if left else ItemState.DONE
        await self._queue.items.end(work, number, state, outcome=outcome, size=left)
        if left:
            await self._queue.ask_once(INDEX, item.target)

    async def _embedded(self, item: WorkItem) -> tuple[int, JsonObject]:
        """Return how many shows the provider refused, and the outcome."""
        require_release(item.request["release"])
        spec = await self._indexer.spec()
        if spec.name != item.target:
            raise InvalidInputError(
                f"A worker embeds with {spec.model} and {spec.dimensions:,} dimensions, unlike the import:"
                " give all hosts the same settings, and start the import again."
            )
        documents = await self._indexer.documents(item.request["ids"])
        counters = ImportCounters(control=Control())
        pipeline = Pipeline(self._indexer, spec, counters, level=self._level, begin_import=None)
        with metering() as meter, drawing_on(self._budget(item)):
            await pipeline.embed(documents, await self._indexer.known_hashes(documents))
        refused = []
        for row in counters.errors:
            file, line = item.request["lines"].get(row.id, ("", 0))
            refused.append(asdict(replace(row, file=file, line=line)))
        return len(refused), {**_figures(counters, meter), "refused": refused}

    def _budget(self, item: WorkItem) -> Budget | None:
        cap = item.request["max_cost_usd"]
        return None if cap is None else self._spending.budget(f"import {item.work}", cap)

    async def _fail(self, item: WorkItem, error: AnimeRAGError) -> None:
        outcome = {**(item.outcome or {}), "failure": _recorded(error)}
        await self._queue.items.end(item.work, item.number, ItemState.FAILED, outcome=outcome)

    async def index_waiting(self, target: str) -> None:
        """Write all embedded shows to a collection, about 500 in one write, until none waits.

        Waits up to a minute for Chroma; then the shows are recorded as failed. Nothing is embedded again for them.
        """
        failure: AnimeRAGError | None = None
        for _ in range(_TRIES):
            try:
                await self._index_all(target)
            except (VectorStoreError, LibraryError) as error:
                failure = error
                await asyncio.sleep(_AGAIN_S)
            except AnimeRAGError as error:
                failure = error
                break
            else:
                return
        assert failure is not None
        log.warning("shows could not be indexed: %s", failure)
        await self._queue.items.fail_embedded(target, _recorded(failure))

    async def _index_all(self, target: str) -> None:
        indexer, items = self._indexer, self._queue.items
        spec = await indexer.spec()
        if spec.name != target:
            raise InvalidInputError(
                f"A worker indexes shows for {spec.model}, unlike the import: give all hosts the same settings."
            )
        while batch := await items.embedded(target, shows=_MERGED_ROWS):
            refused = {row["id"] for item in batch for row in (item.outcome or {}).get("refused", ())}
            ids = [show_id for item in batch for show_id in item.request["ids"] if show_id not in refused]
            documents = await indexer.documents(ids)
            vectors = await indexer.known_vectors(spec, documents)
            ready = [document for document in documents if document.text_hash in vectors]
            if ready:
                await indexer.upsert(spec, ready, vectors)
            held = {document.show.id: document.hashes for document in ready}
            await items.note_indexed(target, batch, held)


def _recorded(error: AnimeRAGError) -> JsonObject:
    return {"kind": type(error).__name__, "message": str(error)}


def _figures(counters: ImportCounters, meter: Meter) -> JsonObject:
    return {
        "requests": counters.requests,
        "usage": asdict(counters.usage),
        "rate_limited": meter.rate_limited,
        "retries": meter.retries,
        "in_flight_s": meter.in_flight_s,
        "ended_at": time.time(),
    }
