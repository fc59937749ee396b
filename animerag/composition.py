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
from itertools import repeat
from typing import TYPE_CHECKING, Literal, TypeVar

from animerag import logs
from animerag.answering.answering import Answering
from animerag.answering.daily_spending import DailySpending
from animerag.batch.estimate import BatchCosts
from animerag.batch.runner import Batch
from animerag.catalogue.browsing import Browsing
from animerag.catalogue.covers import DIRECTORY as COVERS
from animerag.catalogue.covers import Covers
from animerag.catalogue.duplicates import SameShows
from animerag.catalogue.editing import Editing
from animerag.catalogue.my_list import MyList
from animerag.catalogue.statistics import Statistics
from animerag.catalogue.status import Catalogue
from animerag.catalogue.suggestions import Suggestions
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
    from collections.abc import AsyncIterator, Callable

    from animerag.config import Settings
    from animerag.ports import ChatModel, CollectionSpec, Embedder, Memory, OpenIndex
    from animerag.storage.locks import Locks

_M_ARENA_MAX, _HEAPS = -8, 2  # malloc.h: the number of glibc heaps; by default every thread may get its own

T = TypeVar("T")
log = logging.getLogger(__name__)

_EXACT_BYTES = 64 * 2**20  # 30,000 shows of 512 numbers: read in 0.2 s, compared in 10 ms
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
    maintenance: Maintenance
    comparison: Comparison
    uploads: Uploads
    shoko_sync: ShokoSync
    same_shows: SameShows
    statistics: Statistics
    covers: Covers
    suggestions: Suggestions
    evaluator: Evaluator
    jobs: Jobs
    spool: UploadStore
    visits: PageActivity


@asynccontextmanager
async def open_services(settings: Settings, *, warm: bool = True, serverless: bool = False) -> AsyncIterator[Services]:
    """Open the library and all services, and close them at the end.

    `warm` loads Chroma, the encoder and the titles in the background. `serverless` searches
    a small catalogue in this process where no Chroma server runs: for commands that ask and change nothing.
    Raises LibraryError, SettingsError. If Chroma does not start, the calls that need it
    raise; everything else works.
    """
    _few_heaps()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(logs.debugging(settings))
        if settings.otlp_endpoint is not None:
            await stack.enter_async_context(_exporting(settings.otlp_endpoint))
        await asyncio.to_thread(tighten, settings.data_dir, settings.database_path)
        library = await Library.open(settings.database_path)
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
        encoder, embedder, chat = await _providers(settings, gate, stack, library)
        index = await _vector_index(settings, library, embedder, serverless=serverless)
        stack.push_async_callback(index.close)
        import_lock = ImportLock(locks.imports)
        cache = AnswerCache(library, at_work=lambda: import_lock.at_work)
        stack.push_async_callback(cache.close)
        services = _assemble(
            settings,
            library,
            index,
            encoder=encoder,
            embedder=embedder,
            chat=chat,
            cache=cache,
            gate=gate,
            import_lock=import_lock,
            lease=locks.lease,
        )
        stack.push_async_callback(services.jobs.close)
        await services.uploads.clean()
        if warm:
            stack.push_async_callback(_end, asyncio.create_task(_warm(services), name="warm-up"))
        yield services


def _exporting(endpoint: str) -> contextlib.AbstractAsyncContextManager[None]:
    from animerag.telemetry.otlp import exporting

    return exporting(endpoint)


async def _providers(
    settings: Settings, gate: Gate, stack: contextlib.AsyncExitStack, memory: Memory | None = None
) -> tuple[Embedder, Embedder, ChatModel]:
    """Return the embedded encoder, which recognises intents in any case, what embeds shows, and what answers."""
    from animerag.providers.local import ExtractiveAnswerer, LocalEmbedder

    local = LocalEmbedder()
    stack.push_async_callback(local.close)
    embedder: Embedder = local
    chat: ChatModel = ExtractiveAnswerer(local)
    embeds = settings.provider_for(settings.embedding_provider)
    answers = settings.provider_for(settings.chat_provider)
    if "openai" in (embeds, answers):
        from animerag.providers.openai import OpenAIChat, OpenAIConnection, OpenAIEmbedder
        from animerag.providers.pricing import DEFAULT_PRICES

        connection = OpenAIConnection(api_key=settings.provider_key, base_url=settings.openai_base_url, gate=gate)
        prices = {**DEFAULT_PRICES, **settings.prices}
        if embeds == "openai":
            embedder = OpenAIEmbedder(
                connection,
                model=settings.embedding_model,
                prices=prices,
                asked_dimensions=settings.embedding_dimensions,
                memory=memory,
            )
            stack.push_async_callback(embedder.close)
        if answers == "openai":
            chat = OpenAIChat(
                connection,
                model=settings.chat_model,
                api=settings.api,
                reasoning_effort=settings.reasoning_effort,
                verbosity=settings.verbosity,
                prices=prices,
            )
            stack.push_async_callback(chat.close)
    return local, embedder, chat


async def _vector_index(settings: Settings, library: Library, embedder: Embedder, *, serverless: bool) -> OpenIndex:
    """Return Chroma, or an exact search over the library's vectors where `serverless` allows it."""
    directory = settings.data_dir / "chroma"
    if serverless and not settings.chroma_url and await library.embeddings.size_bytes(embedder.model) <= _EXACT_BYTES:
        from animerag.vector_store.chroma_server import ServerFiles

        if await asyncio.to_thread(ServerFiles(directory).live_url) is None:
            return _exact_index(library)
    from animerag.vector_store.chroma import ChromaIndex

    return ChromaIndex(
        None if settings.chroma_url else directory,
        url=settings.chroma_url,
        api_key=settings.chroma_api_key.get_secret_value() if settings.chroma_api_key else None,
        tenant=settings.chroma_tenant,
        database=settings.chroma_database,
    )


def _exact_index(library: Library) -> OpenIndex:
    from animerag.vector_store.exact import ExactIndex, StoredVectors

    async def load(spec: CollectionSpec) -> StoredVectors:
        ids, hashes, matrix = await library.embeddings.of_shows(spec.model, spec.dimensions)
        return StoredVectors(ids=tuple(ids), text_hashes=tuple(hashes), matrix=matrix)

    return ExactIndex(library.revision, load)


async def _try_providers(settings: Settings) -> list[ConnectionCheck]:
    """Test the models of settings that are not in use yet, over separate connections."""
    async with contextlib.AsyncExitStack() as stack:
        _, embedder, chat = await _providers(settings, Gate(), stack)

        async def embed() -> str:
            embedded = await embedder.embed(["check"], priority=Priority.LIVE)
            return f"{embedder.model} works: its vectors have {embedded.vectors.shape[1]:,} dimensions."

        return [await tried("Vectors", embed), await tried("Answers", chat.check)]


def _assemble(
    settings: Settings,
    library: Library,
    index: OpenIndex,
    *,
    encoder: Embedder,
    embedder: Embedder,
    chat: ChatModel,
    cache: AnswerCache,
    gate: Gate,
    import_lock: ImportLock,
    lease: str,
) -> Services:
    embeds_here = embedder.provider == "local"

    def level(priority: Priority, *, local: bool) -> Callable[[], int]:
        return lambda: _LOCAL_LEVEL if local else gate.level(priority)

    indexer = Indexer(library, index, embedder)
    retriever = Retriever(indexer, at_work=lambda: import_lock.at_work, encoder=encoder)
    answering = Answering(
        retriever,
        chat,
        cache,
        k=settings.sources,
        language=settings.answer_language,
        early_start=settings.early_start,
        daily=DailySpending(library, settings.max_cost_usd),
    )
    ingestion = Ingestion(
        indexer,
        import_lock,
        Space(settings.data_dir),
        batch_size=_batch_size(settings),
        level=level(Priority.INGEST, local=embeds_here),
        set_level=lambda choice: gate.set_level(Priority.INGEST, choice),
        rounds=lambda: repeat(_LOCAL_LEVEL) if embeds_here else gate.rounds(Priority.INGEST),
        max_cost_usd=settings.max_cost_usd,
        most=batching.USUAL if embeds_here else batching.MOST,  # the local encoder gains nothing from large batches
    )
    editing = Editing(indexer, ingestion)
    catalogue, same_shows = Catalogue(indexer, ingestion), SameShows(indexer, ingestion)
    visits, spool = PageActivity(), UploadStore(settings.data_dir / UPLOADS)
    jobs = Jobs(library, lease, on_start=gate.reset)  # a rejected key may have been replaced since
    return Services(
        settings=settings,
        library=library,
        index=index,
        embedder=embedder,
        gate=gate,
        retriever=retriever,
        answering=answering,
        ingestion=ingestion,
        batch=Batch(
            answering,
            level=lambda: gate.level(Priority.BATCH),
            set_level=lambda choice: gate.set_level(Priority.BATCH, choice),
            runs=Runs(library),
            visits=visits,
            costs=BatchCosts(library, embedder=embedder, chat=chat, prices=price_table(settings.prices)),
        ),
        conversations=Conversations(library),
        preferences=Preferences(library, settings, try_out=_try_providers, find=discovery.find),
        catalogue=catalogue,
        browsing=Browsing(indexer, retriever.table),
        editing=editing,
        my_list=MyList(library, editing),
        maintenance=Maintenance(indexer, import_lock, None if settings.chroma_url else settings.data_dir / "chroma"),
        same_shows=same_shows,
        statistics=Statistics(library, catalogue, same_shows),
        suggestions=Suggestions(retriever.collection),
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
    interrupted = False
    running = await library.journal.jobs(state="running", limit=1000)
    for job in running:
        if await asyncio.to_thread(locks.is_free, job.lease):
            await library.journal.end(job.id, state="interrupted", error="The app ended before the job did.")
            interrupted = True
    return interrupted
