"""Selects what an import has to store: among the last rows of each id, the new and changed shows."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from animerag.ingestion import enrichment
from animerag.ingestion.entity_resolution import Identity
from animerag.ingestion.overrides import edited, still_valid
from animerag.ingestion.two_pass import LastRowWins, TwoPassReader
from animerag.models.imports import ImportKind
from animerag.readers import DetectedFileError
from animerag.storage import provenance
from animerag.text.documents import Document

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence

    from animerag.indexing.indexer import Indexer
    from animerag.ingestion.counters import ImportCounters
    from animerag.ingestion.entity_resolution import IdPlan
    from animerag.ingestion.two_pass import SourceFile
    from animerag.models.shows import Show
    from animerag.readers import Detection
    from animerag.telemetry.load_shedding import PageActivity

_SHOKO_USER = "shoko_user"
CHUNK = 1100  # rows compared with the catalogue at a time


def growing(first: Sequence[int] = (CHUNK,)) -> Iterator[int]:
    """Yield numbers of rows without end: the `first` ones, then twice as many each time, up to 1,100."""
    number = 0
    for number in first:
        yield min(CHUNK, number)
    while True:
        number = min(CHUNK, 2 * number)
        yield number


class Selection:
    """Reads files twice and compares them with the catalogue; stores and spends nothing."""

    def __init__(self, indexer: Indexer, visits: PageActivity) -> None:
        """Rows are not processed while `visits` has a page that is being drawn."""
        self._visits = visits
        self._indexer = indexer
        self._library = indexer.library

    async def read(self, files: Sequence[SourceFile], counters: ImportCounters, kind: ImportKind) -> LastRowWins:
        """Read all files once and decide which show each id means. Raises InvalidInputError."""
        identity, winners = Identity(self._library), LastRowWins()
        for file in files:
            await self.read_file(file, identity, winners, counters, kind)
        counters.total = len(winners) + len(counters.errors) + winners.refused
        return winners

    async def read_file(
        self, file: SourceFile, identity: Identity, winners: LastRowWins, counters: ImportCounters, kind: ImportKind
    ) -> Detection:
        """Read the file that follows those in `winners`, and return its detection. Raises InvalidInputError."""
        reading = await self._read(file)
        plan: IdPlan | None = None
        if file.enrich:
            plan = await enrichment.plan(self._library, reading.seen, reading.entries)
            reading.entries = {}
        elif kind is ImportKind.OWN:
            plan = await identity.plan(reading.seen, prefix=file.id_prefix)
        counters.read += reading.read
        counters.errors += reading.errors
        counters.notes += reading.summary.notes
        if plan is not None:
            counters.files.append(reading.summary.report(plan))
        winners.add(reading, plan)
        return reading.summary.detection

    async def _read(self, file: SourceFile) -> TwoPassReader:
        """Read a file once; the chosen user of a Shoko database is remembered for the second reading."""
        chosen = await self._library.get_meta(_SHOKO_USER)
        if file.options.user and file.options.user != chosen:
            await self._library.set_meta(_SHOKO_USER, file.options.user)
        try:
            return await asyncio.to_thread(TwoPassReader.of, file, self._visits.paced)
        except DetectedFileError as error:
            if file.options.user is not None or chosen not in error.detection.users:
                raise
        again = replace(file, options=replace(file.options, user=chosen))
        return await asyncio.to_thread(TwoPassReader.of, again, self._visits.paced)

    async def documents(
        self, rows: Iterator[Show], counters: ImportCounters, kind: ImportKind, parts: Iterator[int]
    ) -> AsyncGenerator[list[Document], None]:
        """Yield new and changed shows, completed from the catalogue, for each of the numbers of rows in `parts`."""
        identity, rows = Identity(self._library), self._visits.paced(rows)
        while shows := await asyncio.to_thread(lambda: list(itertools.islice(rows, next(parts)))):
            if kind is ImportKind.OWN:
                shows = [*await identity.complete(own_rows(shows)), *await self._enriched(shows)]
                edits = await provenance.edits_of(self._library, [show.id for show in shows])
                edits = {show.id: still_valid(edits[show.id], show) for show in shows if show.id in edits}
                shows = [edited(show, edits[show.id]) if show.id in edits else show for show in shows]
                counters.conflicts += [
                    replace(one, stays=one.field in edits.get(one.id, ())) for one in identity.conflicts
                ]
                identity.conflicts.clear()
            documents = await asyncio.to_thread(_documents, self._visits.paced(shows))
            yield await self.new_or_changed(documents, counters, kind)

    async def _enriched(self, shows: Sequence[Show]) -> list[Show]:
        """Return the shows that rows of reference files complete."""
        references = [show for show in shows if show.origin is not None and show.origin.reference]
        stored = await self._library.shows([show.id for show in references])
        return [enrichment.enriched(stored[show.id], show) for show in references if show.id in stored]

    async def new_or_changed(
        self, documents: Sequence[Document], counters: ImportCounters, kind: ImportKind
    ) -> list[Document]:
        """Return the documents that are not stored and indexed in the same form."""
        ids = [document.show.id for document in documents]
        stored = await self._library.fingerprints(ids)
        # A provider's width may be unknown before its first response, and without stored shows it is not needed.
        spec = await (self._indexer.spec() if stored else self._indexer.known_spec())
        indexed = await self._library.embeddings.indexed(spec.name, ids) if spec else {}
        changed = []
        for document in documents:
            known, there = stored.get(document.show.id), indexed.get(document.show.id)
            # The sample never overwrites a user's show; a user's row replaces the same row of the sample.
            if (kind is ImportKind.SAMPLE and known is not None and not known.sample) or (
                known is not None
                and (known.content_hash, known.text_hash) == document.hashes == there
                and (kind is ImportKind.SAMPLE or not known.sample)
            ):
                counters.unchanged += 1
            else:
                counters.changed += known is not None and not known.sample
                counters.replaced += there is not None and there[1] != document.text_hash
                changed.append(document)
        return changed


def own_rows(shows: Sequence[Show]) -> list[Show]:
    """Return the rows that are not of reference files."""
    return [show for show in shows if show.origin is None or not show.origin.reference]


def _documents(shows: Iterable[Show]) -> list[Document]:
    return [Document.of(show) for show in shows]
