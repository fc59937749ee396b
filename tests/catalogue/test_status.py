"""The counts that every page shows: counted when something has changed, and without waiting for a provider."""

import socket

import pytest

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import ProviderUnusableError
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control


@pytest.fixture
async def imported(services, tmp_path):
    """Services over two shows."""
    path = tmp_path / "two.csv"
    path.write_text("id,title,description\n1,Alpha,A harbour.\n2,Beta,A train.\n", encoding="utf-8")
    await services.ingestion.run([SourceFile(path=path, name=path.name)], Control())
    return services


@pytest.fixture
def counted(imported, monkeypatch):
    """The collections whose shows were counted."""
    collections = []
    count = imported.library.embeddings.count_indexed

    async def recorded(collection):
        collections.append(collection)
        return await count(collection)

    monkeypatch.setattr(imported.library.embeddings, "count_indexed", recorded)
    return collections


async def test_shows_are_counted_again_only_after_a_change(imported, counted):
    catalogue, embeddings = imported.catalogue, imported.library.embeddings
    first = await catalogue.status()
    assert await catalogue.status() is first
    assert len(counted) == 1
    await embeddings.forget_indexed(counted[0], ["1"])
    assert (await catalogue.status()).not_indexed == 1
    await embeddings.note_indexed(counted[0], {"1": (await imported.library.hashes())["1"]})
    assert (await catalogue.status()).not_indexed == 0
    await imported.library.put_text_hashes({"2": "another"})
    assert (await catalogue.status()).not_indexed == 1


async def test_while_a_job_changes_the_catalogue_a_recent_count_is_enough(imported, counted):
    await imported.catalogue.status()
    await imported.library.embeddings.forget_collection(counted[0])
    assert (await imported.catalogue.status(age_s=60)).not_indexed == 0
    assert (await imported.catalogue.status()).not_indexed == 2


async def test_an_older_count_is_returned_while_shows_are_counted_again(imported, counted, monkeypatch):
    catalogue, now = imported.catalogue, [100.0]
    monkeypatch.setattr("animerag.catalogue.status.time.monotonic", lambda: now[0])
    await catalogue.status()
    await imported.library.embeddings.forget_collection(counted[0])
    now[0] += 5
    assert (await catalogue.status(age_s=1)).not_indexed == 0
    await catalogue._counting
    assert (await catalogue.status(age_s=1)).not_indexed == 2
    await imported.library.embeddings.note_indexed(counted[0], await imported.library.hashes())
    now[0] += 60
    assert (await catalogue.status(age_s=1)).not_indexed == 0, "a count of a minute ago is never returned"


async def test_a_page_does_not_wait_for_a_provider_that_does_not_answer(imported, settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        chosen = {
            "openai_base_url": f"http://127.0.0.1:{silent.getsockname()[1]}/v1",
            "chroma_url": settings.chroma_url,
        }
        own = load_settings(data_dir=settings.data_dir, embedding_model="of-unknown-width", **chosen)
        async with open_services(own, warm=False) as services:
            status = await services.catalogue.status(patience_s=0.01)
    assert (status.shows, status.indexed) == (2, None)


async def test_a_page_does_not_ask_again_at_once_after_a_failure(imported, monkeypatch):
    asked = []

    async def away():
        asked.append(1)
        raise ProviderUnusableError("The provider is away.")

    monkeypatch.setattr(imported.embedder, "dimensions", away)
    assert [(await imported.catalogue.status(patience_s=5)).indexed for _ in range(3)] == [None] * 3
    assert len(asked) == 1
