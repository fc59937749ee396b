"""Ingestion: files in, searchable shows out. Embeds wide, writes narrow, and accounts for every row.

Pass 1 reads everything, so nothing is spent on a file that is broken; pass 2 feeds batches to the embedder, many in
flight, and one writer merges what waits into the index and the library. Only what both hold is acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from animerag import readers
from animerag.concurrency import fan_out
from animerag.errors import AnimeRAGError, InvalidInputError, RequestRefusedError
from animerag.limits import Meter, estimate_tokens, metering
from animerag.models import Concurrency, ImportKind, IngestReport, Priority, Progress, RowError, Show, Usage
from animerag.texts import content_hash, embedding_text, text_hash
from animerag.tracing import lane, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from animerag.jobs import Control
    from animerag.ports import CollectionSpec, Vectors
    from animerag.services.indexing import Indexer

log = logging.getLogger(__name__)

_MERGED_ROWS = 500  # what Chroma takes in one write at its best rate (docs/performance.md)
_REQUEST_TOKENS = 250_000  # below the API's 300,000 a request, since the estimate is one


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file to read; `name` is what the user calls it, whatever it is stored as."""

    path: Path
    name: str
    id_field: str = readers.shoko.ID_FIELD


@dataclass(slots=True)
class _Batch:
    shows: list[Show]
    vectors: Mapping[str, Vectors] = field(default_factory=dict)


@dataclass(slots=True)
class _Run:
    """One run's mutable tally; only this module sees it."""

    control: Control
    started_s: float = field(default_factory=time.perf_counter)
    read: int = 0
    duplicate: int = 0
    unchanged: int = 0
    ingested: int = 0
    batches: int = 0
    requests: int = 0
    replaced: int = 0
    errors: list[RowError] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    total: int = 0
    stopped_by: str | None = None

    def report(self) -> IngestReport:
        lost = self.read - self.ingested - self.unchanged - self.duplicate - len(self.errors)
        return IngestReport(
            read=self.read,
            ingested=self.ingested,
            unchanged=self.unchanged,
            duplicate=self.duplicate,
            quarantined=len(self.errors),
            cancelled=lost,
            rows=tuple(self.errors),
            batches=self.batches,
            embedding_requests=self.requests,
            seconds=time.perf_counter() - self.started_s,
            usage=self.usage,
            stopped_by=self.stopped_by,
        )

    def show_progress(self, stage: str) -> None:
        self.control.progress = Progress(
            done=self.unchanged + self.ingested + len(self.errors),
            total=self.total,
            stage=stage,
            elapsed_s=time.perf_counter() - self.started_s,
        )


class Ingestion:
    """Takes files into the catalogue."""

    def __init__(
        self,
        indexer: Indexer,
        *,
        batch_size: int,
        level: Callable[[], int],
        set_level: Callable[[int | Literal["auto"]], None],
    ) -> None:
        self._indexer = indexer
        self._library = indexer.library
        self._batch_size = batch_size
        self._level = level
        self._set_level = set_level

    async def run(
        self,
        files: Sequence[SourceFile],
        control: Control,
        *,
        kind: ImportKind = ImportKind.OWN,
        concurrency: int | Literal["auto"] | None = None,
        batch_size: int | None = None,
    ) -> IngestReport:
        """Take files in and return what became of every row.

        A provider or store that fails part way ends the run early: `stopped_by` says why, `cancelled` how many rows
        are left for the next run. Raises InvalidInputError when a file cannot be read, ProviderError or
        VectorStoreError when nothing could be done at all.
        """
        run = _Run(control=control)
        if concurrency is not None:
            self._set_level(concurrency)
        with metering() as meter:
            run.show_progress("Reading")
            winners = await asyncio.to_thread(_read_all, files, run)
            run.total = len(winners) + len(run.errors)
            if winners:
                await self._take_in(winners, files, run, kind=kind, batch_size=batch_size or self._batch_size)
            if kind is ImportKind.OWN and run.ingested + run.unchanged:
                await self._replace_sample(run)
            counts = await self._library.counts()
        run.show_progress("Done")
        report = replace(run.report(), catalogue=counts.shows, **_figures(meter, concurrency))
        log.info("ingested %d of %d rows in %.1f s", report.ingested, report.read, report.seconds)
        return report

    async def check(self, files: Sequence[SourceFile]) -> IngestReport:
        """Read files and say what a run would do, without spending or storing anything. Raises InvalidInputError."""
        from animerag.jobs import Control

        run = _Run(control=Control())
        winners = await asyncio.to_thread(_read_all, files, run)
        todo = await self._to_do(winners, run, ImportKind.OWN)
        run.ingested = len(todo)
        counts = await self._library.counts()
        return replace(run.report(), catalogue=counts.shows)

    async def reindex(self, control: Control) -> IngestReport:
        """Index every show that the current model has no vector for. Raises ProviderError, VectorStoreError."""
        run = _Run(control=control)
        spec = await self._indexer.spec()
        with metering() as meter:
            ids = await self._library.not_indexed(spec.name)
            shows = list((await self._library.shows(ids)).values())
            run.read = run.total = len(shows)
            pipeline = _Pipeline(self._indexer, spec, run, level=self._level, import_id=None, name="")
            await pipeline.run(list(_batches(shows, self._batch_size)))
            counts = await self._library.counts()
        run.show_progress("Done")
        return replace(run.report(), catalogue=counts.shows, **_figures(meter, None))

    async def _take_in(
        self, winners: dict[str, Show], files: Sequence[SourceFile], run: _Run, *, kind: ImportKind, batch_size: int
    ) -> None:
        todo = await self._to_do(winners, run, kind)
        if not todo:
            return
        names = ", ".join(file.name for file in files)
        import_id = await self._library.begin_import(kind, names, _digest(files))
        spec = await self._indexer.spec()
        pipeline = _Pipeline(self._indexer, spec, run, level=self._level, import_id=import_id, name=names)
        await pipeline.run(list(_batches(todo, batch_size)))
        # Worth its second after a bulk load, and after replacements, which cost the graph some of its ways.
        if run.ingested and (run.replaced or run.ingested * 10 >= (await self._library.counts()).shows):
            run.show_progress("Checking the index")
            await self._indexer.mend_graph(spec)

    async def _to_do(self, winners: dict[str, Show], run: _Run, kind: ImportKind) -> list[Show]:
        """Leave out what is stored and indexed already, as it is."""
        spec = await self._indexer.spec()
        stored = await self._library.fingerprints(winners)
        held = await self._library.indexed(spec.name, winners)
        todo = []
        for show in winners.values():
            known = stored.get(show.id)
            now = (content_hash(show), text_hash(embedding_text(show)))
            run.replaced += show.id in held and held[show.id][1] != now[1]
            if kind is ImportKind.SAMPLE and known is not None and not known.sample:
                run.unchanged += 1  # the sample never overwrites what somebody brought
            elif known is None or (known.content_hash, known.text_hash) != now or held.get(show.id) != now:
                todo.append(show)
            elif known.sample and kind is ImportKind.OWN:
                todo.append(show)  # the same record, but now it is the owner's
            else:
                run.unchanged += 1
        return todo

    async def _replace_sample(self, run: _Run) -> None:
        removed = await self._library.remove_sample()
        if removed:
            run.show_progress("Removing the sample")
            with contextlib.suppress(AnimeRAGError):  # strays are journalled; the next run or doctor removes them
                await self._indexer.remove_strays()


class _Pipeline:
    """Batches → embedder, several at once → queue → one writer."""

    def __init__(
        self,
        indexer: Indexer,
        spec: CollectionSpec,
        run: _Run,
        *,
        level: Callable[[], int],
        import_id: int | None,
        name: str,
    ) -> None:
        self._indexer = indexer
        self._spec = spec
        self._run = run
        self._level = level
        self._import_id = import_id
        self._name = name
        self._queue: asyncio.Queue[_Batch | None] = asyncio.Queue(maxsize=16)
        self._failure: AnimeRAGError | None = None

    async def run(self, batches: list[list[Show]]) -> None:
        """Work through the batches until they are done, somebody stops, or something fails for good."""
        run = self._run
        run.batches = len(batches)
        run.show_progress("Embedding")
        writer = asyncio.create_task(self._write(), name="ingest-writer")
        embedding = asyncio.create_task(self._embed_all(batches), name="ingest-embedding")
        stop = asyncio.create_task(run.control.stopped(), name="ingest-stop")
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
        self._judge()

    async def _finish(self, writer: asyncio.Task[None]) -> None:
        """Hand over the end mark without waiting on a writer that has died meanwhile."""
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
        """Nothing done at all is the caller's failure; part way is a report that says so."""
        if self._failure is None:
            return
        if self._run.ingested == 0:
            raise self._failure
        self._run.stopped_by = str(self._failure)

    async def _embed_all(self, batches: list[list[Show]]) -> None:
        """After a failure nothing new is started, but what is in flight may finish: it is being paid for."""
        failure: Exception | None = None

        def unless_failed() -> Iterator[tuple[int, list[Show]]]:
            for numbered in enumerate(batches):
                if failure is not None:
                    return
                yield numbered

        async with contextlib.aclosing(fan_out(self._embed, unless_failed(), limit=self._level)) as outcomes:
            async for outcome in outcomes:
                failure = failure or outcome.error
        if failure is not None:
            raise failure

    async def _embed(self, numbered: tuple[int, list[Show]]) -> None:
        number, shows = numbered
        with lane(number):
            for batch in await self._embed_or_bisect(shows):
                await self._queue.put(batch)

    async def _embed_or_bisect(self, shows: list[Show]) -> list[_Batch]:
        """Embed a batch; when the provider refuses it, halve it until the rows at fault stand alone."""
        try:
            embedded = await self._indexer.embed(shows, priority=Priority.INGEST)
        except RequestRefusedError as error:
            self._run.requests += 1
            if len(shows) == 1:
                self._run.errors.append(_refused(shows[0], error, self._name))
                return []
            half = len(shows) // 2
            return await self._embed_or_bisect(shows[:half]) + await self._embed_or_bisect(shows[half:])
        self._run.requests += embedded.requests
        self._run.usage += embedded.usage
        return [_Batch(shows, embedded.vectors)]

    async def _write(self) -> None:
        """Merge whatever waits into one write, up to the size that Chroma likes best."""
        while (batch := await self._queue.get()) is not None:
            merged, last = _Batch(list(batch.shows), dict(batch.vectors)), False
            while len(merged.shows) < _MERGED_ROWS and not self._queue.empty():
                more = self._queue.get_nowait()
                if more is None:
                    last = True
                    break
                merged.shows += more.shows
                merged.vectors = {**merged.vectors, **more.vectors}
            with span("writing"):
                await self._store(merged)
            if last:
                return

    async def _store(self, batch: _Batch) -> None:
        await self._indexer.upsert(self._spec, batch.shows, batch.vectors)
        if self._import_id is None:
            held = {show.id: (content_hash(show), text_hash(embedding_text(show))) for show in batch.shows}
            await self._indexer.library.note_indexed(self._spec.name, held)
        else:
            await self._indexer.library.store(batch.shows, import_id=self._import_id, collection=self._spec.name)
        self._run.ingested += len(batch.shows)
        self._run.show_progress("Embedding")


def _read_all(files: Sequence[SourceFile], run: _Run) -> dict[str, Show]:
    """Return the winning row of every id: the last one read."""
    winners: dict[str, Show] = {}
    for file in files:
        for row in readers.read(file.path, name=file.name, id_field=file.id_field):
            run.read += 1
            if isinstance(row, RowError):
                run.errors.append(row)
            elif row.id in winners:
                run.duplicate += 1
                winners[row.id] = row
            else:
                winners[row.id] = row
    return winners


def _batches(shows: Iterable[Show], size: int) -> Iterator[list[Show]]:
    """Cut by number and by tokens, so that no request is larger than a provider takes."""
    batch: list[Show] = []
    tokens = 0
    for show in shows:
        needed = estimate_tokens(embedding_text(show))
        if batch and (len(batch) >= size or tokens + needed > _REQUEST_TOKENS):
            yield batch
            batch, tokens = [], 0
        batch.append(show)
        tokens += needed
    if batch:
        yield batch


def _refused(show: Show, error: AnimeRAGError, file: str) -> RowError:
    return RowError(file=file, line=0, id=show.id, stage="embed", reason=str(error))


def _figures(meter: Meter, concurrency: int | Literal["auto"] | None) -> dict[str, Any]:
    return {
        "concurrency": Concurrency(
            set=concurrency or "auto", peak=meter.peak_in_flight, mean=round(meter.mean_in_flight, 2)
        ),
        "rate_limited": meter.rate_limited,
        "retries": meter.retries,
    }


def _digest(files: Sequence[SourceFile]) -> str:
    digest = hashlib.sha256()
    for file in files:
        try:
            digest.update(file.path.read_bytes())
        except OSError as error:
            raise InvalidInputError(f"{file.name} cannot be read: {error.strerror or error}.") from error
    return digest.hexdigest()
