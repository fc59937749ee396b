"""The services, each of which is built when it is first used. `composition.py` opens what they are built from."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Generic, TypeVar

from animerag.models.providers import Priority

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from animerag.answering.answering import Answering
    from animerag.batch.runner import Batch
    from animerag.catalogue.browsing import Browsing
    from animerag.catalogue.covers import Covers
    from animerag.catalogue.duplicates import SameShows
    from animerag.catalogue.editing import Editing
    from animerag.catalogue.list_export import ListExport
    from animerag.catalogue.my_list import MyList
    from animerag.catalogue.saved_filters import SavedFilters
    from animerag.catalogue.statistics import Statistics
    from animerag.catalogue.status import Catalogue
    from animerag.catalogue.suggestions import Suggestions
    from animerag.catalogue.teaching import Teaching
    from animerag.comparison.runner import Comparison
    from animerag.config import Settings
    from animerag.evaluation.evaluation import Evaluator
    from animerag.indexing.doctor import Maintenance
    from animerag.indexing.indexer import Indexer
    from animerag.indexing.passages import PassageIndexer
    from animerag.ingestion.detached import Detached
    from animerag.ingestion.importer import Ingestion
    from animerag.ingestion.resumable import Uploads
    from animerag.ingestion.shoko_sync import ShokoSync
    from animerag.jobs.import_lock import ImportLock
    from animerag.jobs.jobs import Jobs
    from animerag.ports import ChatModel, Embedder, OpenIndex
    from animerag.rate_limits import Gate
    from animerag.retrieval.retriever import Retriever
    from animerag.retrieval.snapshots import Snapshots
    from animerag.saved_settings import ConnectionCheck, Preferences
    from animerag.storage.answer_cache import AnswerCache
    from animerag.storage.conversations import Conversations
    from animerag.storage.library import Library
    from animerag.storage.locks import Locks
    from animerag.storage.spending import SpendingLedger
    from animerag.storage.upload_files import UploadStore
    from animerag.telemetry.load_shedding import PageActivity
    from animerag.work_queue.work_queue import WorkQueue
    from animerag.work_queue.worker import Worker

T = TypeVar("T")

# Local: two threads encode, and a third batch keeps them busy; openai: 10M tokens per minute.
_LOCAL_LEVEL, _WORKER_LEVEL = (3, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The opened resources from which the services are built."""

    settings: Settings
    library: Library
    index: OpenIndex
    encoder: Embedder
    embedder: Embedder
    chat: ChatModel
    cache: AnswerCache
    gate: Gate
    import_lock: ImportLock
    locks: Locks
    queue: WorkQueue | None
    try_out: Callable[[Settings], Awaitable[list[ConnectionCheck]]]


class _Service(Generic[T]):
    """A service that is built, and whose modules are imported, when it is first used, from any thread."""

    def __init__(self, build: Callable[[Services], T]) -> None:
        self._build, self._name = build, build.__name__
        self.__doc__ = build.__doc__

    def __get__(self, services: Services, owner: type[Services] | None = None) -> T:
        with services.building:
            built: dict[str, T] = vars(services)  # the built service is found here from now on, before this descriptor
            if self._name not in built:
                built[self._name] = self._build(services)
            return built[self._name]


class Services:
    """Everything the app can do, on one event loop; what is not used is not imported, as all modules take a second."""

    def __init__(self, parts: Parts) -> None:
        """Use opened resources; nothing is built yet."""
        self._parts = parts
        self.building = threading.RLock()  # reentrant, because a service may build others
        self.settings, self.library, self.index = parts.settings, parts.library, parts.index
        self.embedder, self.gate, self.queue = parts.embedder, parts.gate, parts.queue

    def build_all(self) -> None:
        """Build every service, so that no click waits for an import."""
        for name, service in vars(Services).items():
            if isinstance(service, _Service):
                getattr(self, name)

    @_Service
    def indexer(self) -> Indexer:
        """Vectors of shows."""
        from animerag.indexing.indexer import Indexer

        return Indexer(self.library, self.index, self.embedder)

    @_Service
    def snapshots(self) -> Snapshots:
        """The catalogue in memory."""
        from animerag.retrieval.snapshots import Snapshots

        return Snapshots(
            self.library,
            at_work=lambda: self._parts.import_lock.at_work,
            shows_restricted=self.settings.show_restricted,
            titles_in_memory=self.settings.titles_in_memory,
            data_dir=self.settings.data_dir,
            paced=self.visits.paced,
        )

    @_Service
    def retriever(self) -> Retriever:
        """Search."""
        from animerag.retrieval.retriever import Retriever

        return Retriever(self.indexer, self.snapshots, self._parts.encoder)

    @_Service
    def answering(self) -> Answering:
        """Answers to questions."""
        from animerag.answering.answering import Answering
        from animerag.answering.daily_spending import DailySpending

        return Answering(
            self.retriever,
            self._parts.chat,
            self._parts.cache,
            k=self.settings.sources,
            language=self.settings.answer_language,
            early_start=self.settings.early_start,
            daily=DailySpending(self.spending, self.settings.max_cost_usd),
        )

    @_Service
    def ingestion(self) -> Ingestion:
        """Imports."""
        from animerag.ingestion import batching
        from animerag.ingestion.importer import Ingestion
        from animerag.storage.disk_space import Space

        settings, gate, local = self.settings, self.gate, self.embedder.provider == "local"
        return Ingestion(
            self.indexer,
            self._parts.import_lock,
            Space(settings.data_dir),
            batch_size=settings.import_batch_size,
            level=lambda: _LOCAL_LEVEL if local else gate.level(Priority.INGEST),
            set_level=lambda choice: gate.set_level(Priority.INGEST, choice),
            rounds=lambda: repeat(_LOCAL_LEVEL) if local else gate.rounds(Priority.INGEST),
            max_cost_usd=settings.max_cost_usd,
            queue=self.queue,
            visits=self.visits,
            most=batching.USUAL if local else batching.MOST,  # the local encoder gains nothing from large batches
        )

    @_Service
    def batch(self) -> Batch:
        """Sheets of questions."""
        from animerag.batch.estimate import BatchCosts
        from animerag.batch.runner import Batch
        from animerag.providers.pricing import price_table
        from animerag.storage.batch_runs import Runs

        gate, chat, queue = self.gate, self._parts.chat, None
        prices, runs = price_table(self.settings.prices), Runs(self.library)
        if self.queue is not None:
            from animerag.batch.queued import SheetQueue

            queue = SheetQueue(self.queue, runs)
        return Batch(
            self.answering,
            level=lambda: gate.level(Priority.BATCH),
            set_level=lambda choice: gate.set_level(Priority.BATCH, choice),
            runs=runs,
            queue=queue,
            spending=self.spending,
            visits=self.visits,
            costs=BatchCosts(self.library, embedder=self.embedder, chat=chat, prices=prices),
        )

    @_Service
    def spending(self) -> SpendingLedger:
        """Cost caps over all processes."""
        from animerag.storage.spending import SpendingLedger

        return SpendingLedger(self.library, self._parts.locks.lease, is_free=self._parts.locks.is_free)

    @_Service
    def conversations(self) -> Conversations:
        """Stored conversations."""
        from animerag.storage.conversations import Conversations

        return Conversations(self.library)

    @_Service
    def preferences(self) -> Preferences:
        """Settings that are saved in the app."""
        from animerag.providers import discovery
        from animerag.saved_settings import Preferences

        return Preferences(self.library, self.settings, try_out=self._parts.try_out, find=discovery.find)

    @_Service
    def catalogue(self) -> Catalogue:
        """The state of the catalogue, and its sample."""
        from animerag.catalogue.status import Catalogue

        return Catalogue(self.indexer, lambda: self.ingestion)

    @_Service
    def browsing(self) -> Browsing:
        """Pages of shows."""
        from animerag.catalogue.browsing import Browsing

        return Browsing(self.indexer, self.retriever.table)

    @_Service
    def editing(self) -> Editing:
        """Edits and deletions of shows."""
        from animerag.catalogue.editing import Editing

        return Editing(self.indexer, self.ingestion)

    @_Service
    def my_list(self) -> MyList:
        """The owner's list."""
        from animerag.catalogue.my_list import MyList

        return MyList(self.library, self.editing)

    @_Service
    def list_export(self) -> ListExport:
        """The owner's list as a file."""
        from animerag.catalogue.list_export import ListExport

        return ListExport(self.library, self.retriever.table)

    @_Service
    def maintenance(self) -> Maintenance:
        """Checks and repairs of the index."""
        from animerag.indexing.doctor import Maintenance

        directory = None if self.settings.chroma_url else self.settings.data_dir / "chroma"
        return Maintenance(self.indexer, self._parts.import_lock, directory)

    @_Service
    def passages(self) -> PassageIndexer:
        """The vectors of passages, made while the machine is idle."""
        from animerag.indexing.passages import PassageIndexer

        return PassageIndexer(self.library, self._parts.embedder, lambda: self._parts.import_lock.at_work)

    @_Service
    def same_shows(self) -> SameShows:
        """Shows that are in the catalogue twice."""
        from animerag.catalogue.duplicates import SameShows

        return SameShows(self.indexer, self.ingestion)

    @_Service
    def statistics(self) -> Statistics:
        """The figures of Home."""
        from animerag.catalogue.statistics import Statistics

        return Statistics(self.library, self.catalogue, self.same_shows)

    @_Service
    def suggestions(self) -> Suggestions:
        """Suggestions for Home."""
        from animerag.catalogue.suggestions import Suggestions

        return Suggestions(self.retriever.collection)

    @_Service
    def teaching(self) -> Teaching:
        """Corrections of answers."""
        from animerag.catalogue.teaching import SHEET, Teaching

        return Teaching(self.library, self.editing, self.settings.data_dir / SHEET)

    @_Service
    def saved_filters(self) -> SavedFilters:
        """Filters with a name."""
        from animerag.catalogue.saved_filters import SavedFilters

        return SavedFilters(self.library)

    @_Service
    def covers(self) -> Covers:
        """Covers of shows."""
        from animerag.catalogue.covers import DIRECTORY, Covers

        return Covers(self.library, [*filter(None, [self.settings.covers]), self.settings.data_dir / DIRECTORY])

    @_Service
    def comparison(self) -> Comparison:
        """Measurements of sync, threads and async."""
        from animerag.comparison.environment import ScratchBench
        from animerag.comparison.runner import Comparison

        return Comparison(self.library, self.index, ScratchBench(self.settings, self.index, self.gate))

    @_Service
    def shoko_sync(self) -> ShokoSync:
        """Synchronisation with Shoko Server."""
        from animerag.ingestion.shoko_sync import DIRECTORY, ShokoSync

        key = self.settings.shoko_key
        return ShokoSync(self.ingestion, self.settings.data_dir / DIRECTORY, key.get_secret_value() if key else None)

    @_Service
    def uploads(self) -> Uploads:
        """Imports of uploaded files."""
        from animerag.ingestion.resumable import Uploads

        return Uploads(
            self.library, self.ingestion, self.jobs, spool=self.spool, inbox=self.settings.data_dir / "inbox"
        )

    @_Service
    def evaluator(self) -> Evaluator:
        """Measurements of retrieval."""
        from animerag.evaluation.evaluation import Evaluator

        return Evaluator(self.retriever)

    @_Service
    def jobs(self) -> Jobs:
        """Long work."""
        from animerag.indexing.doctor import UNCLEAN_STOP
        from animerag.jobs.jobs import Jobs

        locks = self._parts.locks
        return Jobs(
            self.library,
            locks.lease,
            is_free=locks.is_free,
            on_start=self.gate.reset,  # a rejected key may have been replaced since
            on_interrupted=partial(self.library.set_meta, UNCLEAN_STOP, "yes"),
        )

    @_Service
    def worker(self) -> Worker | None:
        """Tasks of the queue, run by this process; None without the queue."""
        if self.queue is None or self.detached is None:
            return None
        from animerag.batch.queue_tasks import SheetTasks
        from animerag.ingestion.queue_tasks import ImportTasks
        from animerag.work_queue.worker import Worker

        usual = _LOCAL_LEVEL if self.embedder.provider == "local" else _WORKER_LEVEL
        slots = usual if (chosen := self.settings.ingest_concurrency) == "auto" else chosen
        level, spending = partial(self.gate.level, Priority.INGEST), self.spending
        imports = ImportTasks(self.indexer, self.queue, spending=spending, level=level).kinds(slots)
        sheets = SheetTasks(self.batch, self.queue).kinds()
        return Worker(self.queue, [*imports, *sheets, *self.detached.kinds()], slots=slots)

    @_Service
    def detached(self) -> Detached | None:
        """Jobs that are left to workers; None without the queue."""
        if self.queue is None:
            return None
        from animerag.ingestion.detached import Detached

        return Detached(self.queue, self.jobs, self.batch, self.uploads, self.spool)

    @_Service
    def spool(self) -> UploadStore:
        """Uploaded files."""
        from animerag.storage.upload_files import DIRECTORY, UploadStore

        return UploadStore(self.settings.data_dir / DIRECTORY)

    @_Service
    def visits(self) -> PageActivity:
        """Whether pages are being viewed."""
        from animerag.telemetry.load_shedding import PageActivity

        return PageActivity()
