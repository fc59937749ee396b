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
from animerag.models.shows import Show
from animerag.rate_limits import Meter, metering
from animerag.rate_limits.budget import drawing_on
from animerag.readers import cells
from animerag.storage.work_items import ItemState, WorkItem
from animerag.text.documents import Document
from animerag.work_queue.worker import TaskKind
from animerag.work_queue.workers import require_release

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from animerag.indexing.indexer import Indexer
    from animerag.models.imports import RowError
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
        documents = [_document(show_id, *text) for show_id, text in item.request["texts"].items()]
        counters = ImportCounters(control=Control())
        pipeline = Pipeline(self._indexer, counters, level=self._level, begin_import=None)
        with metering() as meter, drawing_on(self._budget(item)):
            await pipeline.embed(documents, await self._indexer.known_hashes(documents))
        refused = await self._refused(item, counters.errors)
        ids = item.request["texts"].keys() - {row.id for row in refused}
        return len(refused), {**_figures(counters, meter), "refused": list(map(asdict, refused)), "ids": sorted(ids)}

    async def _refused(self, item: WorkItem, rows: Sequence[RowError]) -> list[RowError]:
        """Return rows with the place and the content that they have in their file."""
        shows = await self._indexer.library.shows([row.id for row in rows if row.id]) if rows else {}
        completed = []
        for row in rows:
            file, line = item.request["lines"].get(row.id, ("", 0))
            given = cells.given(dict(shows[row.id].record)) if row.id in shows else ""
            completed.append(replace(row, file=file, line=line, given=given))
        return completed

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
            ids = [show_id for item in batch for show_id in (item.outcome or {}).get("ids", ())]
            await items.note_indexed(target, batch, await indexer.upsert_stored(spec, ids))


def _document(show_id: str, text_hash: str, text: str) -> Document:
    """Return a document to embed; the other fields of the show are in the library."""
    show = Show(id=show_id, title="")
    return Document(show, description="", text=text, text_hash=text_hash, content_hash="")


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
