"""Passages of every show are embedded once, when the machine is idle, and questions use them."""

import asyncio

import pytest

from animerag.indexing import passages
from animerag.indexing.passages import PassageIndexer
from animerag.jobs.jobs import Control

SPACE = "Astronauts collect trash that circles the Earth. One of them wants a ship. She dreams of Jupiter."


@pytest.fixture
async def filled(services, export, record):
    """Services over two shows, whose passages are stored: four texts."""
    rows = [record(1, "Planetes", SPACE, AllTags="space|drama"), record(2, "Farm", "A family keeps cows. They rise.")]
    await services.ingestion.run([export(*rows)], Control())
    assert await services.passages.fill() == 4
    return services


@pytest.fixture
def embedded(services, monkeypatch):
    """The texts that the encoder is given from here on."""
    texts = []
    embed = services.embedder.embed

    async def watched(some, *, priority):
        texts.extend(some)
        return await embed(some, priority=priority)

    monkeypatch.setattr(services.embedder, "embed", watched)
    return texts


def indexer_of(services, importing=lambda: False):
    return PassageIndexer(services.library, services.embedder, importing)


async def test_a_question_embeds_only_itself_once_passages_are_stored(filled, embedded):
    found = await filled.retriever.search("spacemen who tidy up junk in orbit")
    assert found.sources[0].show.id == "1"
    assert embedded == ["spacemen who tidy up junk in orbit"]


async def test_another_process_embeds_nothing_twice(filled, embedded):
    assert await indexer_of(filled).fill() == 0
    assert embedded == []


async def test_a_changed_description_is_embedded_and_nothing_else(filled, embedded, export, record):
    rows = [record(1, "Planetes", SPACE, AllTags="space|drama"), record(2, "Farm", "A family keeps goats. They rise.")]
    await filled.ingestion.run([export(*rows)], Control())
    embedded.clear()
    assert await filled.passages.fill() == 1
    assert embedded == ["A family keeps goats. They rise."]


async def test_passages_count_neither_as_shows_nor_as_vectors_of_the_model(filled):
    spec = await filled.retriever._indexer.spec()
    assert await filled.library.embeddings.size_bytes(filled.embedder.model) == 2 * 4 * spec.dimensions
    assert (await filled.maintenance.check()).healthy


async def test_embedding_waits_for_an_import_and_then_continues(filled, embedded, export, record, monkeypatch):
    await filled.ingestion.run([export(record(3, "Noon", "Two boys build a boat. It sinks."))], Control())
    embedded.clear()
    looks, done = iter([True, True, True]), asyncio.Event()

    def importing():
        working = next(looks, False)
        assert not (working and embedded), "nothing is embedded during an import"
        return working

    save = filled.library.embeddings.save

    async def saved(*given):
        await save(*given)
        if embedded:
            done.set()

    monkeypatch.setattr(passages, "_QUIET_S", 0.001)
    monkeypatch.setattr(passages, "_load", lambda: 0.0)
    monkeypatch.setattr(filled.library.embeddings, "save", saved)
    task = asyncio.create_task(indexer_of(filled, importing).run())
    await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert embedded == ["Two boys build a boat. It sinks."]


async def test_nothing_is_embedded_on_a_busy_machine(filled, embedded, monkeypatch):
    indexer = indexer_of(filled)
    indexer._done.clear()
    loads = iter([0.9, 2.0, 0.1])
    monkeypatch.setattr(passages, "_QUIET_S", 0.001)
    monkeypatch.setattr(passages, "_load", lambda: next(loads))
    await indexer._idle()
    assert next(loads, None) is None, "it waited until the load had fallen"


async def test_a_paid_provider_is_never_asked(filled, embedded, monkeypatch):
    monkeypatch.setattr(filled.embedder, "provider", "openai")
    await indexer_of(filled).run()
    assert embedded == []
