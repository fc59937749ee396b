"""Shows whose text differs in a newer version are offered for indexing, once; nothing else changes."""

import pytest
from sqlalchemy import update

from animerag.indexing.text_hashes import refresh_text_hashes
from animerag.jobs.jobs import Control
from animerag.storage.schema import facts, indexed, shows

pytestmark = pytest.mark.both_databases


@pytest.fixture
async def of_earlier_rules(services, export, record):
    """Services over two shows, one of them with the text of an earlier version, indexed as such."""
    source = export(record(1, "Dawn", "A girl paints the sea."), record(2, "Noon", "Two boys build a boat."))
    await services.ingestion.run([source], Control())
    async with services.library.writing() as connection:
        for table, column in ((shows, shows.c.id), (indexed, indexed.c.show_id)):
            await connection.execute(update(table).where(column == "1").values(text_hash="of an earlier text"))
        await connection.execute(facts.delete().where(facts.c.key == "text_rules"))
    return services


async def test_a_text_of_earlier_rules_waits_to_be_indexed_and_is_offered(of_earlier_rules):
    services = of_earlier_rules
    spec = await services.retriever._indexer.spec()
    assert await services.library.embeddings.not_indexed(spec.name) == []

    assert await refresh_text_hashes(services.retriever._indexer) == 1

    assert await services.library.embeddings.not_indexed(spec.name) == ["1"]
    assert (await services.catalogue.status()).not_indexed == 1


async def test_indexing_again_is_sufficient(of_earlier_rules):
    services = of_earlier_rules

    report = await services.ingestion.reindex(Control())

    assert (report.read, report.ingested) == (1, 1)
    assert (await services.maintenance.check()).healthy


async def test_texts_are_compared_once_per_version(of_earlier_rules):
    indexer = of_earlier_rules.retriever._indexer
    await refresh_text_hashes(indexer)
    async with of_earlier_rules.library.writing() as connection:
        await connection.execute(update(shows).where(shows.c.id == "2").values(text_hash="changed"))

    assert await refresh_text_hashes(indexer) == 0
