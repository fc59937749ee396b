"""Cached answers: only of the current revision, and none from during an import or a repair."""

import pytest

from animerag.jobs.jobs import Control

pytestmark = pytest.mark.both_databases


@pytest.fixture
async def answered(services, export, record):
    """The sources of a question, and its answer."""
    await services.ingestion.run([export(record(1, "Monster", "A surgeon hunts a boy."))], Control())
    question = "What is Monster about?"
    return await services.retriever.search(question), await services.answering.ask(question)


@pytest.fixture
def cache(services):
    return services.answering._cache


async def test_an_answer_of_this_revision_is_stored(cache, answered):
    key, revision = await cache.key(question="q")
    cache.put(key, revision, *answered)
    await cache.close()
    assert (await cache.get(key)).answer.text == answered[1].text


async def test_an_answer_that_an_earlier_revision_gave_is_not_written(services, cache, answered):
    key, revision = await cache.key(question="q")
    await services.library.bump_revision()
    cache.put(key, revision, *answered)
    await cache.close()
    assert await cache.get(key) is None


async def test_nothing_is_stored_while_an_import_or_a_repair_runs(services, cache, answered):
    key, revision = await cache.key(question="q")
    async with services.maintenance._import_lock.held(Control()):
        cache.put(key, revision, *answered)
        assert await cache.get(key) is None
    await cache.close()
    assert await cache.get(key) is None
