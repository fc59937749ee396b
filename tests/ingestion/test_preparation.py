"""A first import opens provider and index while its file is read; one without anything new opens nothing."""

import asyncio
import contextlib
import threading

import pytest

from animerag.errors import VectorStoreError
from animerag.ingestion import batching
from animerag.ingestion.batching import Cutter
from animerag.ingestion.counters import ImportCounters
from animerag.ingestion.selection import growing
from animerag.jobs.jobs import Control
from animerag.models.imports import ImportKind
from animerag.models.shows import Show
from animerag.providers import openai_connection
from animerag.providers.openai_connection import OpenAIConnection
from animerag.rate_limits import Gate


@pytest.fixture
def opened(services, monkeypatch):
    """The opened parts in order, and an event that is set with the collection."""
    calls, created = [], asyncio.Event()
    ensure, start = services.index.ensure, services.index.start

    async def noted_start():
        calls.append("index")
        await start()

    async def noted_ensure(spec):
        await ensure(spec)
        calls.append("collection")
        created.set()

    monkeypatch.setattr(services.index, "start", noted_start)
    monkeypatch.setattr(services.index, "ensure", noted_ensure)
    return calls, created


async def test_a_first_import_opens_the_provider_and_the_server_of_the_index_while_its_file_is_read(
    services, export, record, monkeypatch
):
    warmed, launched = asyncio.Event(), asyncio.Event()
    read, warm, launch = services.ingestion._selection.read, services.embedder.warm, services.index.launch

    async def noted_warm():
        await warm()
        warmed.set()

    async def noted_launch():
        await launch()
        launched.set()

    async def after_both(*arguments):
        await asyncio.wait_for(asyncio.gather(warmed.wait(), launched.wait()), 30)
        return await read(*arguments)

    monkeypatch.setattr(services.embedder, "warm", noted_warm)
    monkeypatch.setattr(services.index, "launch", noted_launch)
    monkeypatch.setattr(services.ingestion._selection, "read", after_both)
    report = await services.ingestion.run([export(record(1, "Alpha", "A harbour."))], Control())
    assert report.ingested == 1


async def test_an_import_without_anything_new_opens_nothing(services, opened, export, record):
    calls, _ = opened
    file = export(record(1, "Alpha", "A harbour."))
    await services.ingestion.run([file], Control())
    calls.clear()
    report = await services.ingestion.run([file], Control())
    assert report.unchanged == 1
    assert calls == []


async def test_a_later_import_opens_the_collection_beside_its_first_request(
    services, opened, export, record, monkeypatch
):
    calls, created = opened
    await services.ingestion.run([export(record(1, "Alpha", "A harbour."))], Control())
    calls.clear()
    created.clear()
    embed = services.embedder.embed

    async def after_the_collection(texts, **options):
        await asyncio.wait_for(created.wait(), 30)
        return await embed(texts, **options)

    monkeypatch.setattr(services.embedder, "embed", after_the_collection)
    report = await services.ingestion.run([export(record(2, "Beta", "A train."))], Control())
    assert report.ingested == 1


async def test_an_index_that_cannot_be_opened_is_reported_by_the_write(services, export, record, monkeypatch):
    async def refuse(*_):
        raise VectorStoreError("No index today.")

    for name in ("start", "ensure", "upsert"):
        monkeypatch.setattr(services.index, name, refuse)
    with pytest.raises(VectorStoreError, match="No index today"):
        await services.ingestion.run([export(record(1, "Alpha", "A harbour."))], Control())


async def test_ten_requests_import_the_sdk_once_and_not_on_the_loop(monkeypatch):
    threads = []
    monkeypatch.setattr(openai_connection, "_import_sdk", lambda: threads.append(threading.current_thread()))
    connection = OpenAIConnection(api_key="k", base_url="http://127.0.0.1:9/v1", gate=Gate())
    await asyncio.gather(*(connection.load() for _ in range(10)))
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


@pytest.mark.parametrize("level", [10, 3, 1])
async def test_the_first_round_of_requests_is_cut_from_the_rows_that_are_compared_first(services, level, monkeypatch):
    shows = iter([Show(id=str(number), title=f"T{number}") for number in range(1500)])
    monkeypatch.setattr(services.ingestion, "_level", lambda: level)
    parts = await services.ingestion._parts("auto")
    counters = ImportCounters(control=Control(), read=1500)
    documents = services.ingestion._selection.documents(shows, counters, ImportKind.OWN, parts)
    async with contextlib.aclosing(documents):
        compared = await anext(documents)
    assert len(list(Cutter([batching.USUAL]).add(compared))) == level


async def test_the_first_parts_are_small_so_that_every_worker_gets_a_batch_early(services):
    shows = iter([Show(id=str(number), title=f"T{number}") for number in range(20)])
    counters = ImportCounters(control=Control(), read=20)
    documents = services.ingestion._selection.documents(shows, counters, ImportKind.OWN, growing([4]))
    assert [len(part) async for part in documents] == [4, 8, 8]
