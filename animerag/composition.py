"""The composition root: opens what the settings choose, and closes it. It knows nothing of pages.

Pages reach the services through `event_loop.Runtime`; the command line opens them on its own loop with `open_services`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from animerag import logs
from animerag.backends import open_index, open_providers
from animerag.concurrency import cancel_and_wait
from animerag.errors import AnimeRAGError, InvalidInputError
from animerag.models.providers import Priority
from animerag.rate_limits import Gate
from animerag.saved_settings import saved_settings
from animerag.services import Parts, Services
from animerag.storage.library import Library
from animerag.storage.private_files import tighten

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from animerag.config import Settings
    from animerag.saved_settings import ConnectionCheck
    from animerag.storage.locks import Locks
    from animerag.work_queue.work_queue import WorkQueue

_M_ARENA_MAX, _HEAPS = -8, 2  # malloc.h: the number of glibc heaps; by default every thread may get its own

_CALM_S, _CALM_TRIES = 1.0, 10  # pages may follow each other forever

log = logging.getLogger(__name__)


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
            from animerag.indexing.doctor import UNCLEAN_STOP

            await library.set_meta(UNCLEAN_STOP, "yes")  # until a process has checked the index
        settings = settings.with_saved(await saved_settings(library))
        gate = _gate(settings, library)
        stack.push_async_callback(gate.disconnect)
        encoder, embedder, chat = await open_providers(settings, gate, stack, library)
        index = await open_index(settings, library, embedder, serverless=serverless, warm=warm)
        stack.push_async_callback(index.close)
        from animerag.jobs.import_lock import ImportLock
        from animerag.storage.answer_cache import AnswerCache

        queue = await _work_queue(settings, library, locks, stack)
        import_lock = ImportLock(locks.imports)
        cache = AnswerCache(library, at_work=lambda: import_lock.at_work)
        stack.push_async_callback(cache.close)
        services = Services(
            Parts(
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
                queue=queue,
                try_out=partial(_try_providers, library),
            )
        )
        stack.push_async_callback(services.jobs.close)
        if not serverless:
            await services.uploads.clean()
        if warm:
            services.jobs.watch()
            stack.push_async_callback(cancel_and_wait, asyncio.create_task(_warm(services), name="warm-up"))
        yield services


def _gate(settings: Settings, library: Library) -> Gate:
    """Return the gate of this process; with a queue, the limits apply to all hosts together."""
    ingest, query = settings.ingest_concurrency, settings.query_concurrency
    if settings.engine == "local":
        return Gate(ingest=ingest, query=query, max_rpm=settings.max_rpm, max_tpm=settings.max_tpm)
    from animerag.rate_limits.distributed_window import WindowLimits

    limits = WindowLimits(requests=settings.max_rpm, tokens=settings.max_tpm)
    shared = library.shared_window(settings.openai_base_url or "openai", limits)
    return Gate(ingest=ingest, query=query, shared=shared)


def _exporting(endpoint: str) -> contextlib.AbstractAsyncContextManager[None]:
    from animerag.telemetry.otlp import exporting

    return exporting(endpoint)


async def _work_queue(
    settings: Settings, library: Library, locks: Locks, stack: contextlib.AsyncExitStack
) -> WorkQueue | None:
    if settings.engine == "local":
        return None
    from animerag.work_queue.work_queue import WorkQueue

    connection = library.connection_arguments("animerag queue")
    return await stack.enter_async_context(WorkQueue.opened(library, connection, locks))


async def _try_providers(library: Library, settings: Settings) -> list[ConnectionCheck]:
    """Test the models of settings that are not in use yet, over separate connections."""
    from animerag.saved_settings import tried

    async with contextlib.AsyncExitStack() as stack:
        gate = Gate() if settings.engine == "local" else _gate(settings, library)
        stack.push_async_callback(gate.disconnect)
        _, embedder, chat = await open_providers(settings, gate, stack)

        async def embed() -> str:
            embedded = await embedder.embed(["check"], priority=Priority.LIVE)
            return f"{embedder.model} works: its vectors have {embedded.vectors.shape[1]:,} dimensions."

        return [await tried("Vectors", embed), await tried("Answers", chat.check)]


def _few_heaps() -> None:
    """Let all threads share two heaps; otherwise memory that a large import frees stays in its heap, 30 MB in all."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # glibc only
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _HEAPS)


async def _warm(services: Services) -> None:
    """Load what the first question needs; a failure is raised again, with its reason, when the part is needed.

    After an unclean stop, also check and repair the index.
    """
    if services.index.mode == "in process":  # many questions need no encoder, and only a start with Chroma can repair
        await _settled(services.retriever.table())
        return
    if services.index.starting:  # searches do not wait for it
        await _settled(services.embedder.warm(), services.retriever.warm())
        await _calm(services)
        await _settled(services.index.start())
    else:
        await _settled(services.embedder.warm(), services.index.start(), services.retriever.warm())
    await _calm(services)
    await asyncio.to_thread(services.build_all)  # imported now, so that no click has to wait for it
    await _settled(services.retriever.prepare_candidates())
    try:
        await services.maintenance.refresh_texts()
        await services.maintenance.start_after_unclean_stop(services.jobs)
    except InvalidInputError as error:  # another job is running: the next start tries again
        log.info("the index was not checked after an unclean stop: %s", error)
    except AnimeRAGError as error:
        log.warning("the index could not be checked after an unclean stop: %s", error)
    await services.passages.run()


async def _calm(services: Services) -> None:
    """Wait until no page has asked for anything for a moment, because imports would slow its answer down."""
    for _ in range(_CALM_TRIES):
        if (left_s := _CALM_S - services.visits.idle_s) <= 0:
            return
        await asyncio.sleep(left_s)


async def _settled(*steps: Coroutine[Any, Any, object]) -> None:
    """Wait for all steps and log what fails."""
    for outcome in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(outcome, AnimeRAGError):
            log.warning("warm-up: %s", outcome)
        elif isinstance(outcome, Exception):
            log.error("warm-up failed", exc_info=outcome)


async def _mark_interrupted(library: Library, locks: Locks) -> bool:
    """Record the end of jobs whose process has ended, and return whether there were any."""
    running = await library.journal.jobs(state="running", limit=1000)
    leases = {job.lease for job in running}
    dead = [lease for lease in leases if await asyncio.to_thread(locks.is_free, lease)]
    return bool(dead) and await library.journal.interrupt(dead) > 0
