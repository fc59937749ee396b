"""The bridge between pages and the event loop, case by case."""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading

import pytest

from animerag.errors import LibraryError, RuntimeClosedError
from animerag.event_loop import Runtime
from animerag.indexing.doctor import UNCLEAN_STOP


@pytest.fixture
def runtime(settings):
    opened = Runtime(settings)
    yield opened
    opened.close()
    assert not opened.alive


class Cancelled:
    """A coroutine that records its cancellation."""

    def __init__(self):
        self.started = threading.Event()
        self.seen = threading.Event()

    async def run(self):
        self.started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.seen.set()
            raise


def test_a_call_returns_the_result_and_raises_what_was_raised(runtime):
    async def answer():
        return 42

    async def fail():
        raise ValueError("no")

    assert runtime.call(answer()) == 42
    with pytest.raises(ValueError, match="no"):
        runtime.call(fail())


def test_a_call_from_the_loops_own_thread_is_refused(runtime):
    async def inner():
        return None

    async def outer():
        runtime.call(inner())

    with pytest.raises(RuntimeError, match="own loop"):
        runtime.call(outer())


def test_a_timeout_cancels_the_work(runtime):
    work = Cancelled()
    with pytest.raises(TimeoutError):
        runtime.call(work.run(), timeout_s=0.05)
    assert work.seen.wait(5)


def test_a_stream_gives_its_items_and_its_error(runtime):
    async def events():
        yield 1
        yield 2
        raise ValueError("three")

    stream = runtime.stream(events(), idle_s=60)
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(ValueError, match="three"):
        next(stream)


def test_leaving_a_stream_early_closes_it_on_the_loop(runtime):
    closed = threading.Event()

    async def events():
        try:
            while True:
                yield 1
                await asyncio.sleep(0)
        finally:
            closed.set()

    stream = runtime.stream(events(), idle_s=60)
    next(stream)
    stream.close()
    assert closed.wait(5)


def test_a_silent_stream_times_out(runtime):
    async def events():
        yield 1
        await asyncio.sleep(60)

    # The loop may be busy warming up for as long.
    stream = runtime.stream(events(), timeout_s=2.0, idle_s=0.1)
    assert next(one for one in stream if one is not None) == 1
    assert next(stream) is None, "nothing has arrived, which a page may explain"
    with pytest.raises(TimeoutError):
        list(stream)


def test_a_stopped_page_does_not_stop_its_job(runtime):
    async def work(control):
        await control.stopped()

    jobs = runtime.services.jobs
    job = runtime.call(jobs.start(work, kind="k", title="t"))
    waiting = Cancelled()
    with pytest.raises(TimeoutError):
        runtime.call(waiting.run(), timeout_s=0.01)
    assert job.running


def test_close_cancels_what_is_pending_and_ends_the_thread(settings):
    runtime = Runtime(settings)
    work = Cancelled()
    caller = threading.Thread(target=_quietly, args=(runtime, work))
    caller.start()
    assert work.started.wait(5)
    runtime.close()
    caller.join(5)
    assert work.seen.is_set()
    assert not caller.is_alive()


def _quietly(runtime, work):
    with contextlib.suppress(Exception, asyncio.CancelledError):
        runtime.call(work.run())


def test_closing_lets_short_work_finish_before_the_services_close(settings):
    runtime = Runtime(settings)
    services, begun = runtime.services, threading.Event()

    async def read():
        begun.set()
        for _ in range(5):
            await asyncio.sleep(0.02)
            await services.library.revision()
        return "read"

    reading = runtime.submit(read())
    assert begun.wait(10)
    runtime.close()
    assert reading.result(0) == "read"


def test_an_ended_loop_is_noticed(settings):
    runtime = Runtime(settings)
    runtime.close()

    async def nothing():
        return None

    with pytest.raises(RuntimeClosedError, match="restart the app"):
        runtime.call(nothing())
    with pytest.raises(RuntimeClosedError):
        _ = runtime.services


def test_a_library_that_cannot_be_opened_is_reported_and_leaves_no_thread(settings):
    before = set(threading.enumerate())
    settings.database_path.parent.mkdir(parents=True)
    settings.database_path.write_bytes(b"no database at all, only text " * 40)
    with pytest.raises(LibraryError, match="cannot be opened"):
        Runtime(settings)
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name == "animerag-loop"]


def test_jobs_of_an_ended_process_are_interrupted(settings):
    async def work(control):
        await control.stopped()

    runtime = Runtime(settings)
    job = runtime.call(runtime.services.jobs.start(work, kind="k", title="t"))
    # The journal after a process was killed: a running job under a free lock.
    runtime.close()
    reopened = Runtime(settings)
    library = reopened.services.library
    reopened.call(library.journal.begin("lost", owner="local", kind="k", title="t", lease="gone.lock"))
    reopened.close()
    last = Runtime(settings)
    states = {record.id: record.state for record in last.call(last.services.library.journal.jobs())}
    last.close()
    assert states == {job.id: "interrupted", "lost": "interrupted"}


def test_a_call_interrupted_by_closing_has_a_clear_error(settings):
    opened = Runtime(settings)
    cut = Cancelled()
    threading.Thread(target=lambda: (cut.started.wait(20), opened.close())).start()

    with pytest.raises(RuntimeClosedError):
        opened.call(cut.run())
    assert cut.seen.is_set()


async def test_another_loop_awaits_a_result_and_its_error(runtime):
    async def answer():
        return threading.current_thread().name

    async def fail():
        raise ValueError("no")

    assert await runtime.result(answer()) == "animerag-loop"
    with pytest.raises(ValueError, match="no"):
        await runtime.result(fail())


async def test_cancelling_the_wait_of_another_loop_cancels_the_work(runtime):
    work = Cancelled()
    waiting = asyncio.create_task(runtime.result(work.run()))
    assert await asyncio.to_thread(work.started.wait, 20)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await asyncio.to_thread(work.seen.wait, 5)


async def test_another_loop_gets_events_and_their_error_and_closing_early_closes_them(runtime):
    closed = threading.Event()

    async def events():
        try:
            yield 1
            yield 2
            raise ValueError("three")
        finally:
            closed.set()

    async with contextlib.aclosing(runtime.events(events())) as whole:
        assert [await anext(whole), await anext(whole)] == [1, 2]
        with pytest.raises(ValueError, match="three"):
            await anext(whole)
    closed.clear()
    async with contextlib.aclosing(runtime.events(events())) as early:
        await anext(early)
    assert await asyncio.to_thread(closed.wait, 5)


async def test_work_that_closing_cuts_off_is_an_error_on_another_loop_too(settings):
    opened = Runtime(settings)
    work = Cancelled()

    async def events():
        yield 1
        await asyncio.sleep(60)

    waiting = asyncio.create_task(opened.result(work.run()))
    async with contextlib.aclosing(opened.events(events())) as yielded:
        assert await anext(yielded) == 1
        assert await asyncio.to_thread(work.started.wait, 20)
        await asyncio.to_thread(opened.close)
        with pytest.raises(RuntimeClosedError):
            await waiting
        with pytest.raises(RuntimeClosedError):
            await anext(yielded)
    with pytest.raises(RuntimeClosedError):
        await opened.result(work.run())


def test_a_process_that_ends_leaves_a_clean_index_and_a_resumable_import(settings, export, record):
    rows = [record(n, f"Voyage {n}", f"The captain number {n} walks through the rain. " * 20) for n in range(1, 3000)]
    settings.data_dir.mkdir(parents=True)
    program = f"""
import sys, time
from pathlib import Path
from animerag.event_loop import Runtime
from animerag.indexing.doctor import UNCLEAN_STOP
from animerag.ingestion.importer import SourceFile
runtime = Runtime()
uploads = runtime.services.uploads
job = runtime.call(uploads.start([SourceFile(path=Path({str(export(*rows).path)!r}), name="voyages")]))
while not job.control.progress.done:
    time.sleep(0.01)
"""
    environment = {
        **os.environ,
        "ANIMERAG_DATA_DIR": str(settings.data_dir),
        "ANIMERAG_CHROMA_URL": settings.chroma_url,
    }
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=50)
    assert list((settings.data_dir / "processes").glob("*.lock")) == []
    opened = Runtime(settings)
    try:
        services = opened.services
        unfinished = opened.call(services.uploads.unfinished())
        assert (unfinished.state, unfinished.title) == ("interrupted", "voyages")
        assert not opened.call(services.library.get_meta(UNCLEAN_STOP))
        assert opened.call(services.uploads.remaining(unfinished.id)).unchanged > 0, "everything stored so far is kept"
    finally:
        opened.close()
