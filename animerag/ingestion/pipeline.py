"""The import pipeline: documents → batches → embedding requests in flight → one writer that merges batches."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.concurrency import Slots, cancel_and_wait, fan_out, next_of
from animerag.errors import AnimeRAGError, OtherWidthError, RequestRefusedError, UnusableAnswerError
from animerag.ingestion import batching
from animerag.models.imports import RowError
from animerag.models.providers import Priority
from animerag.readers import cells
from animerag.storage.library import show_rows
from animerag.telemetry.load_shedding import PageActivity
from animerag.telemetry.tracing import lane, span

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from animerag.indexing.indexer import Indexer
    from animerag.ingestion.counters import ImportCounters
    from animerag.ports import CollectionSpec, Vectors
    from animerag.storage.library import ShowRows
    from animerag.text.documents import Document

_HEAD_START_S = 0.4  # seconds; requests are sent before a thread competes with the loop
_MERGED_ROWS = 500  # per write, where Chroma is fastest (docs/performance.md)


@dataclass(frozen=True, slots=True)
class _PendingWork:
    """A batch to embed; `known` has the hashes of texts that already have a vector."""

    number: int
    documents: list[Document]
    known: AbstractSet[str]


@dataclass(slots=True)
class _EmbeddingBatch:
    documents: list[Document]
    vectors: Mapping[str, Vectors]
    rows: ShowRows | None  # None if the shows are already stored


class Pipeline:
    """Embeds batches concurrently, and passes them through a queue to one writer."""

    def __init__(
        self,
        indexer: Indexer,
        counters: ImportCounters,
        *,
        level: Callable[[], int],
        begin_import: Callable[[], Awaitable[int]] | None,
        visits: PageActivity | None = None,
    ) -> None:
        """`begin_import` records the import when its first show arrives; without it the shows are already stored.

        Work of the processor waits while `visits` has a page that is being drawn.
        """
        self._visits = visits or PageActivity()
        self._indexer = indexer
        self._spec: CollectionSpec | None = None
        self._counters = counters
        self._level = level
        self._begin_import = begin_import
        self._import_id: int | None = None
        self._queue: asyncio.Queue[_EmbeddingBatch | None] = asyncio.Queue(maxsize=16)
        self._failure: AnimeRAGError | None = None
        self._ended = False
        self._begun = asyncio.Event()  # there is something to embed, or nothing more comes
        self._embedded = asyncio.Event()  # a first batch is embedded
        self._halving = asyncio.Lock()
        self._halves_help = True  # false after half a batch has got an unusable answer, too
        self._preparing = asyncio.Semaphore(1)
        self._unsaved = Slots(self._lanes)

    async def run(self, todo: AsyncIterator[list[Document]], sizes: Iterable[int]) -> None:
        """Import documents in batches of `sizes` until they end, the job is stopped, or something fails."""
        counters = self._counters
        writer = asyncio.create_task(self._write(), name="ingest-writer")
        batches = self._cut(todo, sizes)
        embedding = asyncio.create_task(self._embed_all(batches), name="ingest-embedding")
        stop = asyncio.create_task(counters.control.stopped(), name="ingest-stop")
        try:
            await asyncio.wait({writer, embedding, stop}, return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                embedding.cancel()
            if not writer.done():
                await asyncio.gather(embedding, return_exceptions=True)
                await self._finish(writer)
            for task in (embedding, writer):
                if task.done() and not task.cancelled() and task.exception() is not None:
                    self._note_failure(task.exception())
        finally:
            for task in (writer, embedding, stop):
                task.cancel()
            await asyncio.gather(writer, embedding, stop, return_exceptions=True)
            await batches.aclose()
        self._judge()

    async def _finish(self, writer: asyncio.Task[None]) -> None:
        """Queue the end mark, without waiting for a writer that has failed."""
        self._begun.set()
        mark = asyncio.create_task(self._queue.put(None))
        await asyncio.wait({writer, mark}, return_when=asyncio.FIRST_COMPLETED)
        if not mark.done():
            mark.cancel()
        await asyncio.gather(writer, mark, return_exceptions=True)

    def _note_failure(self, error: BaseException | None) -> None:
        if not isinstance(error, AnimeRAGError):
            raise error if error is not None else RuntimeError("a task without an error failed")
        self._failure = self._failure or error

    def _judge(self) -> None:
        """Raise a failure if nothing was stored; otherwise report it in `stopped_by`."""
        if self._failure is None:
            return
        if self._counters.ingested == 0:
            raise self._failure
        self._counters.stopped_by = str(self._failure)

    async def _cut(self, todo: AsyncIterator[list[Document]], sizes: Iterable[int]) -> AsyncGenerator[_PendingWork]:
        """Yield the batches, looking stored vectors up for many documents at a time."""
        cutter = batching.Cutter(sizes)
        known: set[str] = set()
        coming: asyncio.Task[tuple[list[Document], ...]] | None = None
        try:
            while True:
                coming = coming or asyncio.create_task(self._following(todo))
                if not (part := await coming):
                    break
                [documents], coming = part, None
                if documents and self._import_id is None and self._begin_import is not None:
                    self._import_id = await self._begin_import()
                await self._visits.give_way()
                waiting = {document.text_hash for document in cutter.rest()}
                # Hashes of documents that are already in a batch are dropped, or a large import would collect them all.
                known = known & waiting | await self._indexer.known_hashes(documents)
                for batch in cutter.add(documents):
                    work = self._work(batch, known)
                    coming = coming or asyncio.create_task(self._following(todo))
                    yield work
            if rest := cutter.rest():
                yield self._work(rest, known)
        finally:
            if coming is not None:
                await cancel_and_wait(coming)

    async def _following(self, todo: AsyncIterator[list[Document]]) -> tuple[list[Document], ...]:
        """Return the next part, or an empty tuple at the end.

        It is read while the provider works: reading it when responses come in would delay the next requests.
        """
        if self._begun.is_set():
            await self._first_wave()
        return await next_of(todo)

    def _work(self, batch: list[Document], known: set[str]) -> _PendingWork:
        self._begun.set()
        self._counters.batches += 1
        self._counters.show_progress("Embedding")
        return _PendingWork(self._counters.batches - 1, batch, known & {document.text_hash for document in batch})

    async def _embed_all(self, batches: AsyncIterator[_PendingWork]) -> None:
        """Embed all batches; after a failure none is started, but those in flight finish, because they are paid for."""
        failure: Exception | None = None

        async def unless_failed() -> AsyncIterator[_PendingWork]:
            async for work in batches:
                if failure is not None:
                    return
                yield work

        # Twice the number of lanes, so that the next batch of a lane is prepared before the lane is free.
        waiting = fan_out(self._embed, unless_failed(), limit=lambda: 2 * self._level())
        async with contextlib.aclosing(waiting) as outcomes:
            async for outcome in outcomes:
                failure = failure or outcome.error
        if failure is not None:
            raise failure

    def _lanes(self) -> int:
        """Return how many embedded batches may wait to be stored: a killed process pays for these again.

        With the embedded provider, which costs nothing, some compute while others are stored.
        """
        return 2 * self._level() if self._indexer.embedder.provider == "local" else self._level()

    async def _embed(self, work: _PendingWork) -> None:
        with lane(work.number):
            for batch in await self._embed_or_bisect(work.documents, work.known):
                self._spec_of(batch)  # raises an error if its vectors do not belong to the others'
                self._embedded.set()
                await self._queue.put(batch)

    async def embed(self, documents: list[Document], known: AbstractSet[str]) -> None:
        """Embed one batch without writing it to the index, and count what it needed. Raises ProviderError."""
        await self._embed_or_bisect(documents, known)

    async def _embed_or_bisect(
        self, documents: list[Document], known: AbstractSet[str], *, is_half: bool = False
    ) -> list[_EmbeddingBatch]:
        """Embed a batch; if the provider refuses it, halve it until each bad row is in a batch of its own.

        An unusable answer is paid for, so the batch is halved only once; then the job ends.
        """
        embedded_too = asyncio.Event()
        preparing = asyncio.create_task(self._prepared(documents, embedded_too))
        try:
            async with self._unsaved.held():
                await self._visits.give_way()
                embedded = await self._indexer.embed(documents, known, priority=Priority.INGEST)
            embedded_too.set()
            rows = await preparing
        except RequestRefusedError as error:
            self._counters.requests += 1
            if len(documents) == 1:
                self._counters.errors.append(_refused(documents[0], error))
                return []
        except OtherWidthError:
            raise
        except UnusableAnswerError:
            self._counters.requests += 1
            if is_half or len(documents) == 1:
                self._halves_help = False
                raise
            async with self._halving:  # the other batches wait to see whether halving helps
                if not self._halves_help:
                    raise
                return await self._halved(documents, known, is_half=True)
        else:
            self._counters.requests += embedded.requests
            self._counters.usage += embedded.usage
            return [_EmbeddingBatch(documents, embedded.vectors, rows)]
        finally:
            preparing.cancel()
        return await self._halved(documents, known, is_half=is_half)

    async def _halved(
        self, documents: list[Document], known: AbstractSet[str], *, is_half: bool
    ) -> list[_EmbeddingBatch]:
        half = len(documents) // 2
        first = await self._embed_or_bisect(documents[:half], known, is_half=is_half)
        return first + await self._embed_or_bisect(documents[half:], known, is_half=is_half)

    async def _prepared(self, documents: Sequence[Document], embedded: asyncio.Event) -> ShowRows | None:
        """Prepare the rows of the library while the provider works, so that the writer does not wait for them."""
        if self._import_id is None:
            return None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(embedded.wait(), _HEAD_START_S)
        async with self._preparing:
            await self._visits.give_way()
            return await asyncio.to_thread(show_rows, documents, self._import_id)

    async def _write(self) -> None:
        """Merge queued batches into one write; Chroma writes the next one while the library commits."""
        commit: asyncio.Task[None] | None = None
        await self._open_index()
        try:
            while (merged := await self._waiting()) is not None:
                if self._ended:
                    break
                await self._visits.give_way()
                with span("writing"):
                    await self._indexer.upsert(self._spec_of(merged), merged.documents, merged.vectors)
                if commit is not None:
                    await commit
                commit = asyncio.create_task(self._commit(merged), name="ingest-commit")
            if commit is not None:
                await commit
            if merged is not None:
                await self._write_last(merged)
        finally:
            if commit is not None:  # finish recording the shows that Chroma has
                await asyncio.gather(commit, return_exceptions=True)

    async def _open_index(self) -> None:
        """Connect to the index while the provider works on the first batches."""
        await self._begun.wait()
        if self._counters.batches:
            with contextlib.suppress(AnimeRAGError):  # the next write raises the reason
                await self._indexer.embedder.warm()
                await self._first_wave()
                await self._indexer.index.start()
                if (spec := await self._indexer.known_spec()) is not None:
                    await self._indexer.index.ensure(spec)

    async def _first_wave(self) -> None:
        """Wait until the first requests have left, because imports and reading would delay them."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._embedded.wait(), _HEAD_START_S)

    def _spec_of(self, batch: _EmbeddingBatch) -> CollectionSpec:
        """Return the collection of this import. Raises OtherWidthError if vectors are not as wide as the first ones."""
        spec = self._indexer.spec_of(len(next(iter(batch.vectors.values()))))
        self._spec = self._spec or spec
        if spec != self._spec:
            raise OtherWidthError.between(spec.dimensions, self._spec.dimensions)
        return self._spec

    async def _waiting(self) -> _EmbeddingBatch | None:
        """Return the queued batches as one, up to the size at which Chroma is fastest; None at the end."""
        batch = None if self._ended else await self._queue.get()
        if batch is None:
            return None
        merged = _EmbeddingBatch(list(batch.documents), dict(batch.vectors), batch.rows)
        while len(merged.documents) < _MERGED_ROWS and not self._queue.empty() and not self._ended:
            more = self._queue.get_nowait()
            if more is None:
                self._ended = True
            else:
                merged.documents += more.documents
                merged.vectors = {**merged.vectors, **more.vectors}
                merged.rows = merged.rows and more.rows and merged.rows + more.rows
        return merged

    async def _write_last(self, batch: _EmbeddingBatch) -> None:
        """Write the last batch to Chroma and the library at the same time: no later write can overlap with it."""
        spec = self._spec_of(batch)
        upsert = asyncio.ensure_future(self._indexer.upsert(spec, batch.documents, batch.vectors))
        try:
            if batch.rows is None:
                await upsert
                await self._commit(batch)
            else:
                with span("writing"):
                    await self._indexer.library.store(batch.rows, collection=spec.name, once=upsert)
                self._count(batch.documents)
        finally:
            upsert.cancel()
            await asyncio.gather(upsert, return_exceptions=True)

    async def _commit(self, batch: _EmbeddingBatch) -> None:
        library, spec = self._indexer.library, self._spec_of(batch)
        with span("writing"):
            if batch.rows is None:
                held = {document.show.id: document.hashes for document in batch.documents}
                await library.embeddings.note_indexed(spec.name, held)
            else:
                await library.store(batch.rows, collection=spec.name)
        self._count(batch.documents)

    def _count(self, documents: Sequence[Document]) -> None:
        self._counters.ingested += len(documents)
        self._counters.show_progress("Embedding")


def _refused(document: Document, error: AnimeRAGError) -> RowError:
    show = document.show
    file, line = (show.origin.file, show.origin.line) if show.origin else ("", 0)
    given = cells.given(dict(show.record))
    return RowError(file=file, line=line, id=show.id, stage="embed", reason=str(error), given=given)
