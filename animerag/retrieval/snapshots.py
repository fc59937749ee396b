"""The catalogue in memory, read again whenever any process has changed it."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from animerag.concurrency import Pacing, unpaced
from animerag.discovery.collection import Collection, FranchiseIndex
from animerag.discovery.franchises import Franchise, Franchises
from animerag.errors import LibraryError
from animerag.query import local_files
from animerag.query.fields_in_memory import FieldsInMemory
from animerag.query.lexicon import Gazetteer, vocabulary
from animerag.query.titles import AliasIndex
from animerag.retrieval.snapshot_file import DIRECTORY, SnapshotFile, texts_key
from animerag.retrieval.stored_fields import StoredFields, row_of
from animerag.retrieval.stored_franchises import StoredFranchises, refresh
from animerag.retrieval.stored_titles import StoredNames, row_keys
from animerag.retrieval.stored_words import StoredWords, words_of
from animerag.retrieval.word_coverage import WordStatistics, spacing
from animerag.storage import show_fields
from animerag.storage.catalogue_words import CatalogueWords
from animerag.storage.field_reads import FieldReader
from animerag.storage.field_tables import FieldTables
from animerag.storage.franchise_tables import FranchiseTables
from animerag.storage.title_names import TitleNames
from animerag.telemetry.load_shedding import between_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from animerag.models.json_types import JsonMapping
    from animerag.models.shows import Show
    from animerag.query.field_index import FieldIndex
    from animerag.query.title_names import TitleVocabulary
    from animerag.storage.library import Library

log = logging.getLogger(__name__)

T = TypeVar("T")

TITLES_IN_MEMORY = 100_000  # shows: titles and fields take about 0.8 GB of memory for each 100,000
_RELOAD_S = 2.0  # seconds between two readings of the catalogue while an import changes it


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeCatalogue:
    """What is derived from all shows of a large catalogue; `token` stays the same while none of them changes."""

    token: str
    reader: FieldReader
    tag_counts: Mapping[str, int]
    vocabulary: TitleVocabulary
    statistics: WordStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueSnapshot:
    """The shows of one revision: in memory, or in the database, where work on them belongs in a thread (`run`)."""

    revision: int
    aliases: AliasIndex
    table: FieldIndex
    franchises: FranchiseIndex
    vocabulary: Gazetteer
    statistics: WordStatistics
    shows_restricted: bool = False
    texts: str = ""  # the `texts_key` of the shows
    large: LargeCatalogue | None = None  # what was derived from all shows of a large catalogue

    @classmethod
    def of(
        cls,
        revision: int,
        rows: Sequence[JsonMapping],
        *,
        shows_restricted: bool = False,
        before: CatalogueSnapshot | None = None,
        file: SnapshotFile | None = None,
        paced: Pacing = unpaced,
    ) -> CatalogueSnapshot:
        """Make a snapshot from the rows of the shows' fields.

        Deriving titles and words takes most of a second for thousands. If the texts equal those of `before`, they are
        reused, because a click on a card changes only the owner's list. The first snapshot reads them from `file`, or
        writes it.
        """
        shows = show_fields.shows_of(rows, paced)
        texts = texts_key(rows)
        if before is not None and before.texts == texts:
            aliases, statistics = before.aliases, before.statistics
        else:
            aliases, statistics = _derived(shows, texts, file if before is None else None, paced)
        return cls._of(revision, shows, aliases, statistics, texts, shows_restricted=shows_restricted)

    @classmethod
    def of_stored(
        cls, revision: int, large: LargeCatalogue, names: StoredNames, *, shows_restricted: bool = False
    ) -> CatalogueSnapshot:
        """Make a snapshot of a large catalogue, whose names and fields stay in the database."""
        franchises = StoredFranchises(large.reader)
        table = StoredFields(large.reader, franchises, large.tag_counts)
        return cls(
            revision=revision,
            aliases=AliasIndex.over(names, large.vocabulary),
            table=table,
            franchises=franchises,
            vocabulary=vocabulary(table.tags, table.recorded()),
            statistics=large.statistics,
            shows_restricted=shows_restricted,
            large=large,
        )

    @classmethod
    def _of(
        cls,
        revision: int,
        shows: Sequence[Show],
        aliases: AliasIndex,
        statistics: WordStatistics,
        texts: str,
        *,
        shows_restricted: bool,
    ) -> CatalogueSnapshot:
        franchises = Franchises(shows)
        table = FieldsInMemory(shows, franchises.facts)
        recorded = local_files.recorded(shows)
        recorded += ("studio",) if any(show.studios for show in shows) else ()
        return cls(
            revision=revision,
            aliases=aliases,
            table=table,
            franchises=franchises,
            vocabulary=vocabulary(table.tags, recorded),
            statistics=statistics,
            shows_restricted=shows_restricted,
            texts=texts,
        )

    async def run(self, work: Callable[[], T]) -> T:
        """Run work that matches titles, in a thread if they are in the database. Raises what `work` raises.

        Work of a sheet waits while a page is being drawn: it computes for up to 25 ms at 30,000 shows.
        """
        await between_steps()
        return work() if self.aliases.in_memory else await asyncio.to_thread(work)

    def franchise(self, show_id: str) -> Franchise | None:
        """Return the franchise of a show; None if the catalogue does not have the show."""
        return self.franchises.of(show_id) if self.table.show(show_id) else None

    def franchise_names(self, ids: Iterable[str]) -> dict[str, str]:
        """Return a name of the franchise of each show that the catalogue has: the id of its first show."""
        return {show.id: self.franchises.of(show.id).ids[0] for show in self.table.shows_of(ids)}

    def collection(self, likeness: Mapping[str, float] | None = None, *, japanese: bool = False) -> Collection:
        """Return the shows with their franchises, for discovery."""
        return Collection(
            table=self.table,
            franchises=self.franchises,
            likeness=likeness or {},
            japanese=japanese,
            shows_restricted=self.shows_restricted,
        )


def _derived(
    shows: Sequence[Show], texts: str, file: SnapshotFile | None, paced: Pacing
) -> tuple[AliasIndex, WordStatistics]:
    if file is not None and (stored := file.load(texts, shows)) is not None:
        return stored
    aliases, statistics = AliasIndex(shows, paced), WordStatistics(shows)
    if file is not None:
        file.save(texts, aliases, statistics)
    return aliases, statistics


class Snapshots:
    """Titles and fields of all shows at the latest revision."""

    def __init__(
        self,
        library: Library,
        at_work: Callable[[], bool] = lambda: False,
        *,
        shows_restricted: bool = False,
        data_dir: Path | None = None,
        titles_in_memory: int = TITLES_IN_MEMORY,
        paced: Pacing = unpaced,
    ) -> None:
        """`at_work` returns whether an import is changing the catalogue; then it is read again at the given pace.

        `data_dir` is where titles and words are stored for the next process. The titles and fields of a catalogue with
        more shows than `titles_in_memory` are looked up in the database.
        """
        self._titles_in_memory = titles_in_memory
        self._stored = TitleNames(library, row_keys)
        self._words = StoredWords(CatalogueWords(library, words_of))
        self._fields, self._reader = FieldTables(library, row_of), FieldReader(library)
        self._links = FranchiseTables(library)
        self._file = SnapshotFile(data_dir / DIRECTORY) if data_dir is not None else None
        self._shows_restricted = shows_restricted
        self._library = library
        self._at_work = at_work
        self._paced = paced
        self._held: CatalogueSnapshot | None = None
        self._loading = asyncio.Lock()
        self._reloading: asyncio.Task[None] | None = None
        self._loaded_s, self._load_took_s = 0.0, 0.0

    @property
    def is_loaded(self) -> bool:
        """Return whether titles and fields have been read, so that `current` answers soon."""
        return self._held is not None

    async def current(self) -> CatalogueSnapshot:
        """Return the current titles and fields.

        While an import runs, they may be some seconds old: otherwise every question would read the whole catalogue
        again, which takes most of a second at 1,500 shows. Raises LibraryError.
        """
        revision = await self._library.revision()
        held = self._held
        if held is not None and (held.revision == revision or self._at_work()):
            if held.revision != revision:
                self._reload_soon()
            return held
        return await self._load()

    async def run(self, work: Callable[[CatalogueSnapshot], T]) -> T:
        """Run work on the current snapshot, in a thread if its shows are in the database. Raises what `work` raises."""
        snapshot = await self.current()
        return await snapshot.run(partial(work, snapshot))

    async def _load(self, paced: Pacing = unpaced) -> CatalogueSnapshot:
        async with self._loading:
            revision = await self._library.revision()
            if self._held is None or revision != self._held.revision:
                began_s = time.perf_counter()
                large = (await self._library.counts()).shows > self._titles_in_memory
                self._held = await (self._large(revision) if large else self._small(revision, paced))
                self._loaded_s = time.perf_counter()
                self._load_took_s = self._loaded_s - began_s
            return self._held

    async def _small(self, revision: int, paced: Pacing) -> CatalogueSnapshot:
        rows = await show_fields.load(self._library, paced)
        return await asyncio.to_thread(
            CatalogueSnapshot.of,
            revision,
            rows,
            shows_restricted=self._shows_restricted,
            before=self._held,
            file=None if self._at_work() else self._file,
            paced=paced,
        )

    async def _large(self, revision: int) -> CatalogueSnapshot:
        await self._stored.refresh()
        token = await refresh(self._fields, self._links, self._reader, revision)
        large = self._held.large if self._held is not None else None
        if large is None or large.token != token:
            large = await self._derived(token)
        snapshot = partial(CatalogueSnapshot.of_stored, revision, large, StoredNames(self._stored))
        return await asyncio.to_thread(snapshot, shows_restricted=self._shows_restricted)

    async def _derived(self, token: str) -> LargeCatalogue:
        every = spacing(await asyncio.to_thread(self._reader.count))
        ids = await asyncio.to_thread(partial(self._reader.by_votes, every=every))
        described = await self._library.shows(ids, records=False)
        words = await self._words.current()
        return LargeCatalogue(
            token=token,
            reader=self._reader,
            tag_counts=words.tag_counts,
            vocabulary=words.vocabulary,
            statistics=WordStatistics([described[one] for one in ids if one in described]),
        )

    def _reload_soon(self) -> None:
        """Read the catalogue again in the background, but not so often that it takes more than a tenth of the time."""
        rest_s = max(_RELOAD_S, 10 * self._load_took_s)
        going = self._reloading is not None and not self._reloading.done()
        if not going and time.perf_counter() > self._loaded_s + rest_s:
            self._reloading = asyncio.create_task(self._reload(), name="reload titles")

    async def _reload(self) -> None:
        try:
            await self._load(self._paced)
        except LibraryError as error:  # a question that needs the titles raises the error
            log.warning("titles could not be read again: %s", error)
