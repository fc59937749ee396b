"""Catalogue: what is in it, one show at a time, and the sample that an empty one starts with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.catalogue import sample
from animerag.errors import AnimeRAGError
from animerag.ingestion.importer import SourceFile
from animerag.models.imports import ImportKind

if TYPE_CHECKING:
    from animerag.indexing.indexer import Indexer
    from animerag.ingestion.importer import Ingestion
    from animerag.jobs.jobs import Control, Job, Jobs
    from animerag.models.imports import IngestReport
    from animerag.models.shows import Show

SAMPLE_JOB = "sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Counts that every page shows; `indexed` is None while the index cannot be asked about."""

    shows: int
    sample: int
    indexed: int | None

    @property
    def not_indexed(self) -> int:
        """Return how many shows the current model has no vector for; 0 while that is unknown."""
        return 0 if self.indexed is None else self.shows - self.indexed

    @property
    def sample_only(self) -> bool:
        """Tell whether nothing but the sample is there."""
        return 0 < self.shows == self.sample


class Catalogue:
    """Reads the catalogue, and fills an empty one with the sample."""

    def __init__(self, indexer: Indexer, ingestion: Ingestion) -> None:
        self._indexer = indexer
        self._library = indexer.library
        self._ingestion = ingestion

    async def status(self) -> Status:
        """Count shows and vectors from the library only, so that it works while Chroma is down."""
        counts = await self._library.counts()
        try:
            spec = await self._indexer.spec()
            indexed: int | None = await self._library.embeddings.count_indexed(spec.name)
        except AnimeRAGError:
            indexed = None
        return Status(shows=counts.shows, sample=counts.sample, indexed=indexed)

    async def show(self, show_id: str) -> Show | None:
        """Return one show."""
        return await self._library.show(show_id)

    async def shows(self, ids: list[str]) -> dict[str, Show]:
        """Return those of the ids that the catalogue has."""
        return await self._library.shows(ids)

    async def start_sample(self, jobs: Jobs) -> Job | None:
        """Start to import the sample into an empty catalogue while no job runs; returns that job."""
        if jobs.running() or (await self._library.counts()).shows:
            return None
        return await jobs.start(self.import_sample, kind=SAMPLE_JOB, title="Sample catalogue", key=SAMPLE_JOB)

    async def import_sample(self, control: Control) -> IngestReport:
        """Import the 150 shows that ship with the app; the user's own shows stay as they are."""
        model = self._indexer.embedder.model
        await self._library.embeddings.save(model, await asyncio.to_thread(sample.vectors, model))
        with sample.catalogue() as path:
            source = SourceFile(path=path, name="sample catalogue")
            report = await self._ingestion.run([source], control, kind=ImportKind.SAMPLE)
        if await self._library.has_own_shows():  # an upload finished while the sample was imported
            await self._library.remove_sample()
            await self._indexer.remove_strays()
        return report
