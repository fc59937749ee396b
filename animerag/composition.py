"""The composition root: builds the services from the settings, and closes them. Knows nothing of pages.

Pages reach the services through `event_loop.Runtime`; the command line opens them on its own loop with
`open_services`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Literal

from animerag import logs
from animerag.answering.answering import Answering
from animerag.answering.daily_spending import DailySpending
from animerag.backends import open_index, open_providers
from animerag.batch.estimate import BatchCosts
from animerag.batch.runner import Batch
from animerag.catalogue.browsing import Browsing
from animerag.catalogue.covers import DIRECTORY as COVERS
from animerag.catalogue.covers import Covers
from animerag.catalogue.duplicates import SameShows
from animerag.catalogue.editing import Editing
from animerag.catalogue.list_export import ListExport
from animerag.catalogue.my_list import MyList
from animerag.catalogue.saved_filters import SavedFilters
from animerag.catalogue.statistics import Statistics
from animerag.catalogue.status import Catalogue
from animerag.catalogue.suggestions import Suggestions
from animerag.catalogue.teaching import SHEET, Teaching
from animerag.comparison.environment import ScratchBench
from animerag.comparison.runner import Comparison
from animerag.errors import AnimeRAGError, InvalidInputError
from animerag.evaluation.evaluation import Evaluator
from animerag.indexing.doctor import UNCLEAN_STOP, Maintenance
from animerag.indexing.indexer import Indexer
from animerag.ingestion import batching
from animerag.ingestion.importer import Ingestion
from animerag.ingestion.resumable import Uploads
from animerag.ingestion.shoko_sync import DIRECTORY as SHOKO
from animerag.ingestion.shoko_sync import ShokoSync
from animerag.jobs.import_lock import ImportLock
from animerag.jobs.jobs import Jobs
from animerag.models.providers import Priority
from animerag.providers import discovery
from animerag.providers.pricing import price_table
from animerag.rate_limits import Gate
from animerag.retrieval.retriever import Retriever
from animerag.saved_settings import ConnectionCheck, Preferences, saved_settings, tried
from animerag.storage.answer_cache import AnswerCache
from animerag.storage.batch_runs import Runs
from animerag.storage.conversations import Conversations
from animerag.storage.disk_space import Space
from animerag.storage.library import Library
from animerag.storage.private_files import tighten
from animerag.storage.upload_files import DIRECTORY as UPLOADS
from animerag.storage.upload_files import UploadStore
from animerag.telemetry.load_shedding import PageActivity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from animerag.config import Settings
    from animerag.ports import ChatModel, Embedder, OpenIndex
    from animerag.storage.locks import Locks

_M_ARENA_MAX, _HEAPS = -8, 2  # malloc.h: the number of glibc heaps; by default every thread may get its own

log = logging.getLogger(__name__)

_LOCAL_LEVEL = 3  # batches in flight: two threads encode, and a third batch keeps them busy


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything the app can do; all of it belongs to one event loop."""

    settings: Settings
    library: Library
    index: OpenIndex
    embedder: Embedder
    gate: Gate
    retriever: Retriever
    answering: Answering
    ingestion: Ingestion
    batch: Batch
    conversations: Conversations
    preferences: Preferences
    catalogue: Catalogue
    browsing: Browsing
    editing: Editing
    my_list: MyList
    list_export: ListExport
    maintenance: Maintenance
    comparison: Comparison
    uploads: Uploads
    shoko_sync: ShokoSync
    same_shows: SameShows
    statistics: Statistics
    covers: Covers
    suggestions: Suggestions
    teaching: Teaching
    saved_filters: SavedFilters
    evaluator: Evaluator
    jobs: Jobs
    spool: UploadStore
    visits: PageActivity


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
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


@asynccontextmanager
async def open_services(settings: Settings, *, warm: bool = True, serverless: bool = False) -> AsyncIterator[Services]:
    """Open the library and all services, and close them at the end.

    `warm` loads Chroma, the encoder and the titles in the background. `serverless` searches a small catalogue in this
    process if no Chroma server is running: for commands that only ask.
    Raises LibraryError, SettingsError. If Chroma does not start, only the calls that need it raise.
    """
    _few_heaps()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(logs.debugging(settings))
        if settings.otlp_endpoint is not None:
            await stack.enter_async_context(_exporting(settings.otlp_endpoint))
        await asyncio.to_thread(tighten, settings.data_dir, settings.database_path)
        library = await Library.open(settings.database)
        stack.push_async_callback(library.close)
        locks = await library.locks(settings.data_dir)
        stack.callback(locks.close)
        cut_off = await _mark_interrupted(library, locks)
        left = await asyncio.to_thread(locks.clear_dead)
        if cut_off or left:
            await library.set_meta(UNCLEAN_STOP, "yes")  # until a process has checked the index
        settings = settings.with_saved(await saved_settings(library))
        gate = Gate(
            ingest=settings.ingest_concurrency,
            query=settings.query_concurrency,
            max_rpm=settings.max_rpm,
            max_tpm=settings.max_tpm,
        )
        encoder, embedder, chat = await open_providers(settings, gate, stack, library)
        index = await open_index(settings, library, embedder, serverless=serverless)
        stack.push_async_callback(index.close)
        import_lock = ImportLock(locks.imports)
        cache = AnswerCache(library, at_work=lambda: import_lock.at_work)
        stack.push_async_callback(cache.close)
        services = _assemble(
            _Parts(
                settings=settings,
                library=library,
                index=index,
                encoder=encoder,
                embedder=embedder,
                chat=chat,
                cache=cache,
                gate=gate,
                import_lock=import_lock,
                locks=locks,
            )
        )
        stack.push_async_callback(services.jobs.close)
        await services.uploads.clean()
        if warm:
            services.jobs.watch()
            stack.push_async_callback(_end, asyncio.create_task(_warm(services), name="warm-up"))
        yield services


def _exporting(endpoint: str) -> contextlib.AbstractAsyncContextManager[None]:
    from animerag.telemetry.otlp import exporting

    return exporting(endpoint)


async def _try_providers(settings: Settings) -> list[ConnectionCheck]:
    """Test the models of settings that are not in use yet, over separate connections."""
    async with contextlib.AsyncExitStack() as stack:
        _, embedder, chat = await open_providers(settings, Gate(), stack)

        async def embed() -> str:
            embedded = await embedder.embed(["check"], priority=Priority.LIVE)
            return f"{embedder.model} works: its vectors have {embedded.vectors.shape[1]:,} dimensions."

        return [await tried("Vectors", embed), await tried("Answers", chat.check)]


def _assemble(parts: _Parts) -> Services:
    settings, library, index, gate = parts.settings, parts.library, parts.index, parts.gate
    indexer = Indexer(library, index, parts.embedder)
    retriever = Retriever(
        indexer,
        at_work=lambda: parts.import_lock.at_work,
        encoder=parts.encoder,
        shows_restricted=settings.show_restricted,
    )
    answering = _answering(parts, retriever)
    ingestion = _ingestion(parts, indexer)
    editing = Editing(indexer, ingestion)
    catalogue, same_shows = Catalogue(indexer, ingestion), SameShows(indexer, ingestion)
    visits, spool = PageActivity(), UploadStore(settings.data_dir / UPLOADS)
    jobs = Jobs(
        library,
        parts.locks.lease,
        is_free=parts.locks.is_free,
        on_start=gate.reset,  # a rejected key may have been replaced since
        on_interrupted=partial(library.set_meta, UNCLEAN_STOP, "yes"),
    )
    return Services(
        settings=settings,
        library=library,
        index=index,
        embedder=parts.embedder,
        gate=gate,
        retriever=retriever,
        answering=answering,
        ingestion=ingestion,
        batch=_batch(parts, answering, visits),
        conversations=Conversations(library),
        preferences=Preferences(library, settings, try_out=_try_providers, find=discovery.find),
        catalogue=catalogue,
        browsing=Browsing(indexer, retriever.table),
        editing=editing,
        my_list=MyList(library, editing),
        list_export=ListExport(library, retriever.table),
        maintenance=Maintenance(
            indexer, parts.import_lock, None if settings.chroma_url else settings.data_dir / "chroma"
        ),
        same_shows=same_shows,
        statistics=Statistics(library, catalogue, same_shows),
        suggestions=Suggestions(retriever.collection),
        teaching=Teaching(library, editing, settings.data_dir / SHEET),
        saved_filters=SavedFilters(library),
        covers=Covers(library, [*filter(None, [settings.covers]), settings.data_dir / COVERS]),
        comparison=Comparison(library, index, ScratchBench(settings, index, gate)),
        shoko_sync=ShokoSync(
            ingestion,
            settings.data_dir / SHOKO,
            settings.shoko_key.get_secret_value() if settings.shoko_key else None,
        ),
        uploads=Uploads(library, ingestion, jobs, spool=spool, inbox=settings.data_dir / "inbox"),
        evaluator=Evaluator(retriever),
        jobs=jobs,
        spool=spool,
        visits=visits,
    )


def _answering(parts: _Parts, retriever: Retriever) -> Answering:
    settings = parts.settings
    return Answering(
        retriever,
        parts.chat,
        parts.cache,
        k=settings.sources,
        language=settings.answer_language,
        early_start=settings.early_start,
        daily=DailySpending(parts.library, settings.max_cost_usd),
    )


def _ingestion(parts: _Parts, indexer: Indexer) -> Ingestion:
    settings, gate = parts.settings, parts.gate
    local = parts.embedder.provider == "local"
    return Ingestion(
        indexer,
        parts.import_lock,
        Space(settings.data_dir),
        batch_size=_batch_size(settings),
        level=lambda: _LOCAL_LEVEL if local else gate.level(Priority.INGEST),
        set_level=lambda choice: gate.set_level(Priority.INGEST, choice),
        rounds=lambda: repeat(_LOCAL_LEVEL) if local else gate.rounds(Priority.INGEST),
        max_cost_usd=settings.max_cost_usd,
        most=batching.USUAL if local else batching.MOST,  # the local encoder gains nothing from large batches
    )


def _batch(parts: _Parts, answering: Answering, visits: PageActivity) -> Batch:
    library, gate = parts.library, parts.gate
    prices = price_table(parts.settings.prices)
    return Batch(
        answering,
        level=lambda: gate.level(Priority.BATCH),
        set_level=lambda choice: gate.set_level(Priority.BATCH, choice),
        runs=Runs(library),
        visits=visits,
        costs=BatchCosts(library, embedder=parts.embedder, chat=parts.chat, prices=prices),
    )


def _batch_size(settings: Settings) -> int | Literal["auto"]:
    """Return the configured size; with automatic concurrency and no such size, it is automatic, too."""
    given = "batch_size" in settings.model_fields_set
    return settings.batch_size if given or settings.ingest_concurrency != "auto" else "auto"


def _few_heaps() -> None:
    """Let all threads share two heaps; otherwise memory that a large import frees stays in its heap, 30 MB in all."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # glibc only
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _HEAPS)


async def _warm(services: Services) -> None:
    """Load what the first question needs; a failure is raised again, with its reason, where the part is needed.

    After an unclean stop, also check and repair the index.
    """
    steps = (services.embedder.warm(), services.index.start(), services.retriever.warm())
    for outcome in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(outcome, AnimeRAGError):
            log.warning("warm-up: %s", outcome)
        elif isinstance(outcome, Exception):
            log.error("warm-up failed", exc_info=outcome)
    if services.index.mode == "in process":  # nothing can be repaired from here: the next start with Chroma looks
        return
    try:
        await services.maintenance.refresh_texts()
        await services.maintenance.start_after_unclean_stop(services.jobs)
    except InvalidInputError as error:  # another job is running: the next start tries again
        log.info("the index was not checked after an unclean stop: %s", error)
    except AnimeRAGError as error:
        log.warning("the index could not be checked after an unclean stop: %s", error)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _mark_interrupted(library: Library, locks: Locks) -> bool:
    """Record the end of jobs whose process has ended, and tell whether there were any."""
    running = await library.journal.jobs(state="running", limit=1000)
    leases = {job.lease for job in running}
    dead = [lease for lease in leases if await asyncio.to_thread(locks.is_free, lease)]
    return bool(dead) and await library.journal.interrupt(dead) > 0
