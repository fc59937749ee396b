"""Previews an import or a new index: rows, tokens, cost and time, before anything is stored or spent."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError
from animerag.ingestion.counters import ImportCounters
from animerag.ingestion.entity_resolution import Identity
from animerag.ingestion.selection import growing
from animerag.ingestion.two_pass import LastRowWins
from animerag.jobs.jobs import Control
from animerag.models.imports import ImportKind, IngestReport
from animerag.models.providers import Usage
from animerag.rate_limits import estimate_tokens
from animerag.readers import DetectedFileError
from animerag.text.durations import TimeEstimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from animerag.indexing.indexer import Indexer
    from animerag.ingestion.selection import Selection
    from animerag.ingestion.two_pass import SourceFile
    from animerag.models.shows import Show
    from animerag.readers import Detection

# Shows per second, slow and fast, until an import has been measured: embedded encoder; per request in flight.
_LOCAL_RATES, _RATES_OF_A_SLOT = (40.0, 120.0), (18.0, 60.0)
_CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePreview:
    """A file, and the changes that its import would make; without a report, `problem` says why it cannot be read."""

    detection: Detection | None = None
    report: IngestReport | None = None
    expected: TimeEstimate | None = None
    problem: str | None = None


class ImportPreview:
    """Estimates what an import or a new index would take."""

    def __init__(self, indexer: Indexer, selection: Selection, *, level: Callable[[], int]) -> None:
        self._indexer = indexer
        self._library = indexer.library
        self._selection = selection
        self._level = level
        self._missing: tuple[tuple[str, dict[str, str]], IngestReport] | None = None

    async def each(self, files: Sequence[SourceFile]) -> list[FilePreview]:
        """Preview files as one import. Raises ProviderError, LibraryError.

        If several files have rows with the same id, the last row wins and the others count as repeated.
        """
        identity, winners = Identity(self._library), LastRowWins()
        counters = [ImportCounters(control=Control()) for _ in files]
        previews: list[FilePreview | Detection] = []
        for file, own in zip(files, counters, strict=True):
            try:
                previews.append(await self._selection.read_file(file, identity, winners, own, ImportKind.OWN))
            except DetectedFileError as error:
                problem = error.detection.problem or str(error)
                previews.append(FilePreview(detection=error.detection, problem=problem))
            except InvalidInputError as error:
                previews.append(FilePreview(problem=str(error)))
        earlier: dict[str, Show] = {}
        known: set[str] = set()
        readable = count()
        return [
            item
            if isinstance(item, FilePreview)
            else await self._preview(item, winners.shows_of(next(readable), own, earlier), own, known)
            for item, own in zip(previews, counters, strict=True)
        ]

    async def _preview(
        self, detection: Detection, rows: Iterator[Show], counters: ImportCounters, known: set[str]
    ) -> FilePreview:
        try:
            report = await self._report(rows, counters, known)
        except InvalidInputError as error:  # the file has changed in the meantime
            return FilePreview(detection=detection, problem=str(error))
        return FilePreview(detection=detection, report=report, expected=await self.expected_time(report.ingested))

    async def check(self, files: Sequence[SourceFile]) -> IngestReport:
        """Read files and report what an import would do. Raises InvalidInputError.

        `usage` estimates the tokens of texts without a vector, and their cost if the price is known.
        """
        counters = ImportCounters(control=Control())
        winners = await self._selection.read(files, counters, ImportKind.OWN)
        return await self._report(winners.shows(counters), counters, set())

    async def missing(self) -> IngestReport:
        """Report what indexing for the current model would take: shows, and tokens estimated by length.

        Every page says so while shows are not indexed, so it is counted only after a change.
        """
        spec = await self._indexer.spec()
        of = (spec.name, await self._library.index_state())
        if self._missing is None or self._missing[0] != of:
            ids = await self._library.embeddings.not_indexed(spec.name)
            tokens = await self._library.embeddings.characters_not_indexed(spec.name) // _CHARACTERS_A_TOKEN
            self._missing = of, IngestReport(read=len(ids), ingested=len(ids), usage=self._estimated(tokens))
        return self._missing[1]

    async def expected_time(self, shows: int) -> TimeEstimate:
        """Estimate the time for a number of shows: from the last import, or as a range before there was one."""
        measured = await self._library.get_meta(self._speed_key)
        if measured:
            return TimeEstimate(least_s=shows / float(measured), most_s=shows / float(measured))
        is_local = self._indexer.embedder.provider == "local"
        slow, fast = _LOCAL_RATES if is_local else (self._level() * rate for rate in _RATES_OF_A_SLOT)
        return TimeEstimate(least_s=shows / fast, most_s=shows / slow)

    async def note_speed(self, shows_per_s: float) -> None:
        """Store the speed of an import for later estimates. Raises LibraryError."""
        await self._library.set_meta(self._speed_key, f"{shows_per_s:.1f}")

    @property
    def _speed_key(self) -> str:
        return f"shows_per_s {self._indexer.embedder.model}"

    async def _report(self, rows: Iterator[Show], counters: ImportCounters, known: set[str]) -> IngestReport:
        """Report what an import would do with rows, and the tokens of texts whose hashes are not in `known`."""
        tokens = 0
        async with contextlib.aclosing(self._selection.documents(rows, counters, ImportKind.OWN, growing())) as parts:
            async for todo in parts:
                counters.ingested += len(todo)
                known.update(await self._indexer.known_hashes(todo))
                fresh = {document.text_hash: document.text for document in todo if document.text_hash not in known}
                tokens += sum(map(estimate_tokens, fresh.values()))
                known.update(fresh)
        counts = await self._library.counts()
        return replace(counters.report(), catalogue=counts.shows, usage=self._estimated(tokens))

    def _estimated(self, tokens: int) -> Usage:
        cost = self._indexer.embedder.cost_usd(tokens)
        return Usage(embedding_tokens=tokens, cost_usd=cost, estimated=bool(tokens))
