"""Imports files as searchable shows, and accounts for every row.

The first pass reads everything, so that nothing is spent on a broken file. The second pass embeds batches
concurrently, and one writer stores them in the index and the library. A show counts as stored when both have it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Literal

from animerag.errors import AnimeRAGError, InvalidInputError, LibraryError, VectorStoreError
from animerag.indexing.text_hashes import refresh_text_hashes
from animerag.ingestion import batching
from animerag.ingestion.counters import ImportCounters
from animerag.ingestion.pipeline import Pipeline
from animerag.ingestion.preparation import preparing
from animerag.ingestion.preview import ImportPreview
from animerag.ingestion.selection import Selection, growing
from animerag.ingestion.two_pass import LastRowWins, SourceFile
from animerag.models.imports import Concurrency, ImportKind, IngestReport
from animerag.rate_limits import Meter, budgeted, metering
from animerag.storage import deletions
from animerag.storage.derived_tables import BULK
from animerag.storage.library import show_rows
from animerag.telemetry.load_shedding import PageActivity
from animerag.telemetry.tracing import emit, recording

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.indexing.indexer import Indexer
    from animerag.ingestion.queued import QueuedPipeline
    from animerag.jobs.import_lock import ImportLock
    from animerag.jobs.jobs import Control
    from animerag.models.json_types import JsonObject
    from animerag.storage.disk_space import Space
    from animerag.telemetry.tracing import Recorder
    from animerag.text.documents import Document
    from animerag.work_queue.work_queue import WorkQueue

__all__ = ["Ingestion", "SourceFile", "content_digest"]

log = logging.getLogger(__name__)

_ENOUGH = batching.USUAL  # shows that make a measured rate reliable: one batch
_USUAL_WIDTH = 1536  # dimensions, to estimate disk space before a provider's first response
_CHUNK = 500  # shows that are read from the library at a time
MUCH, _FEW = 0.2, 20  # the import asks first if more than this share of at least so many rows cannot be used


@dataclass(frozen=True, slots=True, kw_only=True)
class _RowOrigin:
    """Where documents come from, for the import's record."""

    kind: ImportKind
    names: str
    digest: str


class Ingestion:
    """Imports files into the catalogue."""

    def __init__(
        self,
        indexer: Indexer,
        import_lock: ImportLock,
        space: Space,
        *,
        batch_size: int | Literal["auto"],
        level: Callable[[], int],
        set_level: Callable[[int | Literal["auto"]], None],
        rounds: Callable[[], Iterator[int]],
        most: int = batching.MOST,
        max_cost_usd: float | None = None,
        queue: WorkQueue | None = None,
        visits: PageActivity | None = None,
    ) -> None:
        """`rounds` predicts the level of each round, `most` bounds the size of automatic batches.

        With a `queue`, workers embed and index the shows. Work of the processor waits while `visits` has a page
        that is being drawn.
        """
        self._visits = visits or PageActivity()
        self._indexer = indexer
        self._library = indexer.library
        self._import_lock = import_lock
        self._space = space
        self._batch_size = batch_size
        self._level = level
        self._set_level = set_level
        self._rounds = rounds
        self._most = most
        self._max_cost_usd = max_cost_usd
        self._queue = queue
        self._selection = Selection(indexer, self._visits)
        self.preview = ImportPreview(indexer, self._selection, level=level)

    async def run(
        self,
        files: Sequence[SourceFile],
        control: Control,
        *,
        kind: ImportKind = ImportKind.OWN,
        concurrency: int | Literal["auto"] | None = None,
        batch_size: int | Literal["auto"] | None = None,
        accept_bad_rows: bool = False,
    ) -> IngestReport:
        """Import files and report what happened to every row.

        If more than a fifth of the rows cannot be used, the import asks first, unless `accept_bad_rows` is set. A
        provider or store that fails on the way ends the import early: `stopped_by` gives the reason and `cancelled`
        the number of remaining rows. Raises InvalidInputError if a file cannot be read, ProviderError or
        VectorStoreError if nothing could be stored.
        """
        if concurrency is not None:
            self._set_level(concurrency)
        async with self._session(control, exclusive=kind is ImportKind.SAMPLE) as (counters, meter, recorder):
            counters.show_progress("Reading")
            first = not (await self._library.counts()).shows
            async with preparing(self._indexer, first=first, embeds=self._queue is None):
                winners = await self._selection.read(files, counters, kind)
                if accept_bad_rows or await _accepted(winners, counters):
                    if kind is ImportKind.OWN:
                        await deletions.forget(self._library)
                    names = ", ".join(file.name for file in files)
                    origin = _RowOrigin(kind=kind, names=names, digest=await asyncio.to_thread(content_digest, files))
                    if batch_size is None and isinstance(concurrency, int) and self._batch_size == "auto":
                        batch_size = batching.USUAL  # a fixed level uses batches of the usual size
                    expected, size = len(winners) or winners.unmatched, batch_size or self._batch_size
                    parts = await self._parts(size)
                    documents = self._selection.documents(winners.shows(counters), counters, kind, parts)
                    await self._import(documents, expected, counters, origin, size, queue=self._queue)
            if kind is ImportKind.OWN and counters.ingested + counters.unchanged:
                await self._replace_sample(counters)
            report = await self._report(counters, meter, concurrency)
            if report.ingested >= _ENOUGH and report.embedding_requests:  # stored vectors say nothing about the speed
                await self.preview.note_speed(report.throughput)
            log.info("ingested %d of %d rows in %.1f s", report.ingested, report.read, report.seconds)
            return await self._finished("import", report, counters, recorder)

    async def import_documents(
        self, documents: Sequence[Document], control: Control, *, batch_size: int | Literal["auto"] | None = None
    ) -> IngestReport:
        """Import documents from memory; their ids must differ. Raises what `run` raises."""
        counters = ImportCounters(control=control, read=len(documents))
        with metering() as meter:
            origin = _RowOrigin(kind=ImportKind.OWN, names="memory", digest="")

            async def all_at_once() -> AsyncIterator[list[Document]]:
                yield await self._selection.new_or_changed(documents, counters, ImportKind.OWN)

            size = batch_size or self._batch_size
            await self._import(all_at_once(), len(documents), counters, origin, size, queue=None)
            return await self._report(counters, meter, None)

    async def store(self, document: Document, *, also: Callable[[AsyncConnection], Awaitable[None]]) -> None:
        """Store one show, and what `also` writes, in one transaction.

        The show is embedded and indexed first, so that a failure stores nothing.
        Raises ProviderError, VectorStoreError, LibraryError.
        """
        spec = await self._indexer.spec()
        with budgeted(self._max_cost_usd):
            embedded = await self._indexer.embed([document], await self._indexer.known_hashes([document]))
        import_id = await self._library.begin_import(ImportKind.OWN, "memory", "")
        await self._indexer.upsert(spec, [document], embedded.vectors)
        await self._library.store(show_rows([document], import_id), collection=spec.name, also=also)

    async def reindex(self, control: Control) -> IngestReport:
        """Index every show without a vector for the current model. Raises ProviderError, VectorStoreError."""
        async with self._session(control) as (counters, meter, recorder):
            spec = await self._indexer.spec()
            await refresh_text_hashes(self._indexer)
            ids = await self._library.embeddings.not_indexed(spec.name)
            counters.read = counters.total = len(ids)

            async def stored() -> AsyncIterator[list[Document]]:
                for start in range(0, len(ids), _CHUNK):
                    yield await self._indexer.documents(ids[start : start + _CHUNK])

            pipeline = await self._pipeline(counters, None, self._queue)
            await pipeline.run(stored(), await self._sizes(len(ids), self._batch_size, self._queue))
            return await self._finished("reindex", await self._report(counters, meter, None), counters, recorder)

    @contextlib.asynccontextmanager
    async def _session(
        self, control: Control, *, exclusive: bool = False
    ) -> AsyncIterator[tuple[ImportCounters, Meter, Recorder]]:
        """Hold the import lock, and count and cap what a block uses."""
        counters = ImportCounters(control=control)
        async with self._import_lock.held(control, exclusive=exclusive), self._explained():
            with metering() as meter, recording() as recorder, budgeted(self._max_cost_usd):
                control.partial = recorder
                yield counters, meter, recorder

    async def _finished(
        self, name: str, report: IngestReport, counters: ImportCounters, recorder: Recorder
    ) -> IngestReport:
        """Publish a report as a trace, check the index, and return the report."""
        self._emit(name, recorder, report)
        checked_s = await self._check_graph(counters)
        counters.show_progress("Done")
        return replace(report, checked_s=checked_s)

    async def _import(
        self,
        documents: AsyncIterator[list[Document]],
        expected: int,
        counters: ImportCounters,
        origin: _RowOrigin,
        batch_size: int | Literal["auto"],
        *,
        queue: WorkQueue | None,
    ) -> None:
        counters.total = counters.total or expected
        if not expected:
            return
        known = (await self._library.counts()).shows
        width = await self._indexer.embedder.known_dimensions() or _USUAL_WIDTH
        await asyncio.to_thread(self._space.require, max(0, expected - known), width)
        begin = partial(self._library.begin_import, origin.kind, origin.names, origin.digest)
        pipeline = await self._pipeline(counters, begin, queue)
        await pipeline.run(documents, await self._sizes(expected, batch_size, queue))

    async def _pipeline(
        self,
        counters: ImportCounters,
        begin: Callable[[], Awaitable[int]] | None,
        queue: WorkQueue | None,
    ) -> Pipeline | QueuedPipeline:
        if queue is None:
            return Pipeline(self._indexer, counters, level=self._level, begin_import=begin, visits=self._visits)
        from animerag.ingestion.queued import QueuedPipeline

        cap, spec = self._max_cost_usd, await self._indexer.spec()
        return QueuedPipeline(self._indexer, spec, counters, queue, begin_import=begin, max_cost_usd=cap)

    async def _parts(self, size: int | Literal["auto"]) -> Iterator[int]:
        """Return numbers of rows to read at a time, without end: first those for one round of requests of each worker.

        One more round follows, because a worker takes two batches a slot before the others may have one for each.
        """
        slots = [self._level()]
        if self._queue is not None:
            slots = [worker.concurrency for worker in await self._queue.workers.alive()] or slots
        rounds = [*slots, max(slots)] if len(slots) > 1 else slots
        each = batching.USUAL if size == "auto" else size
        return growing([level * each for level in rounds])

    async def _sizes(self, documents: int, given: int | Literal["auto"], queue: WorkQueue | None) -> list[int]:
        if given != "auto":
            return [given]
        rounds = self._rounds()
        if queue is not None and (workers := await queue.workers.alive()):
            rounds = repeat(sum(worker.concurrency for worker in workers))
        return batching.sizes(documents, rounds, most=self._most) or [batching.USUAL]

    async def _report(
        self, counters: ImportCounters, meter: Meter, concurrency: int | Literal["auto"] | None
    ) -> IngestReport:
        report = counters.report()
        counts = await self._library.counts()
        if report.stopped_by:
            report = replace(report, stopped_by=await asyncio.to_thread(self._space.explain, report.stopped_by))
        return replace(report, catalogue=counts.shows, **_figures(meter, concurrency))

    def _emit(self, name: str, recorder: Recorder, report: IngestReport) -> None:
        emit(
            name,
            recorder.spans,
            read=report.read,
            stored=report.ingested,
            embedding_model=self._indexer.embedder.model,
            embedding_tokens=report.usage.embedding_tokens,
            cost_usd=report.usage.cost_usd,
        )

    @contextlib.asynccontextmanager
    async def _explained(self) -> AsyncIterator[None]:
        try:
            yield
        except (LibraryError, VectorStoreError) as error:
            raise type(error)(await asyncio.to_thread(self._space.explain, str(error))) from error

    async def _check_graph(self, counters: ImportCounters) -> float:
        """Check the index after a bulk load or replacements, repair it, and return the seconds that this took.

        All shows are stored by then.
        """
        started_s = time.perf_counter()
        bulk = counters.ingested * 10 >= (await self._library.counts()).shows
        if bulk and counters.ingested >= BULK:
            await self._library.vacuum()
        if not counters.ingested or not (counters.replaced or bulk) or counters.control.stopping:
            return 0.0
        counters.show_progress("Checking the index")
        try:
            await self._indexer.repair_index(await self._indexer.spec())
        except AnimeRAGError as error:  # the shows are stored, and `animerag doctor` checks again
            log.warning("the index could not be checked: %s", error)
        return time.perf_counter() - started_s

    async def _replace_sample(self, counters: ImportCounters) -> None:
        removed = await self._library.remove_sample()
        if removed:
            counters.show_progress("Removing the sample")
            with contextlib.suppress(AnimeRAGError):  # strays are recorded; the next import or `doctor` removes them
                await self._indexer.remove_strays()


async def _accepted(winners: LastRowWins, counters: ImportCounters) -> bool:
    """Ask before importing files with many unusable rows: a file or its column mapping may be wrong."""
    bad = len(counters.errors) + winners.refused
    if counters.read < _FEW or bad <= MUCH * counters.read:
        return True
    question = f"{bad:,} of {counters.read:,} rows have errors. Import the rest?"
    return await counters.control.ask(question)


def _figures(meter: Meter, concurrency: int | Literal["auto"] | None) -> JsonObject:
    return {
        "concurrency": Concurrency(
            set=concurrency or "auto", peak=meter.peak_in_flight, mean=round(meter.mean_in_flight, 2)
        ),
        "rate_limited": meter.rate_limited,
        "retries": meter.retries,
    }


def content_digest(files: Sequence[SourceFile]) -> str:
    """Return the SHA-256 of the content of files. Raises InvalidInputError."""
    digest = hashlib.sha256()
    for file in files:
        try:
            with file.path.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
        except OSError as error:
            raise InvalidInputError(
                f"{file.name} cannot be read ({error.strerror or error}): check its path and permissions."
            ) from error
    return digest.hexdigest()
