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

from animerag.concurrency import fan_out
from animerag.errors import AnimeRAGError, InvalidInputError, RequestRefusedError
from animerag.library import show_rows
from animerag.limits import Meter, metering
from animerag.models import (
    Concurrency,
    FileReport,
    ImportKind,
    IngestReport,
    Priority,
    Progress,
    RowError,
    RowNote,
    Show,
    Usage,
)
from animerag.readers import ReadOptions
from animerag.services import waves
from animerag.services.identity import Identity, joined
from animerag.services.reading import Reading, overridden
from animerag.services.survey import MOST_NOTES
from animerag.texts import Document
from animerag.tracing import lane, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from animerag.jobs import Control
    from animerag.library import ShowRows
    from animerag.ports import CollectionSpec, Vectors
    from animerag.services.indexing import Indexer

log = logging.getLogger(__name__)

_MERGED_ROWS = 500  # what Chroma takes in one write at its best rate (docs/performance.md)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file to read; `name` is what the user calls it, whatever it is stored as."""

    path: Path
    name: str
    options: ReadOptions = field(default_factory=ReadOptions)
    id_prefix: str | None = None  # None leaves it to what the titles say, "" is none


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """Where documents come from, as the import's record tells it."""

    kind: ImportKind
    names: str
    digest: str


@dataclass(slots=True)
class _Batch:
    documents: list[Document]
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
    notes: list[RowNote] = field(default_factory=list)
    files: list[FileReport] = field(default_factory=list)
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
            notes=tuple(self.notes[:MOST_NOTES]),
            files=tuple(self.files),
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
        batch_size: int | Literal["auto"],
        level: Callable[[], int],
        set_level: Callable[[int | Literal["auto"]], None],
        rounds: Callable[[], Iterator[int]],
        most: int = waves.MOST,
    ) -> None:
        """`rounds` foretells the level of each round to come, `most` bounds the requests whose size is chosen here."""
        self._indexer = indexer
        self._library = indexer.library
        self._batch_size = batch_size
        self._level = level
        self._set_level = set_level
        self._rounds = rounds
        self._most = most

    async def run(
        self,
        files: Sequence[SourceFile],
        control: Control,
        *,
        kind: ImportKind = ImportKind.OWN,
        concurrency: int | Literal["auto"] | None = None,
        batch_size: int | Literal["auto"] | None = None,
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
            winners = await self._read(files, run, kind)
            origin = _Origin(kind=kind, names=", ".join(file.name for file in files), digest=_digest(files))
            if batch_size is None and isinstance(concurrency, int) and self._batch_size == "auto":
                batch_size = waves.USUAL  # whoever fixes the level means the usual batches
            await self._take_in(winners, run, origin, batch_size=batch_size or self._batch_size)
            if kind is ImportKind.OWN and run.ingested + run.unchanged:
                await self._replace_sample(run)
            report = await self._report(run, meter, concurrency)
        checked_s = await self._check_graph(run)
        run.show_progress("Done")
        log.info("ingested %d of %d rows in %.1f s", report.ingested, report.read, report.seconds)
        return replace(report, checked_s=checked_s)

    async def take_in(
        self, documents: Sequence[Document], control: Control, *, batch_size: int | Literal["auto"] | None = None
    ) -> IngestReport:
        """Take in documents that are in memory already; ids must differ. Raises as `run` does."""
        run = _Run(control=control, read=len(documents))
        with metering() as meter:
            origin = _Origin(kind=ImportKind.OWN, names="memory", digest="")
            winners = {document.show.id: document for document in documents}
            await self._take_in(winners, run, origin, batch_size=batch_size or self._batch_size)
            return await self._report(run, meter, None)

    async def check(self, files: Sequence[SourceFile]) -> IngestReport:
        """Read files and say what a run would do, without spending or storing anything. Raises InvalidInputError."""
        from animerag.jobs import Control

        run = _Run(control=Control())
        winners = await self._read(files, run, ImportKind.OWN)
        todo = await self._to_do(winners, run, ImportKind.OWN)
        run.ingested = len(todo)
        counts = await self._library.counts()
        return replace(run.report(), catalogue=counts.shows)

    async def reindex(self, control: Control) -> IngestReport:
        """Index every show that the current model has no vector for. Raises ProviderError, VectorStoreError."""
        run = _Run(control=control)
        spec = await self._indexer.spec()
        with metering() as meter:
            shows = await self._library.shows(await self._library.not_indexed(spec.name))
            documents = await asyncio.to_thread(lambda: [Document.of(show) for show in shows.values()])
            run.read = run.total = len(documents)
            pipeline = _Pipeline(self._indexer, spec, run, level=self._level, import_id=None, name="")
            await pipeline.run(list(waves.cut(documents, self._sizes(len(documents), self._batch_size))))
            report = await self._report(run, meter, None)
        checked_s = await self._check_graph(run)
        run.show_progress("Done")
        return replace(report, checked_s=checked_s)

    async def _read(self, files: Sequence[SourceFile], run: _Run, kind: ImportKind) -> dict[str, Document]:
        """Read all files and return the winning row of every id, with what the catalogue adds to it."""
        identity = Identity(self._library)
        winners: dict[str, Show] = {}
        for file in files:
            reading = await asyncio.to_thread(Reading.of, file)
            run.read += reading.read
            run.errors += reading.errors
            if kind is ImportKind.OWN:
                plan = await identity.plan(reading.seen, prefix=file.id_prefix)
                reading.name(plan)
                run.errors += reading.refused
                run.files.append(reading.survey.report(plan))
            run.notes += reading.survey.notes
            for show in reading.shows:
                earlier = winners.get(show.id)
                if earlier is not None:
                    run.duplicate += 1
                    run.notes += overridden(earlier, show)
                winners[show.id] = show if earlier is None else joined(show, earlier)
        shows = list(winners.values())
        if kind is ImportKind.OWN:
            shows = await identity.complete(shows)
        return await asyncio.to_thread(lambda: {show.id: Document.of(show) for show in shows})

    async def _take_in(
        self, winners: dict[str, Document], run: _Run, origin: _Origin, *, batch_size: int | Literal["auto"]
    ) -> None:
        run.total = len(winners) + len(run.errors)
        todo = await self._to_do(winners, run, origin.kind) if winners else []
        if not todo:
            return
        import_id = await self._library.begin_import(origin.kind, origin.names, origin.digest)
        spec = await self._indexer.spec()
        pipeline = _Pipeline(self._indexer, spec, run, level=self._level, import_id=import_id, name=origin.names)
        await pipeline.run(list(waves.cut(todo, self._sizes(len(todo), batch_size))))

    def _sizes(self, documents: int, given: int | Literal["auto"]) -> list[int]:
        if given == "auto":
            return waves.sizes(documents, self._rounds(), most=self._most) or [waves.USUAL]
        return [given]

    async def _report(self, run: _Run, meter: Meter, concurrency: int | Literal["auto"] | None) -> IngestReport:
        report = run.report()
        counts = await self._library.counts()
        return replace(report, catalogue=counts.shows, **_figures(meter, concurrency))

    async def _check_graph(self, run: _Run) -> float:
        """Let vectors look for themselves after a bulk load or replacements, and return the seconds it took.

        Everything is stored and acknowledged by then; what the graph has lost is joined anew.
        """
        started_s = time.perf_counter()
        bulk = run.ingested * 10 >= (await self._library.counts()).shows
        if not run.ingested or not (run.replaced or bulk) or run.control.stopping:
            return 0.0
        run.show_progress("Checking the index")
        try:
            await self._indexer.mend_graph(await self._indexer.spec())
        except AnimeRAGError as error:  # the shows are in; `doctor` looks again
            log.warning("the index could not be checked: %s", error)
        return time.perf_counter() - started_s

    async def _to_do(self, winners: dict[str, Document], run: _Run, kind: ImportKind) -> list[Document]:
        """Leave out what is stored and indexed already, as it is."""
        spec = await self._indexer.spec()
        stored = await self._library.fingerprints(winners)
        held = await self._library.indexed(spec.name, winners)
        todo = []
        for show_id, document in winners.items():
            known = stored.get(show_id)
            now = document.hashes
            run.replaced += show_id in held and held[show_id][1] != document.text_hash
            if kind is ImportKind.SAMPLE and known is not None and not known.sample:
                run.unchanged += 1  # the sample never overwrites what somebody brought
            elif known is None or (known.content_hash, known.text_hash) != now or held.get(show_id) != now:
                todo.append(document)
            elif known.sample and kind is ImportKind.OWN:
                todo.append(document)  # the same record, but now it is the owner's
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
        self._ended = False
        self._kept: set[str] = set()

    async def run(self, batches: list[list[Document]]) -> None:
        """Work through the batches until they are done, somebody stops, or something fails for good."""
        run = self._run
        run.batches = len(batches)
        self._kept = await self._indexer.kept([document for batch in batches for document in batch])
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

    async def _embed_all(self, batches: list[list[Document]]) -> None:
        """After a failure nothing new is started, but what is in flight may finish: it is being paid for."""
        failure: Exception | None = None

        def unless_failed() -> Iterator[tuple[int, list[Document]]]:
            for numbered in enumerate(batches):
                if failure is not None:
                    return
                yield numbered

        def limit() -> int:
            # The gate holds the level; as many again keep their vectors or wait, so that no slot of it stays empty.
            return 2 * self._level()

        async with contextlib.aclosing(fan_out(self._embed, unless_failed(), limit=limit)) as outcomes:
            async for outcome in outcomes:
                failure = failure or outcome.error
        if failure is not None:
            raise failure

    async def _embed(self, numbered: tuple[int, list[Document]]) -> None:
        number, documents = numbered
        with lane(number):
            for batch in await self._embed_or_bisect(documents):
                await self._queue.put(batch)

    async def _embed_or_bisect(self, documents: list[Document]) -> list[_Batch]:
        """Embed a batch; when the provider refuses it, halve it until the rows at fault stand alone."""
        try:
            embedded = await self._indexer.embed(documents, self._kept, priority=Priority.INGEST)
        except RequestRefusedError as error:
            self._run.requests += 1
            if len(documents) == 1:
                self._run.errors.append(_refused(documents[0], error, self._name))
                return []
            half = len(documents) // 2
            return await self._embed_or_bisect(documents[:half]) + await self._embed_or_bisect(documents[half:])
        self._run.requests += embedded.requests
        self._run.usage += embedded.usage
        return [_Batch(documents, embedded.vectors)]

    async def _write(self) -> None:
        """Merge whatever waits into one write; while the library commits one, Chroma takes the next."""
        commit: asyncio.Task[None] | None = None
        try:
            while (merged := await self._waiting()) is not None:
                if self._ended:
                    break
                rows = await self._upsert(merged)
                if commit is not None:
                    await commit
                commit = asyncio.create_task(self._commit(merged.documents, rows), name="ingest-commit")
            if commit is not None:
                await commit
            if merged is not None:
                await self._write_last(merged)
        finally:
            if commit is not None:  # what Chroma holds may as well be acknowledged
                await asyncio.gather(commit, return_exceptions=True)

    async def _waiting(self) -> _Batch | None:
        """Return all that waits, up to the size that Chroma likes best; None at the end."""
        batch = None if self._ended else await self._queue.get()
        if batch is None:
            return None
        merged = _Batch(list(batch.documents), dict(batch.vectors))
        while len(merged.documents) < _MERGED_ROWS and not self._queue.empty() and not self._ended:
            more = self._queue.get_nowait()
            if more is None:
                self._ended = True
            else:
                merged.documents += more.documents
                merged.vectors = {**merged.vectors, **more.vectors}
        return merged

    async def _upsert(self, batch: _Batch) -> ShowRows | None:
        """Write a batch to Chroma, and prepare meanwhile what the library is going to keep of it."""
        with span("writing"):
            upsert = self._indexer.upsert(self._spec, batch.documents, batch.vectors)
            if self._import_id is None:
                await upsert
                return None
            rows, _ = await asyncio.gather(asyncio.to_thread(show_rows, batch.documents, self._import_id), upsert)
            return rows

    async def _write_last(self, batch: _Batch) -> None:
        """Write to both sides at once: nothing follows that could hide the library's time."""
        upsert = asyncio.ensure_future(self._indexer.upsert(self._spec, batch.documents, batch.vectors))
        try:
            if self._import_id is None:
                await upsert
                await self._commit(batch.documents, None)
            else:
                with span("writing"):
                    rows = await asyncio.to_thread(show_rows, batch.documents, self._import_id)
                    await self._indexer.library.store(rows, collection=self._spec.name, once=upsert)
                self._count(batch.documents)
        finally:
            upsert.cancel()
            await asyncio.gather(upsert, return_exceptions=True)

    async def _commit(self, documents: Sequence[Document], rows: ShowRows | None) -> None:
        library = self._indexer.library
        with span("writing"):
            if rows is None:
                held = {document.show.id: document.hashes for document in documents}
                await library.note_indexed(self._spec.name, held)
            else:
                await library.store(rows, collection=self._spec.name)
        self._count(documents)

    def _count(self, documents: Sequence[Document]) -> None:
        self._run.ingested += len(documents)
        self._run.show_progress("Embedding")


def _refused(document: Document, error: AnimeRAGError, file: str) -> RowError:
    return RowError(file=file, line=0, id=document.show.id, stage="embed", reason=str(error))


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
