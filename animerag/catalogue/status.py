"""The catalogue: its counts, its shows, and the sample that a new one starts with."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.errors import AnimeRAGError
from animerag.models.imports import ImportKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from animerag.indexing.indexer import Indexer
    from animerag.ingestion.importer import Ingestion
    from animerag.jobs.jobs import Control, Job, Jobs
    from animerag.models.imports import IngestReport
    from animerag.models.shows import Show
    from animerag.ports import CollectionSpec

SAMPLE_JOB = "sample"
_OUTDATED = 10  # times the age that is enough; an older status is never returned
_PAUSE_S = 30.0  # pages do not wait for a provider that has just failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Counts that every page shows; `indexed` is None while they are unknown."""

    shows: int
    sample: int
    indexed: int | None

    @property
    def not_indexed(self) -> int:
        """Return the number of shows without a vector of the current model; 0 if unknown."""
        return 0 if self.indexed is None else self.shows - self.indexed

    @property
    def sample_only(self) -> bool:
        """Return whether the catalogue contains only the sample."""
        return 0 < self.shows == self.sample


class Catalogue:
    """Reads the catalogue, and fills an empty one with the sample."""

    def __init__(self, indexer: Indexer, ingestion: Callable[[], Ingestion]) -> None:
        """`ingestion` is called when the sample is imported: its modules are not needed before."""
        self._indexer = indexer
        self._library = indexer.library
        self._ingestion = ingestion
        self._asking: asyncio.Task[CollectionSpec | None] | None = None
        self._counting: asyncio.Task[None] | None = None
        self._failed_s = -_PAUSE_S
        # What the latest status depends on, and when it was counted.
        self._latest: tuple[tuple[str | None, dict[str, str]], float, Status] | None = None

    async def status(self, *, patience_s: float | None = None, age_s: float = 0) -> Status:
        """Count shows and vectors using only the library, so that it works without Chroma.

        The provider may have to be asked how wide its vectors are: a page waits at most `patience_s`. A status up to
        `age_s` old is enough while a job changes it all the time; one that is a little older is returned, too, and
        counted again for the next call.
        """
        spec = await self._spec(patience_s)
        of = (spec.name if spec else None, await self._library.index_state())
        if self._latest is not None:
            counted_of, counted_s, status = self._latest
            if counted_of == of or time.monotonic() < counted_s + age_s:
                return status
            if time.monotonic() < counted_s + _OUTDATED * age_s:
                if self._counting is None or self._counting.done():
                    self._counting = asyncio.create_task(self._count_again(of, spec))
                return status
        return await self._count(of, spec)

    async def _count_again(self, of: tuple[str | None, dict[str, str]], spec: CollectionSpec | None) -> None:
        with contextlib.suppress(AnimeRAGError):  # the next call that has to wait will raise it
            await self._count(of, spec)

    async def _count(self, of: tuple[str | None, dict[str, str]], spec: CollectionSpec | None) -> Status:
        counts = await self._library.counts()
        indexed = None if spec is None else await self._library.embeddings.count_indexed(spec.name)
        status = Status(shows=counts.shows, sample=counts.sample, indexed=indexed)
        self._latest = (of, time.monotonic(), status)
        return status

    async def _spec(self, patience_s: float | None) -> CollectionSpec | None:
        """Return the collection of the current model; None if its provider does not answer in time."""
        if patience_s is not None and time.monotonic() < self._failed_s + _PAUSE_S:
            return None
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._asked())
        done, _ = await asyncio.wait({self._asking}, timeout=patience_s)
        return done.pop().result() if done else None

    async def _asked(self) -> CollectionSpec | None:
        try:
            return await self._indexer.spec()
        except AnimeRAGError:
            self._failed_s = time.monotonic()
            return None

    async def show(self, show_id: str) -> Show | None:
        """Return one show."""
        return await self._library.show(show_id)

    async def shows(self, ids: list[str]) -> dict[str, Show]:
        """Return the shows with these ids that are in the catalogue."""
        return await self._library.shows(ids)

    async def start_sample(self, jobs: Jobs) -> Job | None:
        """Start importing the sample if the catalogue is empty and no job is running, and return the job."""
        await jobs.refresh()
        if any(job.running for job in jobs.all()) or (await self._library.counts()).shows:
            return None
        return await jobs.start(self.import_sample, kind=SAMPLE_JOB, title="Sample catalogue", key=SAMPLE_JOB)

    async def import_sample(self, control: Control) -> IngestReport:
        """Import the 150 sample shows; the user's own shows are not changed."""
        from animerag.catalogue import sample
        from animerag.ingestion.two_pass import SourceFile

        model = self._indexer.embedder.model
        await self._library.embeddings.save(model, await asyncio.to_thread(sample.vectors, model))
        with sample.catalogue() as path:
            source = SourceFile(path=path, name="sample catalogue")
            report = await self._ingestion().run([source], control, kind=ImportKind.SAMPLE)
        if await self._library.has_own_shows():  # an upload has finished while the sample was imported
            await self._library.remove_sample()
            await self._indexer.remove_strays()
        return report
